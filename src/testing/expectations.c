/* The fixture of selfpage/testing.h: expectations of counters by their names, live and in a world. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "expression/expression.h"
#include "testing/inworld.h"

/* How often what is awaited is looked at. */
#define LOOK_NS 5000000

#define LOOK(row)                                                                                  \
    if (strcmp(field, #row) == 0) {                                                                \
        *value = (double)status->row;                                                              \
        return true;                                                                               \
    }
#define LOOK_NUMBER(type, name, unit, meaning) LOOK(name)
#define LOOK_STATE(name, list, unit, meaning)  LOOK(name)

static bool physmem_field(const struct sp_testing_physmem *status, const char *field, double *value)
{
    SP_PHYSMEM_STATUS(LOOK_NUMBER, LOOK_STATE)
    return false;
}

static bool swap_field(const struct sp_testing_swap *status, const char *field, double *value)
{
    SP_SWAP_STATUS(LOOK_NUMBER, LOOK_STATE)
    return false;
}

static bool task_field(const struct sp_testing_task_status *status, const char *field,
                       double *value)
{
    SP_TASK_STATUS(LOOK_NUMBER, LOOK_STATE)
    return false;
}

static bool stats_field(const struct sp_stats *status, const char *field, double *value)
{
    SP_TASK_COUNTERS(LOOK_NUMBER, LOOK_STATE)
    return false;
}

/* Whether a task of this name is meant. In expectations a name has no '-', but '_'. */
static bool is_meant(const char *name, const char *object)
{
    for (; *name != '\0' && (*name == *object || (*name == '-' && *object == '_')); name++)
        object++;
    return *name == *object;
}

/* A task by its name, running or ended: its name for physmem; NULL: the fixture has begun none of that name. */
static const char *find_stats(const struct sp_testing *fixture, const char *object,
                              struct sp_stats *stats, int *exit_status)
{
    *exit_status = -1;
    for (const struct sp_testing_task *task = fixture->tasks; task != NULL; task = task->next)
        if (is_meant(task->name, object)) {
            sp_testing_task_stats(task, stats);
            return task->name;
        }
    for (const struct remembered *ended = fixture->ended; ended != NULL; ended = ended->next)
        if (is_meant(ended->name, object)) {
            *stats = ended->stats;
            *exit_status = ended->exit_status;
            return ended->name;
        }
    return NULL;
}

static int look_up_task(struct sp_testing *fixture, const char *object, const char *field,
                        double *value)
{
    struct sp_testing_task_status status;
    struct sp_stats stats;
    int exit_status;
    const char *name = find_stats(fixture, object, &stats, &exit_status);

    if (name == NULL)
        return -ENOENT;
    if (strcmp(field, "exit_status") == 0) {
        *value = exit_status;
        return 0;
    }
    if (stats_field(&stats, field, value))
        return 0;
    if (sp_testing_task_status(fixture, name, &status, NULL) != 0)
        status = (struct sp_testing_task_status){.id = 0}; /* not attached yet */
    return task_field(&status, field, value) ? 0 : -EINVAL;
}

/* The sum over all tasks of the fixture. */
static int look_up_all(struct sp_testing *fixture, const char *field, double *sum)
{
    double value;
    int result = 0;

    *sum = 0;
    for (const struct sp_testing_task *task = fixture->tasks; task != NULL && result == 0;
         task = task->next) {
        result = look_up_task(fixture, task->name, field, &value);
        *sum += result == 0 ? value : 0;
    }
    for (const struct remembered *ended = fixture->ended; ended != NULL && result == 0;
         ended = ended->next) {
        result = look_up_task(fixture, ended->name, field, &value);
        *sum += result == 0 ? value : 0;
    }
    return result;
}

static int look_up(void *arg, bool all, const char *object, const char *field, double *value)
{
    struct sp_testing *fixture = arg;
    struct sp_testing_physmem physmem;
    struct sp_testing_swap swap;
    int result;

    if (all)
        return strcmp(object, "tasks") == 0 ? look_up_all(fixture, field, value) : -ENOENT;
    if (strcmp(object, "physmem") == 0) {
        result = sp_testing_physmem_status(fixture, &physmem, NULL);
        return result != 0 || physmem_field(&physmem, field, value) ? result : -EINVAL;
    }
    if (strcmp(object, "swap") == 0) {
        result = sp_testing_swap_status(fixture, &swap, NULL);
        return result != 0 || swap_field(&swap, field, value) ? result : -EINVAL;
    }
    return look_up_task(fixture, object, field, value);
}

int sp_testing_expect(struct sp_testing *fixture, const char *expectation, struct sp_error *error)
{
    const struct expression_names names = {.look_up = look_up, .arg = fixture};
    struct expression_sides sides;
    char said[EXPRESSION_SAID];
    int holds;

    if (fixture->world != NULL)
        return sp_world_expect(fixture->world, expectation, error);
    holds = expression_evaluate(expectation, &names, false, &sides, error);
    if (holds == 0)
        error_set(error, 0, "%.300s: %s", expectation, expression_say(said, &sides));
    return holds;
}

int sp_testing_await(struct sp_testing *fixture, const char *expectation, struct sp_error *error)
{
    const struct timespec pause = {.tv_nsec = LOOK_NS};
    uint64_t looks = fixture->timeout_ms / (LOOK_NS / 1000000) + 1;

    if (fixture->world != NULL)
        return inworld_await(fixture, expectation, error);
    for (uint64_t i = 0; i < looks; i++) {
        int holds = sp_testing_expect(fixture, expectation, error);

        if (holds != 0)
            return holds < 0 ? holds : 0;
        nanosleep(&pause, NULL);
    }
    if (error != NULL)
        error->code = ETIMEDOUT;
    return -ETIMEDOUT;
}

int sp_testing_in_world(const struct sp_testing *fixture)
{
    return fixture->world != NULL;
}
