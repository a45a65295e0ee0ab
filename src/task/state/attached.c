#include "task/state/attached.h"

#include "base/assert.h"

static struct sp_task *attached;

struct sp_task *attached_task(void)
{
    return __atomic_load_n(&attached, __ATOMIC_ACQUIRE);
}

void attached_set(struct sp_task *task)
{
    check(task == NULL || attached == NULL); /* one task a process */
    __atomic_store_n(&attached, task, __ATOMIC_RELEASE);
}
