#include "task/state/attached.h"

static struct sp_task *attached;

struct sp_task *attached_task(void)
{
    return __atomic_load_n(&attached, __ATOMIC_ACQUIRE);
}

void attached_set(struct sp_task *task)
{
    __atomic_store_n(&attached, task, __ATOMIC_RELEASE);
}
