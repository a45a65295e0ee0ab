/* Writing a scenario down. */
#ifndef SELFPAGE_SCENARIO_SAVE_H
#define SELFPAGE_SCENARIO_SAVE_H

#include <selfpage/error.h>

#include "selfpage/scenario/scenario.h"

/* Write what can be played of a scenario to a file, after comments that say `why` (lines). What only processes
 * can do, and expectations, are left out. Returns 0 or a negative errno, with an error. */
int save_scenario(const struct scenario *scenario, const char *path, const char *why,
                  struct sp_error *error);

#endif
