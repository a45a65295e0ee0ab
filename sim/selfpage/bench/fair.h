/* What is fair: weighted max-min shares of what tasks would use, and how near to them they came. */
#ifndef SELFPAGE_BENCH_FAIR_H
#define SELFPAGE_BENCH_FAIR_H

#include <stdint.h>

/* The weighted max-min share of each of `tasks` tasks: min(demand, weight * L), with the L at which
 * the sum is `frames`, or all demands if they fit. Weights are at least 1. */
void fair_shares(const uint32_t *demand, const uint32_t *weight, uint32_t tasks, uint32_t frames,
                 double *share);

/* Jain's index (sum x)^2 / (n sum x^2) of what each task had of its share: x = min(held, demand) /
 * share. Tasks without demand do not count. 1: each had the same part of its share; 1 if none counts. */
double fair_index(const uint32_t *held, const uint32_t *demand, const double *share,
                  uint32_t tasks);

#endif
