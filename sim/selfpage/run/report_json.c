/* What `selfpage run --json` prints. */
#include <errno.h>
#include <jansson.h>

#include "selfpage/run/report.h"

/* Every set is checked here: jansson's functions take NULL for a value and report it. */
static void put(json_t *object, const char *name, json_t *value, bool *failed)
{
    if (json_object_set_new(object, name, value) != 0)
        *failed = true;
}

#define PUT(name)                  put(object, #name, json_integer((json_int_t)from->name), failed);
#define PUT_COUNTER(name, meaning) PUT(name)
#define PUT_F(type, name)          PUT(name)
#define PUT_E(name, LIST)          PUT(name)
#define PUT_S(name, size)
#define PUT_L(element, name, limit)

static json_t *task_json(const struct task_outcome *task, bool *failed)
{
    json_t *object = json_object();

    put(object, "name", json_string(task->task->name), failed);
    put(object, "program", json_string(task->task->program), failed);
    put(object, "policy", task->policy[0] != '\0' ? json_string(task->policy) : json_null(),
        failed);
    put(object, "asked_policy", json_string(task->asked_policy), failed);
    put(object, "exit_status",
        task->state == TASK_ENDED ? json_integer(task->exit_status) : json_null(), failed);
    put(object, "breached", json_boolean(task->seen.breached), failed);
    {
        const struct sp_stats *from = &task->stats;

        SP_TASK_COUNTERS(PUT_COUNTER)
    }
    {
        const struct observed_task *from = &task->seen;

        OBSERVED_TASK_COUNTERS(PUT)
    }
    return object;
}

static json_t *physmem_json(const struct observed_physmem *from, bool *failed)
{
    json_t *object = json_object();

    WIRE_PHYSMEM_STATUS_FIELDS(PUT_F, PUT_E, PUT_S, PUT_L)
    return object;
}

static json_t *swap_json(const struct observed_swap *from, bool *failed)
{
    json_t *object = json_object();

    WIRE_SWAP_STATUS_FIELDS(PUT_F, PUT_E, PUT_S, PUT_L)
    return object;
}

static json_t *expectation_json(const struct expectation *expectation, bool *failed)
{
    json_t *object = json_object();

    put(object, "text", json_string(expectation->text), failed);
    put(object, "passed", json_boolean(expectation->passed), failed);
    if (expectation->why != NULL)
        put(object, "found", json_string(expectation->why), failed);
    return object;
}

static json_t *outcome_json(const struct outcome *outcome, bool *failed)
{
    json_t *object = json_object(), *expectations = json_array(), *tasks = json_array();

    for (size_t i = 0; i < outcome->expectation_count; i++)
        if (json_array_append_new(expectations,
                                  expectation_json(&outcome->expectations[i], failed)) != 0)
            *failed = true;
    for (uint32_t i = 0; i < outcome->scenario->tasks_count; i++)
        if (json_array_append_new(tasks, task_json(&outcome->tasks[i], failed)) != 0)
            *failed = true;
    put(object, "passed", json_boolean(outcome_passed(outcome)), failed);
    put(object, "expectations", expectations, failed);
    put(object, "tasks", tasks, failed);
    put(object, "physmem", physmem_json(&outcome->physmem, failed), failed);
    put(object, "swap",
        outcome->scenario->swap != NULL ? swap_json(&outcome->swap, failed) : json_null(), failed);
    return object;
}

int report_json(FILE *out, const struct outcome *outcome)
{
    bool failed = false;
    json_t *object = outcome_json(outcome, &failed);
    int result = 0;

    if (failed || object == NULL)
        result = -ENOMEM;
    else if (json_dumpf(object, out, JSON_INDENT(2)) != 0 || fputc('\n', out) == EOF ||
             fflush(out) != 0)
        result = -EIO;
    json_decref(object);
    return result;
}
