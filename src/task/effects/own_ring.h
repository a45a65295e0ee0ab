/* Rings of threads that load by themselves: a read is under way while its thread evicts pages, and then looks for
 * its end without going to sleep.
 *
 * A thread gets its ring when it first loads, and has it until it ends: the next thread that needs one finds that it
 * has. Where there are none (an old kernel, a filter of system calls, Valgrind, SELFPAGE_RING=off), threads read. */
#ifndef TASK_EFFECTS_OWN_RING_H
#define TASK_EFFECTS_OWN_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "os/ring.h"

/* Threads that have a ring, at most; the others read. */
#define OWN_RINGS 16u

struct own_ring {
    uint32_t thread; /* 0: nobody's */
    struct read_ring ring;
};

/* A task begins: are there to be rings? Also in a child of fork, which has none of its parent's. */
void own_ring_permit(void);

/* The number, below OWN_RINGS, of the ring of the calling thread, which is opened if it has none; -1: it gets
 * none, or is not to use it now. */
int own_ring_mine(void);

/* A ring of the calling thread. */
struct own_ring *own_ring_at(int number);

/* Wait for the end of a read of so many pages; see ring_wait. */
int own_ring_wait(struct own_ring *ring, uint32_t pages, uint32_t *tagp);

/* The calling thread needs its ring no more. */
void own_ring_leave(void);

#endif
