/* The references of a workload, one by one. For a seed they are the same everywhere.
 *
 * Which page is referred to, and whether it is written, come from two streams of random numbers: a
 * workload with other writes refers to the same pages. */
#ifndef WORKLOAD_WALK_H
#define WORKLOAD_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/allocator.h"
#include "base/random.h"
#include "workload/workload.h"
#include "workload/popularity.h"

/* What walks of one workload share; it never changes. */
struct walk_tables {
    const struct allocator *allocator;
    struct workload workload;
    struct popularity *zipf[WORKLOAD_PHASES_MAX]; /* of phases with that pattern */
};

/* Tables with memory from `allocator`, which outlives them. Returns 0 or -ENOMEM; walk_tables_fini in
 * both cases. */
int walk_tables_init(struct walk_tables *tables, const struct workload *workload,
                     const struct allocator *allocator);
void walk_tables_fini(struct walk_tables *tables);

/* One reference, and how long the program then does nothing. */
struct walk_step {
    uint32_t page; /* UINT32_MAX: there is no reference, only the pause */
    bool write;
    uint64_t pause_ns;
};

struct workload_walk {
    const struct walk_tables *tables;
    struct random_source pages, writes;
    uint32_t round, phase;
    uint64_t made;  /* references of this phase */
    uint32_t burst; /* references until the next pause */
    uint32_t at;    /* SCAN, LOOP: where the phase is; MARKOV: where its set begins */
};

/* The first reference comes next. The tables outlive the walk. */
void walk_init(struct workload_walk *walk, const struct walk_tables *tables, uint64_t seed);

/* The next step. False: the workload is over. */
bool walk_next(struct workload_walk *walk, struct walk_step *step);

#endif
