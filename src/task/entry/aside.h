/* Frames for containers of the program, beside those of the pager: the regions that it pages give theirs
 * up, as far as the contracts want that. */
#ifndef TASK_ENTRY_ASIDE_H
#define TASK_ENTRY_ASIDE_H

#include "task/state/state.h"

/* `more` frames are set aside for containers, or (negative) no longer. Inside a guard or a fault
 * handler. */
void aside_set(struct sp_task *task, int64_t more);

/* Slots that want frames. */
struct aside {
    uint32_t container;
    uint32_t start;
    uint32_t count;
    uint32_t holes;   /* of these, that have none */
    uint32_t ceiling; /* as in ALLOCATE */
    uint8_t flags;    /* WIRE_ALLOCATE_* */
    uint8_t order;
};

/* Ask physmem for frames, and again as long as the pager's frames are in the way. Returns the slots that
 * have them now, or a negative errno, with the error (NULL: nobody wants to know). Inside a guard or a
 * fault handler. */
long aside_allocate(struct sp_task *task, const struct aside *aside, struct sp_error *error);

#endif
