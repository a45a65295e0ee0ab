#include "task/entry/repeat.h"

#include "base/assert.h"
#include "task/entry/machine.h"

/* How often the registers must be the same, fault after fault, before an instruction counts as
 * stuck. */
#define SAME_ENOUGH 8u

/* How often a page may be in order for one instruction: while other threads page, and while none
 * does. */
#define IN_ORDER_MOST       1000u
#define IN_ORDER_MOST_ALONE 2u

__thread struct repeat repeat_here __attribute__((tls_model("initial-exec")));

/* The last fault whose page was in order. */
static __thread struct {
    uintptr_t code;
    sp_page page;
    uint32_t times, alone;
    uint64_t paged;
} in_order __attribute__((tls_model("initial-exec")));

/* Whether the last faults were of more pages than can be kept: then they are those of a loop that goes on, as a rule,
 * and this is seen at once. False: they may have been. */
static bool are_many(void)
{
    uint64_t seen = 0;

    for (uint32_t i = 0; i < REPEAT_FAULTS; i++)
        seen |= UINT64_C(1) << repeat_here.page[i] % 64;
    check(seen != 0);
    return (uint32_t)__builtin_popcountll(seen) > PAGER_KEPT_MOST;
}

/* The distinct pages among those of the last faults; none if there are more than fit. */
static uint32_t different_pages(sp_page pages[PAGER_KEPT_MOST])
{
    uint32_t count = 0;

    if (are_many())
        return 0;
    for (uint32_t i = 0; i < REPEAT_FAULTS; i++) {
        uint32_t n = 0;

        while (n < count && pages[n] != repeat_here.page[i])
            n++;
        if (n < count)
            continue;
        if (count == PAGER_KEPT_MOST)
            return 0;
        pages[count++] = repeat_here.page[i];
    }
    check(count > 0 && count <= PAGER_KEPT_MOST);
    return count;
}

bool repeat_is_stuck(const ucontext_t *context, sp_page pages[PAGER_KEPT_MOST], uint32_t *countp)
{
    uint64_t registers = machine_registers(context);
    bool close = repeat_here.mask == 0;

    ensure(repeat_here.faults >= REPEAT_FAULTS);
    *countp = repeat_here.code != 0 ? different_pages(pages) : 0;
    if (*countp < 2) {
        repeat_here.mask = REPEAT_FAULTS - 1;
        return false;
    }
    /* A loop that comes back to a few pages changes a register on its way; an instruction that is begun
     * again changes none. */
    repeat_here.same = close && registers == repeat_here.registers ? repeat_here.same + 1 : 0;
    repeat_here.registers = registers;
    repeat_here.mask = 0;
    check(*countp <= PAGER_KEPT_MOST);
    return repeat_here.same >= SAME_ENOUGH;
}

/* All that may take a mapping away, or make one, is counted. */
static uint64_t paged(const struct sp_task *task)
{
    const struct sp_stats *stats = task->stats;

    return stats->faults + stats->soft_faults + stats->evictions + stats->pages_unmapped +
           stats->dropped;
}

bool repeat_in_order(const struct sp_task *task, uintptr_t code, sp_page page)
{
    uint64_t now = paged(task);

    if (in_order.code != code || in_order.page != page) {
        in_order.code = code;
        in_order.page = page;
        in_order.times = in_order.alone = 0;
    } else {
        in_order.times++;
        in_order.alone = in_order.paged == now ? in_order.alone + 1 : 0;
    }
    in_order.paged = now;
    check(in_order.alone <= in_order.times);
    return in_order.times >= IN_ORDER_MOST || in_order.alone >= IN_ORDER_MOST_ALONE;
}
