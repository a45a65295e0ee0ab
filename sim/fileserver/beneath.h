/* Opening what lies below a directory, and nothing else. By openat2 with RESOLVE_BENEATH; where there is
 * none (before Linux 5.6, in some containers, under Valgrind 3.19), by a walk of one's own (walk.h). */
#ifndef FILESERVER_BENEATH_H
#define FILESERVER_BENEATH_H

/* Open `path` below the directory `root` with flags of open(2); a new file gets `mode`, which is 0
 * unless O_CREAT is among them. "" is the root itself. Returns a descriptor, or a negative errno: of
 * open(2), or -EXDEV if the path leads out: absolute, or by ".." or a link. */
int beneath_open(int root, const char *path, int flags, unsigned mode);

/* The same to read what the kernel has at hand, on the root's own device: a negative errno if it would have to ask
 * anybody, or has no such call. */
int beneath_open_now(int root, const char *path, int flags);

#endif
