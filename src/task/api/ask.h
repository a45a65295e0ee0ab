/* Requests of the program's threads to physmem. */
#ifndef TASK_API_ASK_H
#define TASK_API_ASK_H

#include "task/state/state.h"

/* Ask physmem inside a guard, and turn an error reply into a result. Takes note of an offer that is the
 * answer, and of a part. The control thread must not call it, since it waits.
 * 0, -EPIPE if physmem is gone, -EPROTO if the answer is not of the type expected, or the errno value of an
 * error reply; `error` says which. */
int ask_physmem(struct sp_task *task, struct wire_message *message, uint8_t expected,
                struct wire_message *reply, struct sp_error *error);

/* The same, of a reply that is there: 0, or what is wrong with it. */
int ask_check(const struct wire_message *reply, uint8_t expected, struct sp_error *error);

/* -EPIPE: there is no reply, since physmem is gone. */
int ask_gone(struct sp_error *error);

#endif
