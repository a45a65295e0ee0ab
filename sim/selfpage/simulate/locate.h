/* At which event a play that fails went wrong, and from which on it could not but fail. */
#ifndef SELFPAGE_SIMULATE_LOCATE_H
#define SELFPAGE_SIMULATE_LOCATE_H

#include "selfpage/simulate/simulation.h"

/* The scenario fails with play->seed. Play it again with all books and contents counted after each event: the first one
 * after which they are wrong. And play it again and again up to some event, from where faults have stopped and randomness is
 * drawn anew, LOCATE_BRANCHES times: the first event from which all of these fail. Says both on standard error.
 * Returns 0 or a negative errno, with an error. */
int locate_failure(const struct scenario *scenario, const char *policy,
                   const struct simulation_options *play, struct sp_error *error);

/* Continuations from one event. */
#define LOCATE_BRANCHES 20u

#endif
