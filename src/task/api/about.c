/* Counters, built-in policies, version. */
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

const struct sp_policy *sp_builtin_policy(size_t i)
{
    return policy_registry_builtin(i);
}

const char *sp_version(void)
{
    return SELFPAGE_VERSION;
}
