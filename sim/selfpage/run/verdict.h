/* The verdict of a run: counters, expectations, exit statuses. */
#ifndef SELFPAGE_RUN_VERDICT_H
#define SELFPAGE_RUN_VERDICT_H

#include "selfpage/run/state.h"

/* Wait for the last counters, judge all that was expected, and end the servers; the verdicts are in
 * run->outcome. Returns 0, or a negative errno with a text. */
int verdict_find(struct run *run, struct sp_error *error);

#endif
