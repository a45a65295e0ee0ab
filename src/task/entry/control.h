/* The control thread: hears physmem, whatever the program's own threads are doing. */
#ifndef TASK_ENTRY_CONTROL_H
#define TASK_ENTRY_CONTROL_H

#include "task/state/state.h"

int control_start(struct sp_task *task, struct sp_error *error);
void control_stop(struct sp_task *task);

/* struct channel.on_message of the control connection; the context is the task. */
void control_on_message(void *context, struct channel *channel, const struct wire_message *message,
                        int consume_fd);

#endif
