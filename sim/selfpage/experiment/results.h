/* What an experiment has shown. */
#ifndef SELFPAGE_EXPERIMENT_RESULTS_H
#define SELFPAGE_EXPERIMENT_RESULTS_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>
#include <selfpage/error.h>

#include "selfpage/experiment/options.h"
#include "selfpage/scenario/scenario.h"
#include "selfpage/scenario/verdicts.h"

/* The longest name of a group, with its NUL. */
#define RESULTS_NAME 200u

/* Values of several plays. */
struct results_spread {
    double least, median, most; /* NaN: there are none */
};

struct results_bar {
    double published; /* NaN: nothing */
    struct results_spread simulated, live;
};

/* One value of what varies. */
struct results_group {
    char name[RESULTS_NAME];
    struct results_bar *bar; /* one for each of the figure */
    json_t *runs;            /* what live runs printed */
};

struct results {
    const struct experiment_options *options;
    const struct scenario *scenario;
    const char *path; /* of the scenario */
    struct vary vary;
    uint64_t plays, passed;     /* with the values that the scenario has */
    uint64_t runs, runs_passed; /* live, the same */
    struct verdicts verdicts;   /* on each expectation of these plays and runs */
    char why[300];              /* the first play or run that did not pass; "": all did */
    struct results_group *group;
    uint32_t groups;
};

/* Play, and run where the options want it. The scenario outlives the results. Returns 0 or a negative errno and an
 * error; results_fini in any case. */
int results_find(struct results *results, const struct experiment_options *options,
                 const struct scenario *scenario, const char *path, struct sp_error *error);
void results_fini(struct results *results);

#endif
