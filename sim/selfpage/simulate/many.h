/* A scenario with many seeds. */
#ifndef SELFPAGE_SIMULATE_MANY_H
#define SELFPAGE_SIMULATE_MANY_H

#include "selfpage/scenario/verdicts.h"
#include "selfpage/simulate/options.h"
#include "selfpage/simulate/simulation.h"

/* Play once with each seed of the options, in several processes, and show what all counters come to. A
 * process that dies of a play is replaced: that seed has failed. *failedp becomes the first seed that failed, if
 * any did; `verdicts` take a case for each expectation. Returns the exit status. */
int many_run(const struct simulate_options *options, struct cast *cast,
             const struct simulation_options *play, struct verdicts *verdicts, uint64_t *failedp);

#endif
