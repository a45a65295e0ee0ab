/* Errands: calls that may block for ever, made in threads that may be lost.
 *
 * close of a descriptor that another process sent can block for years (a TCP socket with SO_LINGER,
 * a file of a FUSE server that never answers). ftruncate and fallocate of memory that another
 * process can write can block, too: a pwrite from a page that never comes holds the inode's lock,
 * also through kill -9. A server's loop makes none of these calls. It hands an errand to a pool of
 * threads, and hears on its own thread when the errand is done.
 *
 * LANES. Each user has a lane. At most ERRAND_LANE_MAX errands of a lane run at a time, in the order
 * in which they were submitted; a user whose errands block keeps no thread from other users.
 *
 * THE END. A blocked errand cannot be cancelled. errand_pool_free waits a moment, and then leaves
 * what is blocked behind, memory included; the process can end all the same, as far as the kernel
 * lets it. */
#ifndef IO_ERRAND_H
#define IO_ERRAND_H

#include <stdbool.h>
#include <stdint.h>

/* Threads of a pool, and those that one lane may occupy. */
#define ERRAND_THREADS_MAX 256u
#define ERRAND_LANE_MAX    2u

struct errand_lane;

/* Embedded in whatever the errand is about; must live until `done` is called. */
struct errand {
    struct errand *next;
    struct errand_lane *lane;
    void (*run)(struct errand *errand);  /* on a thread of the pool, with all signals blocked */
    void (*done)(struct errand *errand); /* on the thread that calls errand_reap; may free it */
};

/* All zeros is an empty lane. It must live as long as an errand of it does. Only errand.c looks
 * inside. */
struct errand_lane {
    struct errand *first;
    struct errand *last;
    struct errand_lane *next; /* among the lanes from which an errand can run */
    uint32_t running;
    bool listed;
};

struct errand_pool;

/* A pool without threads. `wake(context)` is called from a pool thread when there is something for
 * errand_reap; it must be safe there. NULL: no memory. */
struct errand_pool *errand_pool_new(void (*wake)(void *context), void *context);

/* From now on `wake` is not called. */
void errand_pool_silence(struct errand_pool *pool);

/* Submit an errand, whose `run` and `done` are set. If no thread can be started at all, it runs
 * here. */
void errand_submit(struct errand_pool *pool, struct errand_lane *lane, struct errand *errand);

/* Call `done` for every errand that has run. Not from inside `done`. */
void errand_reap(struct errand_pool *pool);

/* Wait at most `wait_ms` for all errands, reap them, and free the pool. Returns true, or false if
 * errands are blocked: the pool is then left to them. */
bool errand_pool_free(struct errand_pool **poolp, uint32_t wait_ms);

#endif
