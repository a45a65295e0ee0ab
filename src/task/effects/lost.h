/* Frames that physmem takes by force (breach=repossess, or penalty in the end).
 *
 * The extent is cut to nothing at once; the message that says so comes a moment later. In between, an
 * access to one of its pages is a SIGBUS, and waits for the message; the library's own writes to its
 * window go nowhere. */
#ifndef TASK_EFFECTS_LOST_H
#define TASK_EFFECTS_LOST_H

#include "task/state/state.h"

/* Physmem has taken frames by force, or warns that it will. */
void lost_note(struct sp_task *task, const struct wire_message *message);
void lost_warned(struct sp_task *task, const struct wire_message *message);

/* Whether that can happen to this task. */
bool lost_possible(const struct sp_task *task);

/* SIGBUS in a window: let the access go on, without effect. */
void lost_window(struct sp_task *task, void *address);

/* SIGBUS at a managed page: wait a little for what physmem says. Ends the process if it says that
 * the task was revoked, or nothing for long. */
void lost_wait(struct sp_task *task, sp_page page);

/* A transfer to or from a page's frame failed: whether because physmem took the frame. Waits for the
 * message. */
bool lost_in_the_end(struct sp_task *task, sp_page page);

/* Wait until no page of the task lies in an extent that physmem has taken. False if some still do after the wait.
 * */
bool lost_extent_is_gone(struct sp_task *task, uint32_t index);

#endif
