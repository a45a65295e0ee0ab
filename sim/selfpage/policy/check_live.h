/* How far the live form of a policy is from its replay, and what it costs in soft faults. */
#ifndef SELFPAGE_POLICY_CHECK_LIVE_H
#define SELFPAGE_POLICY_CHECK_LIVE_H

#include <selfpage/error.h>

#include "policy/params.h"

#define CHECK_LIVE_TRACES 3u

struct check_distance {
    const char *trace;     /* what it is like */
    uint32_t frames;       /* of the replay: as many as the live task had pages, on average */
    double misses, faults; /* of the replay, and live: in 100 references */
    double soft_faults;    /* the same */
};

/* Measure on three traces that are drawn from `seed`. The policy can run live. Returns 0, or -ENOMEM; -EPROTO: the live
 * task cannot go on, and `error` says why. */
int check_live_measure(const struct policy_choice *choice, uint64_t seed,
                       struct check_distance distances[CHECK_LIVE_TRACES], struct sp_error *error);

/* The one that is farthest. */
const struct check_distance *
check_live_farthest(const struct check_distance distances[CHECK_LIVE_TRACES]);

#endif
