/* What tests of tasks do with the fixture of selfpage/testing.h, beside the functions that run as tasks
 * (live.h). To be included behind cmocka.h. */
#ifndef TESTS_TASK_FIXTURE_H
#define TESTS_TASK_FIXTURE_H

#include <selfpage/testing.h>

/* Begin a task that runs `function`, under a policy (NULL: the default). */
static inline struct sp_testing_task *begin_with(struct sp_testing *fixture, const char *name,
                                                 const char *contract, const char *policy,
                                                 int (*function)(void *), void *arg)
{
    struct sp_testing_task *task;
    struct sp_error error;

    if (sp_testing_begin(fixture, name, contract, policy, function, arg, &task, &error) != 0)
        fail_msg("%s", error.text);
    return task;
}

static inline struct sp_testing_task *begin(struct sp_testing *fixture, const char *name,
                                            const char *contract, int (*function)(void *),
                                            void *arg)
{
    return begin_with(fixture, name, contract, NULL, function, arg);
}

/* The task ends, having found nothing wrong. */
static inline void expect_success(struct sp_testing_task *task)
{
    struct sp_testing_result result;

    sp_testing_wait(&task, &result);
    if (result.exit_status != 0)
        fail_msg("ended with %d, signal %d: %s", result.exit_status, result.signal, result.output);
}

#endif
