#include "task/state/doing.h"

/* Initial-exec: a fault handler writes it, and must not allocate. */
static __thread struct {
    sp_page serving;   /* plus 1; 0: nothing */
    sp_page refilling; /* likewise: a refill callback runs */
} at __attribute__((tls_model("initial-exec")));

void doing_serve(sp_page page)
{
    at.serving = page + 1; /* SP_NO_PAGE + 1 is 0 */
}

sp_page doing_serving(void)
{
    return at.serving - 1;
}

void doing_refill(sp_page page)
{
    at.refilling = page + 1;
}

sp_page doing_refilling(void)
{
    return at.refilling - 1;
}
