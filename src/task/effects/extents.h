/* Extents: memory of physmem's that comes by descriptor. */
#ifndef TASK_EFFECTS_EXTENTS_H
#define TASK_EFFECTS_EXTENTS_H

#include "task/state/state.h"

/* Physmem announces an extent. Takes over `consume_fd`. */
void extents_arrived(struct sp_task *task, const struct wire_message *message, int consume_fd);

/* Make sure that the extent that a mapping names is the one that the task knows at its slots: take
 * it in if it is new, and show it to swap. Ends the process if that fails. Returns false if physmem has
 * taken the extent by force in the meantime: the slots have no rights then. */
bool extents_adopt(struct sp_task *task, const struct wire_map *item);

#endif
