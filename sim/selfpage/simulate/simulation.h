/* One play of a scenario, from its beginning to what became of it. */
#ifndef SELFPAGE_SIMULATE_SIMULATION_H
#define SELFPAGE_SIMULATE_SIMULATION_H

#include "selfpage/scenario/outcome.h"
#include "selfpage/scenario/series.h"
#include "selfpage/scenario/timeline.h"
#include "selfpage/simulate/cast.h"
#include "selfpage/simulate/patience.h"

/* Processes of a play have no numbers: those of its servers in files that show some. */
enum { SIMULATION_PHYSMEM_PID = 1, SIMULATION_SWAP_PID = 2 };

/* What else is done with a play. */
struct simulation_options {
    uint64_t seed;
    struct costs costs;
    uint32_t check_every;
    struct series *series; /* rows are written to it; NULL: none */
    struct timeline
        *timeline; /* what happens is written to it, with counters so often; NULL: nothing is */
    uint64_t timeline_step_ns;
    const char *varied; /* see struct outcome */
    bool shuffled;      /* see struct play_config */
    bool kernel_bits;   /* likewise */
    bool
        calms; /* after `calm_after` events nothing goes wrong any more: play_calm with calm_seed */
    uint64_t calm_after, calm_seed;
    struct play_progress *progress; /* told after each event; NULL: nobody is */
    uint64_t until_event;           /* end after so many events; 0: play to the end */
    /* Called after each event; false ends the play. May be NULL. */
    bool (*watch)(void *arg, const struct play *play);
    void *arg;
};

/* Play, and fill in the outcome, which is new. Returns 0; -ECANCELED: `watch` ended the play; or another negative
 * errno and an error: it could not be played. outcome_fini in any case. */
int simulation_run(struct cast *cast, const struct simulation_options *options,
                   struct outcome *outcome, struct sp_error *error);

#endif
