/* A stage of a check in a process of its own, which whatever is checked may end. */
#ifndef SELFPAGE_CHECK_CHILD_H
#define SELFPAGE_CHECK_CHILD_H

#include <stdbool.h>

#include <selfpage/error.h>

#include "check/check.h"

/* In memory that both processes share. */
struct check_child {
    bool done;   /* the stage came to its end, or to a breach that it noted */
    bool unable; /* memory was short: nothing can be said */
};

/* Run `stage(context)` in a child, which dies with this process and leaves no core, and wait for it.
 * `stage` returns false without memory. A child that ends before its stage does is a breach, which is
 * noted in `log`, in shared memory, too. Returns 0, -ENOMEM, or why there is no process. */
int check_child_run(struct check_child *child, struct check_log *log, bool (*stage)(void *context),
                    void *context, struct sp_error *error);

#endif
