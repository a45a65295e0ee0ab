/* What goes wrong in the world, and when: a function of a seed. The driver of the world does to the
 * task what is drawn. */
#ifndef WORLD_FAULTS_H
#define WORLD_FAULTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/allocator.h"
#include "base/random.h"

/* Memory that is counted, and that runs out when it is told to. */
struct faults_memory {
    struct allocator allocator; /* hand this one out; the struct must not move */
    const struct allocator *inner;
    size_t bytes;        /* allocated now */
    uint64_t calls;      /* that asked for more memory */
    uint64_t fail_after; /* calls of these that still succeed; UINT64_MAX: all */
};

/* Take memory from `inner`, which outlives this, and never fail by itself. */
void faults_memory_init(struct faults_memory *memory, const struct allocator *inner);

/* What may befall a task at a moment. */
enum world_fault {
    FAULT_NONE,
    FAULT_DELAY, /* what is on its way to it comes later */
    FAULT_DROP,  /* its control connection is lost */
    FAULT_HANG,  /* it does nothing for a while */
    FAULT_DIE,   /* it is gone */
};

/* Which faults there are, and how often: one moment in this many; 0: never. */
struct faults {
    struct random_source random;
    uint32_t delay_in, drop_in, hang_in, die_in;
    uint64_t longest_ns; /* of a delay or a hang */
};

/* Draw the kinds and their rates from the seed: each kind is there for half of the seeds, once in 64 to
 * 4096 moments. */
struct faults faults_swarm(uint64_t seed, uint64_t longest_ns);

/* What befalls a task now, and (delays and hangs) for how long. */
enum world_fault faults_draw(struct faults *faults, uint64_t *nsp);

#endif
