/* Jobs in flight: their reads and writes are under way in a ring of the kernel's (os/ring.h), and nobody waits for them in
 * a thread.
 *
 * The loop begins the reads of all jobs that may begin, and gives them to the kernel together. Their ends show when it asks,
 * or wake it by a descriptor. A job has a few parts under way at a time, each a run of neighbouring slots; what belongs to
 * a part, its buffer with it, stays as it is until the kernel has ended it, whatever becomes of the client. A job of which a part
 * fails comes back as failed: a thread then does all of it once more, page by page if need be.
 *
 * Where there is no ring (an old kernel, a filter of system calls, Valgrind, SELFPAGE_RING=off), or the pages of the device
 * do not lie as they are in a file, there are no flights. */
#ifndef SWAP_FLIGHT_H
#define SWAP_FLIGHT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "job.h"
#include "os/ring.h"

/* A read or a write. */
struct flight_part {
    struct swap_job *job; /* NULL: none */
    uint32_t bytes;
    struct iovec memory;
};

struct flight {
    struct read_ring ring;
    int event; /* readable when something has ended while the ring is armed; -1: there is no ring */
    uint8_t idle[RING_READS]; /* parts that are none */
    uint32_t idle_count;
    uint16_t order[RING_READS]; /* parts that were added and not submitted */
    uint32_t added;
    bool begun; /* parts were added since flight_submit: the kernel may have some of them already */
    struct swap_job *ended_first,
        *ended_last; /* jobs that have landed, or failed, and were not taken */
    struct flight_part part[RING_READS];
};

/* Open a ring for this thread, if it is permitted. Returns whether there is one. */
bool flight_open(struct flight *flight);

/* Nothing is under way. */
void flight_close(struct flight *flight);

static inline bool flight_is_open(const struct flight *flight)
{
    return flight->event >= 0;
}

/* Parts under way, or to be submitted. */
static inline uint32_t flight_parts(const struct flight *flight)
{
    return flight_is_open(flight) ? RING_READS - flight->idle_count : 0;
}

/* Begin a job, which swap_job_may_fly and whose pages lie in a file, with at most so many parts at a time. Some part is
 * idle. */
void flight_begin(struct flight *flight, struct swap_job *job, uint32_t parts);

/* Whether anything was begun, or goes on, since flight_submit. */
static inline bool flight_has_begun(const struct flight *flight)
{
    return flight->begun;
}

/* Give the kernel what it has not been given: a few parts depart together, while others are still begun. */
void flight_submit(struct flight *flight);

/* Look for what has ended, and go on with jobs that have more to do; submit afterwards. */
void flight_look(struct flight *flight);

/* The next job that has landed, or failed (job->failed); NULL: there is none. */
struct swap_job *flight_take(struct flight *flight);

/* The event was readable: read it. */
void flight_hear(const struct flight *flight);

#endif
