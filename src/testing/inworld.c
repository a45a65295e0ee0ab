#include "testing/inworld.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define VARIABLE  "SELFPAGE_TESTING"
#define TASKS_MAX 1024u
#define NS_PER_MS UINT64_C(1000000)

int inworld_wanted(const struct sp_testing_options *options, struct sp_error *error)
{
    const char *said = getenv(VARIABLE);
    bool world = options->where == SP_TESTING_WORLD;

    if (options->where == SP_TESTING_AS_SAID && said != NULL && *said != '\0') {
        world = strcmp(said, "world") == 0;
        if (!world && strcmp(said, "live") != 0)
            return error_set(error, EINVAL,
                             VARIABLE " is \"%.40s\": \"live\" and \"world\" are possible", said);
    }
    if (world && ((options->physmem_args != NULL && options->physmem_args[0] != NULL) ||
                  (options->swap_args != NULL && options->swap_args[0] != NULL)))
        return error_set(error, ENOTSUP,
                         "a world has no servers that take arguments: leave physmem_args and "
                         "swap_args out, or ask for real processes");
    return world;
}

int inworld_start(struct sp_testing *fixture, const struct sp_testing_options *options,
                  struct sp_error *error)
{
    const struct sp_world_options world = {.version = SP_WORLD_VERSION,
                                           .frames = options->physmem_frames,
                                           .swap_slots = options->swap_slots,
                                           .tasks = TASKS_MAX,
                                           .seed = options->seed,
                                           .arbiter = options->arbiter,
                                           .chaos_unmap = options->chaos_unmap};

    return sp_world_new(&fixture->world, &world, error);
}

int inworld_begin(struct sp_testing *fixture, const char *name, const char *contract,
                  const char *policy, const char *workload, struct sp_testing_task **taskp,
                  struct sp_error *error)
{
    struct sp_testing_task *task = calloc(1, sizeof *task);
    struct sp_world_task added = {
        .version = SP_WORLD_VERSION, .contract = contract, .policy = policy, .workload = workload};

    if (task == NULL)
        return error_set(error, ENOMEM, "out of memory");
    snprintf(task->name, sizeof task->name, "task_%u", ++fixture->tasks_begun);
    added.name = name != NULL ? name : task->name;
    task->number = sp_world_add(fixture->world, &added, error);
    if (task->number < 0) {
        int result = task->number;

        free(task);
        return result;
    }
    task->fixture = fixture;
    task->stats_fd = -1;
    task->log = (struct launched_log){-1, -1};
    task->next = fixture->tasks;
    fixture->tasks = task;
    *taskp = task;
    return 0;
}

static uint64_t deadline(const struct sp_testing *fixture)
{
    return sp_world_now(fixture->world) + fixture->timeout_ms * NS_PER_MS;
}

/* A rule is broken: sp_testing_stop says it as well. */
static void note_trouble(struct sp_testing *fixture, const struct sp_error *error)
{
    if (!fixture->trouble)
        fixture->trouble_error = *error;
    fixture->trouble = true;
}

void inworld_wait(const struct sp_testing_task *task, struct sp_testing_result *result)
{
    struct sp_testing *fixture = task->fixture;
    uint64_t until = deadline(fixture);
    struct sp_error error = {.text = ""};
    int step = 1;

    *result = (struct sp_testing_result){.timed_out = 0};
    while (step == 1 && sp_world_exit_status(fixture->world, task->number) < 0 &&
           sp_world_due(fixture->world) <= until)
        step = sp_world_step(fixture->world, &error);
    if (step < 0) {
        note_trouble(fixture, &error);
        result->signal = SIGABRT;
        snprintf(result->output, sizeof result->output, "%s\n", error.text);
    } else if (sp_world_exit_status(fixture->world, task->number) < 0) {
        result->timed_out = 1;
        (void)sp_world_signal(fixture->world, task->number, SIGKILL, NULL);
        result->signal = SIGKILL;
    }
    (void)sp_world_stats(fixture->world, task->number, &result->stats);
    result->exit_status = sp_world_exit_status(fixture->world, task->number);
    if (result->signal == 0 && result->exit_status > 128)
        result->signal = result->exit_status - 128;
    if (result->signal != 0)
        result->exit_status = 128 + result->signal;
}

int inworld_await(struct sp_testing *fixture, const char *expectation, struct sp_error *error)
{
    uint64_t until = deadline(fixture);

    for (;;) {
        struct sp_error broken;
        int holds = sp_world_expect(fixture->world, expectation, error), step;

        if (holds != 0)
            return holds < 0 ? holds : 0;
        step = sp_world_due(fixture->world) <= until ? sp_world_step(fixture->world, &broken) : 0;
        if (step == 0) {
            if (error != NULL)
                error->code = ETIMEDOUT;
            return -ETIMEDOUT;
        }
        if (step < 0) {
            note_trouble(fixture, &broken);
            return error_set(error, -step, "%s", broken.text);
        }
    }
}

/* ---- What is counted ---- */

static int get(struct sp_testing *fixture, const char *object, const char *field, uint64_t *valuep,
               struct sp_error *error)
{
    char name[SP_NAME_MAX + 40];

    snprintf(name, sizeof name, "%s.%s", object, field);
    return sp_world_get(fixture->world, name, valuep, error);
}

#define GET(object, name)                                                                          \
    if (result == 0) {                                                                             \
        result = get(fixture, object, #name, &value, error);                                       \
        status->name = (__typeof__(status->name))value;                                            \
    }
#define GET_PHYSMEM(type, name, unit, meaning)       GET("physmem", name)
#define GET_PHYSMEM_STATE(name, list, unit, meaning) GET("physmem", name)
#define GET_SWAP(type, name, unit, meaning)          GET("swap", name)
#define GET_TASK(type, name, unit, meaning)          GET(task, name)
#define GET_TASK_STATE(name, list, unit, meaning)    GET(task, name)

int inworld_physmem(struct sp_testing *fixture, struct sp_testing_physmem *status,
                    struct sp_error *error)
{
    uint64_t value = 0;
    int result = 0;

    SP_PHYSMEM_STATUS(GET_PHYSMEM, GET_PHYSMEM_STATE)
    return result;
}

int inworld_swap(struct sp_testing *fixture, struct sp_testing_swap *status, struct sp_error *error)
{
    uint64_t value = 0;
    int result = 0;

    SP_SWAP_STATUS(GET_SWAP, GET_SWAP)
    return result;
}

int inworld_task(struct sp_testing *fixture, const char *task,
                 struct sp_testing_task_status *status, struct sp_error *error)
{
    uint64_t value = 0;
    int result = 0;

    SP_TASK_STATUS(GET_TASK, GET_TASK_STATE)
    return result;
}

int inworld_recall(struct sp_testing *fixture, const char *name, uint32_t frames,
                   struct sp_error *error)
{
    int number = sp_world_find(fixture->world, name);
    int64_t recalled;

    if (number < 0)
        return error_set(error, ENOENT, "there is no task named %s", name);
    recalled = sp_world_recall(fixture->world, number, frames, error);
    return recalled == -ESRCH ? -ENOENT : recalled < 0 ? (int)recalled : 0;
}
