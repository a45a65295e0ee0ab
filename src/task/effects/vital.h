/* Pinned pages, which physmem is asked to spare when it takes frames by force. */
#ifndef TASK_EFFECTS_VITAL_H
#define TASK_EFFECTS_VITAL_H

#include "task/state/state.h"

/* A page was pinned, or unpinned; the lock is held. */
void vital_pinned(struct sp_task *task, sp_page page);
void vital_unpinned(struct sp_task *task, sp_page page);

/* Tell physmem, if it could take frames from this task by force. Without the lock. */
void vital_announce(struct sp_task *task);

#endif
