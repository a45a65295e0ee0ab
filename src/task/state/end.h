/* Ends of the process, because this task cannot go on. */
#ifndef TASK_STATE_END_H
#define TASK_STATE_END_H

#include "task/state/state.h"

/* End the process by SIGBUS, as a task whose memory was revoked. */
_Noreturn void end_revoked(struct sp_task *task);

/* A descriptor of the library has been closed by the program. */
_Noreturn void end_closed(struct sp_task *task);

/* A server has closed its connection, or it cannot be used any more; the line says why. Physmem: because the task was revoked, or because it died. */
_Noreturn void end_physmem_gone(struct sp_task *task);

/* The same for the thread that hears what physmem says, which has read all of it: no reason will come. */
_Noreturn void end_control_gone(struct sp_task *task);
_Noreturn void end_swap_gone(struct sp_task *task);

#endif
