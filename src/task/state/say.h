/* Lines on standard error. */
#ifndef TASK_STATE_SAY_H
#define TASK_STATE_SAY_H

#include "task/state/state.h"

/* Write "selfpage: task 'NAME' (pid N): ..." to standard error. Async-signal-safe enough for a
 * process that is about to end: it formats into the stack and calls write once. */
void say(const struct sp_task *task, const char *format, ...) SP_PRINTF(2, 3);

/* The process is about to end: the program is told, if it wants to know and was not. */
void say_end(const struct sp_task *task);

/* The same as say, and end the process with status 2. */
_Noreturn void say_and_die(const struct sp_task *task, const char *format, ...) SP_PRINTF(2, 3);

#endif
