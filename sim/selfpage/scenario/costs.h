/* How long things take in virtual time, as texts. */
#ifndef SELFPAGE_SCENARIO_COSTS_H
#define SELFPAGE_SCENARIO_COSTS_H

#include "play/costs.h"
#include "selfpage/scenario/scenario.h"

/* Set the cost of this name. Returns NULL, or what is wrong. */
const char *costs_set(struct costs *costs, const char *name, const char *value);

/* Set what a scenario says of costs (NULL: nothing). Returns NULL; or what is wrong, and *namep is the field. */
const char *costs_apply(const struct scenario_costs *written, struct costs *costs,
                        const char **namep);

#endif
