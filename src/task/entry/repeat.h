/* Instructions that fault again and again.
 *
 * Two kinds. An access that fails although its page is in order is not for this library: the
 * program executes managed memory, or has changed its mapping. And an instruction may touch several
 * pages: where bringing one in makes another one leave, it never comes to its end, unless its pages
 * are kept meanwhile.
 *
 * All of it concerns the calling thread, which is in its fault handler. */
#ifndef TASK_ENTRY_REPEAT_H
#define TASK_ENTRY_REPEAT_H

#include <ucontext.h>

#include "base/assert.h"
#include "task/state/state.h"

/* Faults that are remembered. */
#define REPEAT_FAULTS 32u

struct repeat {
    uintptr_t code;              /* instruction of the last fault */
    uint32_t faults;             /* at that instruction, one after the other */
    uint32_t mask;               /* look closer each time that faults & mask is 0 */
    sp_page page[REPEAT_FAULTS]; /* of the last ones */
    uint64_t registers;          /* at the last fault that was looked at */
    uint32_t same;               /* faults in a row with the same registers */
};
extern __thread struct repeat repeat_here __attribute__((tls_model("initial-exec")));

/* Note a fault. True: repeat_is_stuck should look closer. */
static inline bool repeat_note(uintptr_t code, sp_page page)
{
    struct repeat *repeat = &repeat_here;

    if (repeat->code != code) {
        repeat->code = code;
        repeat->faults = 0;
        repeat->mask = REPEAT_FAULTS - 1;
    }
    check((repeat->mask & (repeat->mask + 1)) == 0);
    repeat->page[repeat->faults % REPEAT_FAULTS] = page;
    return (++repeat->faults & repeat->mask) == 0;
}

/* Whether this instruction does not come to its end since it needs several pages at once; which, of
 * `*countp` different ones, are in `pages`. */
bool repeat_is_stuck(const ucontext_t *context, sp_page pages[PAGER_KEPT_MOST], uint32_t *countp);

/* A fault was served by doing nothing: its page was in order. True if that happens again and again, at
 * the same instruction, while nothing else happens. */
bool repeat_in_order(const struct sp_task *task, uintptr_t code, sp_page page);

#endif
