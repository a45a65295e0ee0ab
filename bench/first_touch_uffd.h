/* A minimal pager by userfaultfd: a thread that reads faults and answers them. */
#ifndef BENCH_FIRST_TOUCH_UFFD_H
#define BENCH_FIRST_TOUCH_UFFD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common.h"

struct uffd {
    int fd;
    int memory;          /* memfd, all pages present */
    unsigned char *base; /* the last page is not for the user: a fault there ends the thread */
    size_t size;
    int core; /* of the thread */
    bool failed;
    pthread_t thread;
};

/* Make `pages` pages whose faults are reported. False, and why, if this machine does not allow it;
 * nothing is left then. */
bool uffd_open(struct uffd *uffd, uint32_t pages, char *why, size_t size);
void uffd_close(struct uffd *uffd);

/* Start the thread that answers, pinned to a core, and end it. */
void uffd_start(struct bench *bench, struct uffd *uffd, int core);
void uffd_stop(struct bench *bench, struct uffd *uffd);

/* Take all pages out of the page table; they stay present in their memfd. */
void uffd_reset(struct bench *bench, struct uffd *uffd);

#endif
