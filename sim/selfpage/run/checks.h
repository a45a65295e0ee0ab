/* The commands that a scenario runs at its end. */
#ifndef SELFPAGE_RUN_CHECKS_H
#define SELFPAGE_RUN_CHECKS_H

#include "selfpage/run/state.h"

/* Run the commands of the scenario, and take down whether each succeeded. Returns 0, or a negative errno
 * with a text if one could not be run. */
int checks_run(struct run *run, struct sp_error *error);

#endif
