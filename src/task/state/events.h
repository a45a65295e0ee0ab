/* Threads that wait for what another one, or a server, is doing. */
#ifndef TASK_STATE_EVENTS_H
#define TASK_STATE_EVENTS_H

#include "task/state/state.h"

/* Something ended that a fault may wait for: wake all that sleep in events_wait. */
void events_signal(struct sp_task *task);

/* Wait until `events` is not the count any more, or for timeout_ns (-1: no limit). */
void events_wait(struct sp_task *task, uint32_t events, int64_t timeout_ns);

/* Wake the control thread. */
void events_poke(struct sp_task *task);

#endif
