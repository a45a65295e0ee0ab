/* What `selfpage run --json` prints. */
#include <errno.h>
#include <jansson.h>

#include "selfpage/command/counters.h"
#include "selfpage/scenario/report.h"

/* Every set is checked here: jansson's functions take NULL for a value and report it. */
static void put(json_t *object, const char *name, json_t *value, bool *failed)
{
    if (json_object_set_new(object, name, value) != 0)
        *failed = true;
}

/* Add the counters of a table whose names are not there yet. */
static void put_counters(json_t *object, const struct counter_table *table, const void *from,
                         bool *failed)
{
    for (size_t i = 0; i < table->count; i++)
        if (json_object_get(object, table->rows[i].name) == NULL)
            put(object, table->rows[i].name,
                json_integer((json_int_t)counters_value(&table->rows[i], from)), failed);
}

static json_t *task_json(const struct task_outcome *task, bool *failed)
{
    json_t *object = json_object();

    put(object, "name", json_string(task->task->name), failed);
    put(object, "program", json_string(task->task->program != NULL ? task->task->program : "load"),
        failed);
    put(object, "policy", task->policy[0] != '\0' ? json_string(task->policy) : json_null(),
        failed);
    put(object, "asked_policy", json_string(task->asked_policy), failed);
    put(object, "exit_status",
        task->state == OUTCOME_ENDED ? json_integer(task->exit_status) : json_null(), failed);
    put(object, "breached", json_boolean(task->seen.breached), failed);
    put_counters(object, &counters_task, &task->stats, failed);
    put_counters(object, &counters_task_status, &task->seen, failed);
    return object;
}

static json_t *server_json(const struct counter_table *table, const void *from, bool *failed)
{
    json_t *object = json_object();

    put_counters(object, table, from, failed);
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

static json_t *event_json(const struct event_outcome *event, bool *failed)
{
    json_t *object = json_object();

    put(object, "text", json_string(event->text), failed);
    put(object, "happened", json_boolean(event->why == NULL), failed);
    if (event->why != NULL)
        put(object, "why", json_string(event->why), failed);
    return object;
}

static json_t *outcome_json(const struct outcome *outcome, bool *failed)
{
    json_t *object = json_object(), *expectations = json_array(), *tasks = json_array(),
           *events = json_array();

    for (size_t i = 0; i < outcome->expectation_count; i++)
        if (json_array_append_new(expectations,
                                  expectation_json(&outcome->expectations[i], failed)) != 0)
            *failed = true;
    for (size_t i = 0; i < outcome->event_count; i++)
        if (json_array_append_new(events, event_json(&outcome->events[i], failed)) != 0)
            *failed = true;
    for (uint32_t i = 0; i < outcome->scenario->tasks_count; i++)
        if (json_array_append_new(tasks, task_json(&outcome->tasks[i], failed)) != 0)
            *failed = true;
    put(object, "passed", json_boolean(outcome_passed(outcome)), failed);
    put(object, "expectations", expectations, failed);
    put(object, "events", events, failed);
    put(object, "tasks", tasks, failed);
    put(object, "physmem", server_json(&counters_physmem, &outcome->physmem, failed), failed);
    put(object, "swap",
        outcome->scenario->swap != NULL ? server_json(&counters_swap, &outcome->swap, failed)
                                        : json_null(),
        failed);
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
