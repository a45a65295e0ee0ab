/* A file system whose one file is never read to the end: a page of it never comes, and a thread
 * that waits for it in the middle of a system call keeps what that call has locked. */
#ifndef SELFPAGE_BENCH_HOSTILE_FUSE_H
#define SELFPAGE_BENCH_HOSTILE_FUSE_H

#include <stdint.h>

/* Whether this machine lets this process mount one. */
int fuse_possible(const char *directory);

/* Mount it at `directory`, in a mount namespace of this process's own (and a user namespace, unless
 * this process is root), and serve it from a child, which ends when `leash`, the read end of a pipe, is
 * closed at the other end. (Not with this process: what waits for a page may not die before.) Returns 0
 * or a negative errno. */
int fuse_start(const char *directory, int leash);

/* A page of memory that never comes: a mapping of the file. NULL: errno says why. */
void *fuse_page(const char *directory);

#endif
