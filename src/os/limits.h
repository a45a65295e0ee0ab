/* Limits of the process. */
#ifndef OS_LIMITS_H
#define OS_LIMITS_H

/* Raise the number of descriptors this process may have to what the system allows: servers hold one
 * for each connection and each extent, and as many again may be in flight to peers that have not
 * received them yet. Returns the number, or a negative errno. */
long limits_raise_files(void);

#endif
