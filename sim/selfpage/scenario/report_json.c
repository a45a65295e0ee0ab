/* What `selfpage run --json` prints. */
#include <errno.h>
#include <jansson.h>
#include <math.h>

#include "selfpage/command/counters.h"
#include "selfpage/command/counters_json.h"
#include "selfpage/command/json_out.h"
#include "selfpage/scenario/figure.h"
#include "selfpage/scenario/report.h"

static json_t *task_json(const struct task_outcome *task, bool *failed)
{
    json_t *object = json_object();

    counters_json_put(object, "name", json_string(task->task->name), failed);
    counters_json_put(object, "program",
                      json_string(task->task->program != NULL ? task->task->program : "load"),
                      failed);
    counters_json_put(object, "policy",
                      task->policy[0] != '\0' ? json_string(task->policy) : json_null(), failed);
    counters_json_put(object, "asked_policy", json_string(task->asked_policy), failed);
    counters_json_put(object, "exit_status",
                      task->state == OUTCOME_ENDED ? json_integer(task->exit_status) : json_null(),
                      failed);
    counters_json_put(object, "microseconds", json_integer((json_int_t)task->microseconds), failed);
    counters_json_put(object, "breached", json_boolean(task->seen.breached), failed);
    counters_json_table(object, &counters_task, &task->stats, failed);
    counters_json_table(object, &counters_task_status, &task->seen, failed);
    return object;
}

static json_t *server_json(const struct counter_table *table, const void *from, bool *failed)
{
    json_t *object = json_object();

    counters_json_table(object, table, from, failed);
    return object;
}

static json_t *expectation_json(const struct expectation *expectation, bool *failed)
{
    json_t *object = json_object();

    counters_json_put(object, "text", json_string(expectation->text), failed);
    counters_json_put(object, "passed", json_boolean(expectation->passed), failed);
    if (expectation->why != NULL)
        counters_json_put(object, "found", json_string(expectation->why), failed);
    return object;
}

static json_t *event_json(const struct event_outcome *event, bool *failed)
{
    json_t *object = json_object();

    counters_json_put(object, "text", json_string(event->text), failed);
    counters_json_put(object, "happened", json_boolean(event->why == NULL), failed);
    if (event->why != NULL)
        counters_json_put(object, "why", json_string(event->why), failed);
    return object;
}

static void put_simulated(json_t *object, const struct outcome *outcome, bool *failed)
{
    char text[24];

    counters_json_put(object, "seed", json_integer((json_int_t)outcome->seed), failed);
    if (outcome->varied != NULL)
        counters_json_put(object, "varied", json_string(outcome->varied), failed);
    snprintf(text, sizeof text, "%016llx", (unsigned long long)outcome->hash);
    counters_json_put(object, "hash", json_string(text), failed);
    counters_json_put(object, "events_played", json_integer((json_int_t)outcome->events_played),
                      failed);
    counters_json_put(object, "virtual_seconds", json_real((double)outcome->virtual_ns / 1e9),
                      failed);
}

/* Values of the scenario's figure, by the names of its bars. */
static void put_figure(json_t *object, const struct outcome *outcome, bool *failed)
{
    json_t *values = json_object();

    if (figure_bars(outcome->scenario) == 0) {
        json_decref(values);
        return;
    }
    for (uint32_t i = 0; i < figure_bars(outcome->scenario); i++) {
        double value = figure_value(outcome, i);

        counters_json_put(values, outcome->scenario->figure->bars[i].name,
                          isnan(value) ? json_null() : json_real(value), failed);
    }
    counters_json_put(object, "figure", values, failed);
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
    if (outcome->simulated)
        put_simulated(object, outcome, failed);
    counters_json_put(object, "passed", json_boolean(outcome_passed(outcome)), failed);
    counters_json_put(object, "expectations", expectations, failed);
    counters_json_put(object, "events", events, failed);
    counters_json_put(object, "tasks", tasks, failed);
    counters_json_put(object, "physmem", server_json(&counters_physmem, &outcome->physmem, failed),
                      failed);
    counters_json_put(object, "swap",
                      outcome->scenario->swap != NULL
                          ? server_json(&counters_swap, &outcome->swap, failed)
                          : json_null(),
                      failed);
    if (outcome->scenario->fileserver != NULL)
        counters_json_put(object, "fileserver",
                          server_json(&counters_fileserver, &outcome->files, failed), failed);
    put_figure(object, outcome, failed);
    return object;
}

int report_json(FILE *out, const struct outcome *outcome)
{
    bool failed = false;
    json_t *object = outcome_json(outcome, &failed);
    int result = failed ? -ENOMEM : json_out_print(out, object, JSON_INDENT(2));

    json_decref(object);
    return result;
}
