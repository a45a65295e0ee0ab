/* Checking one policy: processes of its own in which it is driven (check/check.h), since a wrong
 * policy may do anything. */
#ifndef SELFPAGE_POLICY_CHECK_RUN_H
#define SELFPAGE_POLICY_CHECK_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "adapter/load.h"
#include "check/check.h"
#include "selfpage/policy/check_live.h"

/* What is looked at, in this order. */
enum check_stage {
    CHECK_STAGE_DECLARED, /* flags and sizes */
    CHECK_STAGE_RULES,    /* everything an engine may do; memory around the state is guarded */
    CHECK_STAGE_AGAIN,    /* the same once more: the same victims */
    CHECK_STAGE_BESIDE,   /* the same while another instance runs: still the same */
    CHECK_STAGE_QUIET,    /* no system call, no allocation, no clock, little stack */
    CHECK_STAGE_SPARSE,   /* init leaves most of a large state alone */
    CHECK_STAGE_FORGETS,  /* one that claims to forget what leaves does */
    CHECK_STAGE_COST,     /* time a call */
    CHECK_STAGE_LIVE,     /* how far the live form is from the replay */
    CHECK_STAGES,
};

struct check_options {
    uint64_t seed;
    uint32_t rounds;
    uint32_t steps;   /* references a round */
    uint32_t timeout; /* seconds that a round may take */
    bool no_sandbox;  /* leave out CHECK_STAGE_QUIET */
};

/* What came out; `log` says what went on at the breach. */
struct check_result {
    bool passed;
    enum check_stage stage; /* of the breach */
    bool skipped[CHECK_STAGES];
    uint64_t seed; /* of the round */
    uint32_t pages, frames;
    bool live;
    bool in_round; /* seed to live say something */
    struct check_log log;
    double bytes_per_page;
    struct check_cost few, many;
    struct check_distance distances[CHECK_LIVE_TRACES];
};

#define CHECK_FEW_PAGES  4096u
#define CHECK_MANY_PAGES (1u << 18)

/* Returns 0, whatever came out, or a negative errno if the check itself could not be run. */
int check_run(const struct policy_handle *policy, const struct check_options *options,
              struct check_result *result, struct sp_error *error);

#endif
