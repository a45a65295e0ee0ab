/* Negotiation by one task alone, against bare sockets. */
#ifndef SELFPAGE_BENCH_RATIO_H
#define SELFPAGE_BENCH_RATIO_H

#include "selfpage/bench/bench.h"

/* With one more task connected to the physmem at `path`, negotiate: propose and close contracts, one
 * message at a time. Times of round trips go into `quiet`. If `result` is not NULL, its ratios are
 * measured too, in turns with a process that only reads and writes messages of the same sizes; that
 * process joins process group `group`. Takes a second or two. */
int bench_ratio_measure(const struct bench_options *options, const char *path, pid_t group,
                        struct histogram *quiet, struct bench_result *result,
                        struct sp_error *error);

/* Which of at most 64 values is the middle one. */
unsigned bench_ratio_middle(const double *values, unsigned count);

#endif
