/* A file whose pages never come, on a FUSE file system of its own: a process that touches one stays in the kernel,
 * with all locks that it holds, until the file is closed. */
#ifndef TEST_STUCK_FILE_H
#define TEST_STUCK_FILE_H

#include <pthread.h>
#include <stdatomic.h>

struct stuck_file {
    char path[256];
    int device; /* /dev/fuse */
    pthread_t thread;
    _Atomic unsigned reads; /* that wait, and will wait */
};

/* This process, and those that it starts from now on, have a mount namespace of their own, in which nothing is left
 * mounted when they have ended. Returns 0 or a negative errno: it may not. */
int stuck_file_prepare(void);

/* Make one in `directory`, in that namespace. All users may open it. Returns 0 or a negative errno: there is no FUSE
 * here, or it may not be mounted. */
int stuck_file_open(struct stuck_file *file, const char *directory);

/* All that wait get an error. */
void stuck_file_close(struct stuck_file *file);

#endif
