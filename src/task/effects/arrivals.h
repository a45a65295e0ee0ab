/* Messages that no thread waits for, on the channels of requests. */
#ifndef TASK_EFFECTS_ARRIVALS_H
#define TASK_EFFECTS_ARRIVALS_H

#include "task/state/state.h"

/* struct channel.on_message; the context is the task. Takes over `consume_fd`. */
void arrivals_on_message(void *context, struct channel *channel, const struct wire_message *message,
                         int consume_fd);

#endif
