/* A policy that asks about a page when the program gives a hint about it. */
#ifndef BENCH_SAMPLER_H
#define BENCH_SAMPLER_H

#include <selfpage/policy.h>

/* Pages of which it has heard that they were referenced. */
extern unsigned sampler_found;

extern const struct sp_policy sampler_policy;

#endif
