#ifndef TASK_API_CONNECT_H
#define TASK_API_CONNECT_H

#include "task/state/state.h"

/* Open two connections to one server: the second joins the first. Returns 0; `error` is filled
 * otherwise. */
int connect_pair(struct sp_task *task, const char *server, const char *path, struct channel *first,
                 struct channel *second, enum wire_role second_role, struct sp_error *error);

/* Have physmem make the container, with `slots` of its slots. */
int connect_container(struct sp_task *task, uint32_t slots, struct sp_error *error);

#endif
