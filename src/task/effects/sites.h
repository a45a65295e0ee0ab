/* Which instructions fault: the table that SELFPAGE_FAULTS asks for, and the hints of SELFPAGE_HINTS, by which
 * instructions have pages loaded ahead.
 *
 * The happy path: sites_begin at attach; sites_region for each region; for each fault sites_before and
 * sites_after, around the call into the pager, under the lock; sites_look on the control thread, after a new
 * instruction was seen whose file is not known; sites_end. Without the two variables, task->sites is NULL and
 * none of this is called but sites_begin. */
#ifndef TASK_EFFECTS_SITES_H
#define TASK_EFFECTS_SITES_H

#include "task/state/state.h"

/* Counters as they were. */
struct sites_moment {
    uint64_t faults, soft, evicted, ahead;
    uint64_t stored; /* stores begun */
    bool swapped;    /* the page was in swap */
};

/* Begin what the environment asks for. 0; -EINVAL: a variable is malformed, or its file is; -EBUSY: another
 * task writes the same file; -ENOMEM; or what a system call says about the file. */
int sites_begin(struct sp_task *task, struct sp_error *error);

/* A region was made, by a call that returns to `code`. The lock is held. */
void sites_region(struct sp_task *task, sp_page first, uintptr_t code);

/* Before and after a call into the pager for a fault of the instruction at `code` (0: it is not known) on
 * `page`. The lock is held, and effects have not been taken. */
void sites_before(const struct sp_task *task, sp_page page, struct sites_moment *moment);
void sites_after(struct sp_task *task, sp_page page, uintptr_t code,
                 const struct sites_moment *before);

/* Note the files that code is mapped from, if a fault has shown that some are missing. Without the lock. */
void sites_look(struct sp_task *task);

/* Let go of the table; the file stays. */
void sites_end(struct sp_task *task);

#endif
