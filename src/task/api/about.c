/* Counters, the end, built-in policies, version. */
#include "base/assert.h"
#include "policy/registry.h"
#include "task/state/guard.h"
#include "task/state/hold.h"

void sp_get_stats(struct sp_task *task, struct sp_stats *stats)
{
    struct guard guard;

    guard_begin(&guard);
    hold_take(task);
    check(task->shown_stats->resident <= task->shown_stats->pages);
    *stats = *task->shown_stats;
    hold_release(task);
    guard_end(&guard);
}

void sp_on_end(struct sp_task *task, sp_task_ends *ends, void *arg)
{
    struct guard guard;

    check(ends != NULL || arg == NULL);
    guard_begin(&guard);
    hold_take(task);
    /* A thread that ends the process meanwhile does not find one with the other's argument (say_end). */
    __atomic_store_n(&task->on_end, NULL, __ATOMIC_SEQ_CST);
    __atomic_store_n(&task->on_end_arg, arg, __ATOMIC_SEQ_CST);
    __atomic_store_n(&task->on_end, ends, __ATOMIC_SEQ_CST);
    hold_release(task);
    guard_end(&guard);
}

const struct sp_policy *sp_builtin_policy(size_t i)
{
    return policy_registry_builtin(i);
}

const char *sp_version(void)
{
    return SELFPAGE_VERSION;
}
