/* `selfpage simulate --merge`. */
#ifndef SELFPAGE_SIMULATE_GATHER_H
#define SELFPAGE_SIMULATE_GATHER_H

#include "selfpage/scenario/verdicts.h"
#include "selfpage/simulate/options.h"

/* Read what jobs have printed, and show it as if one command had played it all. `verdicts` take a case for each
 * expectation. Returns the exit status. */
int gather_results(const struct simulate_options *options, struct verdicts *verdicts);

#endif
