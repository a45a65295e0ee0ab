/* What the program is told about how much memory it could have. On the control thread. */
#ifndef TASK_ENTRY_WATCH_H
#define TASK_ENTRY_WATCH_H

#include "task/state/state.h"

/* The figures in a message of physmem. */
void watch_figures(const struct wire_message *message, struct sp_availability *availability);

/* Physmem says what has changed: note it, call the program back, and say that it was heard. */
void watch_told(struct sp_task *task, const struct wire_message *message);

/* Frames were recalled and are owed: let the program drop what it can spare before any are taken by
 * eviction. */
void watch_recalled(struct sp_task *task);

#endif
