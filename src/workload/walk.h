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

/* The references of a trace: each a page, counted from the phase's first, times two, plus 1 for a write. */
struct walk_trace {
    uint32_t *steps; /* memory of the tables' allocator */
    uint32_t count, room;
};

/* What walks of one workload share; it never changes, once it is filled in. */
struct walk_tables {
    const struct allocator *allocator;
    struct workload workload;
    struct popularity *zipf[WORKLOAD_PHASES_MAX]; /* of phases with that pattern */
    /* The same: empty, until whoever can read files fills it in (drive/drive.h). A phase without a step ends at
     * once. */
    struct walk_trace trace[WORKLOAD_PHASES_MAX];
    uint64_t
        file_bytes[WORKLOAD_PHASES_MAX]; /* of the file of each phase that reads one; likewise */
};

/* Tables with memory from `allocator`, which outlives them. Returns 0 or -ENOMEM; walk_tables_fini in
 * both cases. */
int walk_tables_init(struct walk_tables *tables, const struct workload *workload,
                     const struct allocator *allocator);
void walk_tables_fini(struct walk_tables *tables);

/* In place of a page: there is no reference, only the pause; a part of a file is read. */
#define WALK_NOTHING UINT32_MAX
#define WALK_READ    (UINT32_MAX - 1)

/* One reference, and how long the program then does nothing. */
struct walk_step {
    uint32_t page; /* or one of the above */
    bool write;
    uint8_t phase; /* WALK_READ: whose file it is, */
    uint32_t
        chunk; /* and which WORKLOAD_READ_BYTES of it; beyond an empty file there is nothing to have */
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

/* The next `count` steps. Returns how many there are: fewer if the workload is over then. */
uint32_t walk_take(struct workload_walk *walk, struct walk_step *steps, uint32_t count);

#endif
