/* A file whose pages never come, on a FUSE file system of its own in a mount namespace of its own: who touches
 * one stays in the kernel, with all locks that it holds, until the file is closed. */
#ifndef TESTS_PHYSMEM_STUCK_FILE_H
#define TESTS_PHYSMEM_STUCK_FILE_H

#include <pthread.h>
#include <stdatomic.h>

struct stuck_file {
    char path[256];
    int device; /* /dev/fuse */
    pthread_t thread;
    _Atomic unsigned reads; /* that wait, and will wait */
};

/* Make one in `directory`. All users may open it. Returns 0 or a negative errno: there is no FUSE here, or it may
 * not be mounted. The calling process then has a mount namespace of its own. */
int stuck_file_open(struct stuck_file *file, const char *directory);

/* All that wait get an error. */
void stuck_file_close(struct stuck_file *file);

#endif
