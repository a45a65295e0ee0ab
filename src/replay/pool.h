/* Many jobs, each of which wants to see every batch of references in order, on several threads.
 *
 * One thread, the producer, fills batches in a ring; workers take, of the jobs that nobody runs at
 * the moment, the one that lags behind most, and run it over its next batch. A batch is free again
 * when every job has seen it. Which thread runs a job makes no difference to it. */
#ifndef REPLAY_POOL_H
#define REPLAY_POOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <selfpage/error.h>

/* References in a batch, at most: many, since going from one simulation to the next empties the caches. */
#define POOL_BATCH 262144u

/* The same where there is one job: a batch stays in the caches. */
#define POOL_BATCH_ALONE 16384u

/* Batches in the ring, if there are workers. */
#define POOL_RING 4u

struct batch {
    uint32_t *references; /* page << 1, plus 1 for a write */
    uint64_t *next;       /* index of the next reference to the page; NULL: not known */
    uint32_t *sizes;      /* bytes; NULL: not known */
    size_t count, room;   /* references that it has, and can have */
};

struct pool_job {
    void (*run)(void *context, const struct batch *batch);
    void *context;
    double seconds; /* of processor time so far; valid after pool_fini */
    /* Private. */
    uint64_t done; /* batches */
    bool running;
};

struct pool {
    struct pool_job *jobs;
    size_t job_count;
    struct batch ring[POOL_RING];
    unsigned ring_size;
    uint64_t given; /* batches */
    bool finished;
    pthread_t *threads;
    unsigned thread_count;
    pthread_mutex_t lock;
    pthread_cond_t work; /* workers wait for it */
    pthread_cond_t room; /* the producer waits for it */
};

/* Start `threads` workers; none with 1: pool_give then does the work. The caller owns the jobs,
 * which must not move. Release with pool_fini if this returned 0. -ENOMEM, -EAGAIN (no more
 * threads). */
int pool_init(struct pool *pool, struct pool_job *jobs, size_t job_count, unsigned threads,
              bool with_next, bool with_sizes, struct sp_error *error);

/* The batch to fill next; waits until there is one. */
struct batch *pool_take(struct pool *pool);

/* The batch taken last is filled: let the jobs see it. */
void pool_give(struct pool *pool);

/* Wait until every job has seen every batch; workers end. */
void pool_fini(struct pool *pool);

/* Seconds of processor time that the calling thread has used. */
double pool_clock(void);

#endif
