/* From a scenario that fails to a small one. */
#ifndef SELFPAGE_SIMULATE_MINIMISE_H
#define SELFPAGE_SIMULATE_MINIMISE_H

#include "selfpage/simulate/simulation.h"

/* Leave out tasks, events, kinds of faults and references as long as the play still fails, and write what is
 * left to `path`. `scenario` fails with play->seed. Says on standard error what it has come to. Returns 0 or
 * a negative errno, with an error. */
int minimise_scenario(const struct scenario *scenario, const char *policy,
                      const struct simulation_options *play, const char *path,
                      struct sp_error *error);

#endif
