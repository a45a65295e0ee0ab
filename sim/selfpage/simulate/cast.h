/* From the tasks of a scenario to actors of a play. */
#ifndef SELFPAGE_SIMULATE_CAST_H
#define SELFPAGE_SIMULATE_CAST_H

#include <selfpage/error.h>

#include "adapter/arbiter.h"
#include "adapter/load.h"
#include "play/play.h"
#include "selfpage/scenario/scenario.h"

struct cast {
    const struct scenario *scenario;
    struct arbiter_handle arbiter;
    struct actor_config *actors; /* one for each task of the scenario */
    struct actor_part *parts;    /* of all of them */
    struct policy_handle *policies;
    struct walk_tables *tables;
    uint32_t policies_count, tables_count;
    bool has_arbiter;
    struct policyserver_config policyserver; /* of the scenario, if it has one */
    struct fileserver_config fileserver;     /* likewise */
    struct arbiter_handle table_arbiter;     /* of the policy server */
    struct limit *limits;
    struct sublet_config *stacked; /* one for each physmem of the scenario that rests on another */
    struct arbiter_handle *stacked_arbiters;
    uint32_t stacked_count; /* that have an arbiter */
};

/* Everything that all plays of a scenario share. `policy` (may be NULL) is that of all tasks instead of
 * what the scenario says. Returns 0 or a negative errno, and an error that names the task; cast_fini in any
 * case. The scenario outlives it. */
int cast_init(struct cast *cast, const struct scenario *scenario, const char *policy,
              struct sp_error *error);
void cast_fini(struct cast *cast);

/* Set up the actors of a play with this seed, each with a seed of its own. */
struct play_config cast_play(struct cast *cast, uint64_t seed, const struct costs *costs);

#endif
