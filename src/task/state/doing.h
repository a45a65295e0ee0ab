/* What this thread is doing, for the last words of one that crashes. Pages: SP_NO_PAGE for none. */
#ifndef TASK_STATE_DOING_H
#define TASK_STATE_DOING_H

#include "base/assert.h"
#include "task/state/state.h"

/* Page numbers plus one, 0 for none. Initial-exec: a fault handler writes it, and must not allocate. */
struct doing {
    sp_page serving;
    sp_page refilling;
};
extern __thread struct doing doing_now __attribute__((tls_model("initial-exec")));

/* This thread serves a fault on a page, or no longer serves one. */
static inline void doing_serve(sp_page page)
{
    check(page == SP_NO_PAGE || doing_now.serving == 0);
    doing_now.serving = page + 1; /* SP_NO_PAGE + 1 is 0 */
}

static inline sp_page doing_serving(void)
{
    return doing_now.serving - 1;
}

/* It calls back to have a page made, numbered within its region, or no longer does. */
static inline void doing_refill(sp_page page)
{
    check(page == SP_NO_PAGE || doing_now.refilling == 0);
    doing_now.refilling = page + 1;
}

static inline sp_page doing_refilling(void)
{
    return doing_now.refilling - 1;
}

#endif
