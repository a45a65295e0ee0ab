/* Limits of the process. */
#ifndef OS_LIMITS_H
#define OS_LIMITS_H

/* Raise the number of descriptors this process may have to what the system allows: servers hold one
 * for each connection and each extent, and as many again may be in flight to peers that have not
 * received them yet. Returns the number, or a negative errno. */
long limits_raise_files(void);

/* Make the kernel's table of this process' descriptors large enough for `files` (65,536 at most).
 * Call it while the process has one thread: with several, each doubling of the table waits for all
 * processors, which takes tens of milliseconds. */
void limits_make_room(long files);

#endif
