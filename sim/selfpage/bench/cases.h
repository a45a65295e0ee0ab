/* Cases that `selfpage bench contracts` sets up beside its load, each with a physmem of its own. */
#ifndef SELFPAGE_BENCH_CASES_H
#define SELFPAGE_BENCH_CASES_H

#include "selfpage/bench/bench.h"

/* ---- bench_recall.c ---- */

/* Recall options->recall_frames frames from as many as options->recall_tasks tasks at once. */
int bench_recall_measure(const struct bench_options *options, const char *arbiter,
                         struct bench_recall *recall, struct sp_error *error);

/* ---- bench_slow.c ---- */

/* Run the load in turns with a first task that answers recalls at once, and as late as it may. */
int bench_slow_measure(const struct bench_options *options, const char *arbiter,
                       struct bench_slow *slow, struct sp_error *error);

#endif
