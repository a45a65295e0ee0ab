/* Serving a fault, on whichever thread. */
#ifndef TASK_ENTRY_SERVE_H
#define TASK_ENTRY_SERVE_H

#include "task/state/state.h"

/* A reference to a page that failed. */
struct fault {
    sp_page page;
    bool write;
    uintptr_t code; /* address of the instruction; 0: it is not known */
    uint32_t
        kept; /* pages that the same instruction needs besides, and that are to stay meanwhile */
    const sp_page *keep;
};

/* Bring the page in and map it. Ends the process if that cannot be. Inside a guard or a fault handler,
 * without the lock. True if there was nothing to do: the page is in order. */
bool serve_fault(struct sp_task *task, const struct fault *fault);

#endif
