/* Everything that must be known before anything is started. */
#ifndef SELFPAGE_RUN_PREPARE_H
#define SELFPAGE_RUN_PREPARE_H

#include "selfpage/run/state.h"

/* Find the programs of the servers and of the tasks, and make their arguments. Returns 0, or a negative
 * errno with a text. */
int prepare_all(struct run *run, struct sp_error *error);

#endif
