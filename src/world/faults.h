/* Memory that is counted, and that runs out when it is told to: the fault of an allocator. What befalls tasks,
 * messages and swap in a play stands in play/storm.h. */
#ifndef WORLD_FAULTS_H
#define WORLD_FAULTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/allocator.h"

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

#endif
