/* A play in a process of its own, which may die of it, or take too long. */
#ifndef SELFPAGE_SIMULATE_ATTEMPT_H
#define SELFPAGE_SIMULATE_ATTEMPT_H

#include "selfpage/simulate/simulation.h"

/* What was seen of it. */
struct attempt {
    uint64_t events; /* that have happened */
    uint64_t now_ns; /* in virtual time */
    char last[120];  /* what happened last */
    char why[300];   /* the first expectation that failed, or how the process died; "": it passed */
    bool broken;     /* it stopped at once: a rule was broken, the process died, or did not end */
};

/* Play a scenario in this way, quietly. Returns 1: it fails, which it also does if one of its events does not end; 0: it
 * does not, or computes for longer than 20 s; or a negative errno. `seen` may be NULL. */
int attempt_fails(const struct scenario *scenario, const char *policy,
                  const struct simulation_options *play, struct attempt *seen);

#endif
