/* A physmem of its own for one measurement of the benchmark. */
#ifndef SELFPAGE_BENCH_STAGE_H
#define SELFPAGE_BENCH_STAGE_H

#include "selfpage/bench/bench.h"
#include "client/caller.h"
#include "launch/directory.h"
#include "launch/guardian.h"
#include "launch/launched.h"

/* How long anything may take that ought to be done at once. */
#define BENCH_PATIENCE_MS 20000u

struct stage {
    struct directory directory;
    struct guardian guardian;
    struct launched physmem;
    struct launched_log log;
    struct observer observer;
    struct caller *policy; /* a policy server that only says priorities; NULL: none is needed */
};

/* A stage on which nothing has been started. */
void stage_init(struct stage *stage);

/* Start physmem with the frames of the options on its core, and connect to it as an observer; `arbiter` may be
 * NULL. The calling thread is pinned to its own core. */
int stage_start(struct stage *stage, const struct bench_options *options, uint32_t frames,
                const char *arbiter, struct sp_error *error);

/* Take physmem's counters. */
int stage_look(struct stage *stage, struct observed_physmem *counters, struct sp_error *error);

/* Bytes of private memory that physmem has touched; negative: unknown. */
double stage_private_bytes(const struct stage *stage);

/* End physmem, and free all. Also after stage_init alone, and after a start that failed. */
void stage_end(struct stage *stage);

#endif
