/* See whether an access that faults, and that the handler repairs, goes on where it was. */
#ifndef TASK_ENTRY_PROBE_H
#define TASK_ENTRY_PROBE_H

#include <signal.h>
#include <stdbool.h>

#include <selfpage/error.h>

/* The handler is installed: fault, and see that this thread goes on properly. 0, -ENOTSUP, -ENOMEM. */
int probe_resume(struct sp_error *error);

/* In the handler: true if this was such a fault, and has been dealt with. */
bool probe_fault(const siginfo_t *info);

#endif
