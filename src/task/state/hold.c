#include "task/state/hold.h"

__thread bool hold_ours __attribute__((tls_model("initial-exec")));

void hold_recalls_met(struct sp_task *task)
{
    task->stats->recalls_answered += task->recalls_open;
    task->recalls_open = 0;
}
