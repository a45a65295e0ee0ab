/* Descriptors of extents that physmem has sent, by the extent's number. Those of the pager's own
 * container leave this table when they are first mapped (effects/extents.h); those of other
 * containers stay.
 *
 * Physmem does not say when an extent ends: it cuts it to nothing. Such descriptors are closed when
 * the table is full. All functions want the task's lock, and may run in the fault handler. */
#ifndef TASK_STATE_KNOWN_H
#define TASK_STATE_KNOWN_H

#include "task/state/state.h"

/* Whether physmem has cut an extent to nothing. */
bool known_is_cut(int fd);

/* Physmem sent an extent. Takes over `consume_fd`, and closes it if there is no memory. */
void known_add(struct sp_task *task, uint32_t number, uint32_t pages, int consume_fd);

/* The descriptor of an extent, which stays in the table; -1 if it was not sent. */
int known_find(const struct sp_task *task, uint32_t number);

/* The same, and it leaves the table: it is the caller's. *pagesp: pages of the extent. */
int known_take(struct sp_task *task, uint32_t number, uint32_t *pagesp);

/* Close all, and free the table. */
void known_close(struct sp_task *task);

#endif
