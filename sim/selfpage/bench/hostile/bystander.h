/* A bystander: a client of its own that asks for little, all the time, and notes how long it waits.
 *
 * The time for which the bystander, the server's loop, or the thread that does the work was ready to run
 * and had no processor is taken off: the kernel counts it (/proc/PID/task/TID/schedstat). What is left is
 * what the server made it wait for, on a busy machine, too. */
#ifndef SELFPAGE_BENCH_HOSTILE_BYSTANDER_H
#define SELFPAGE_BENCH_HOSTILE_BYSTANDER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "selfpage/bench/hostile/rogue.h"

struct bystander {
    struct rogue peer;
    pthread_t thread;
    bool on_swap;
    bool running;
    pid_t server; /* process */
    /* Shared with the thread. */
    uint32_t stop;
    uint64_t longest_ns;   /* wait since bystander_reset, less that for processors */
    uint64_t processor_ns; /* that was taken off the longest of all */
    uint64_t served;       /* requests since then */
    uint64_t asked_ns;     /* when the request was sent that is not answered; 0: none is */
    int32_t error;         /* of a request, 0 or a negative errno */
};

/* Connect to a server (process `server`), physmem or swap, and begin. Returns 0 or a negative errno. */
int bystander_start(struct bystander *bystander, const char *path, pid_t server, bool on_swap);

/* Begin to measure anew. */
void bystander_reset(struct bystander *bystander);

/* The longest wait since then. One that still lasts is waited for, for a second at most, and counts. */
uint64_t bystander_longest_ns(const struct bystander *bystander);

/* End, and close. */
void bystander_stop(struct bystander *bystander);

#endif
