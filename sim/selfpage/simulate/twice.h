/* Whether a play is the same every time. */
#ifndef SELFPAGE_SIMULATE_TWICE_H
#define SELFPAGE_SIMULATE_TWICE_H

#include "selfpage/simulate/simulation.h"

/* Play twice. The outcome is that of the second play, with an expectation that says whether, and where, it
 * differs from the first. Returns as simulation_run. */
int twice_run(struct cast *cast, const struct simulation_options *options, struct outcome *outcome,
              struct sp_error *error);

#endif
