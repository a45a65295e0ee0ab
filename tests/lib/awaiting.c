#include "awaiting.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PAUSES_MAX 120000u /* of a millisecond or more: as long as the fixture waits for a task */

void awaiting_pause(struct awaiting *awaiting)
{
    struct sp_testing_result result;

    if (sp_testing_task_ended(awaiting->task)) {
        sp_testing_wait(&awaiting->task, &result);
        fail_msg("the task ended with %d before %s: %s", result.exit_status, awaiting->what,
                 result.output);
    }
    if (awaiting->pauses++ == PAUSES_MAX)
        fail_msg("the task runs, but never was %s", awaiting->what);
    poll(NULL, 0, 1); /* between questions; not an assumption */
}

uint64_t awaiting_held(const struct sp_testing_task *task)
{
    struct sp_stats stats;

    sp_testing_task_stats(task, &stats);
    return stats.held;
}

uint64_t awaiting_resident(const struct sp_testing_task *task)
{
    struct sp_stats stats;

    sp_testing_task_stats(task, &stats);
    return stats.resident;
}
