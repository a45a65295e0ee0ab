#ifndef TASK_API_CONTRACTS_H
#define TASK_API_CONTRACTS_H

#include "task/state/state.h"

/* Conclude the contracts that are wanted, one after the other, and accept counter-offers that are good enough.
 * Returns 0; `error` is filled otherwise. */
int contracts_negotiate(struct sp_task *task, const struct wanted_contract *wanted, int count,
                        struct sp_error *error);

#endif
