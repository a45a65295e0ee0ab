#include "task/state/hold.h"

#include "base/assert.h"

__thread bool hold_ours __attribute__((tls_model("initial-exec")));

void hold_recalls_met(struct sp_task *task)
{
    ensure(hold_ours && task->pager.owed == 0);
    task->stats->recalls_answered += task->recalls_open;
    task->recalls_open = 0;
}
