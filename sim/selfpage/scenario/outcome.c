/* What is known about a run. */
#include "selfpage/scenario/outcome.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "selfpage/command/counters.h"

int outcome_init(struct outcome *outcome, const struct scenario *scenario)
{
    *outcome = (struct outcome){.scenario = scenario};
    outcome->tasks = calloc(scenario->tasks_count, sizeof *outcome->tasks);
    if (outcome->tasks == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < scenario->tasks_count; i++) {
        const struct scenario_task *task = &scenario->tasks[i];

        outcome->tasks[i] = (struct task_outcome){
            .task = task,
            .asked_policy = task->policy != NULL ? task->policy : DEFAULT_POLICY,
            .exit_status = -1};
    }
    return 0;
}

void outcome_fini(struct outcome *outcome)
{
    for (size_t i = 0; i < outcome->expectation_count; i++) {
        free(outcome->expectations[i].text);
        free(outcome->expectations[i].why);
    }
    free(outcome->expectations);
    for (size_t i = 0; i < outcome->event_count; i++) {
        free(outcome->events[i].text);
        free(outcome->events[i].why);
    }
    free(outcome->events);
    free(outcome->tasks);
    *outcome = (struct outcome){0};
}

void outcome_note_policy(struct task_outcome *task, const char *text)
{
    size_t length = strnlen(text, STATS_POLICY_MAX - 1);

    for (size_t i = 0; i < length; i++) /* it goes to terminals and into JSON */
        task->policy[i] = text[i] > ' ' && text[i] <= '~' ? text[i] : '?';
    task->policy[length] = '\0';
}

const char *outcome_policy(const struct task_outcome *task)
{
    const char *slash = strrchr(task->asked_policy, '/');

    if (task->policy[0] != '\0')
        return task->policy;
    if (task->state == OUTCOME_ENDED)
        return "-";
    return slash != NULL ? slash + 1 : task->asked_policy;
}

static int counter_field(const struct counter_table *table, const void *object, const char *field,
                         double *value)
{
    const struct counter *row = counters_find(table, field);

    if (row == NULL)
        return -EINVAL;
    *value = (double)counters_value(row, object);
    return 0;
}

static int task_field(const struct task_outcome *task, const char *field, double *value)
{
    if (strcmp(field, "exit_status") == 0) {
        *value = task->exit_status;
        return 0;
    }
    if (strcmp(field, "microseconds") == 0) {
        *value = (double)task->microseconds;
        return 0;
    }
    if (counter_field(&counters_task, &task->stats, field, value) == 0)
        return 0;
    return counter_field(&counters_task_status, &task->seen, field, value);
}

static int tasks_sum(const struct outcome *outcome, const char *field, double *value)
{
    double sum = 0;

    for (uint32_t i = 0; i < outcome->scenario->tasks_count; i++) {
        int result = task_field(&outcome->tasks[i], field, value);

        if (result != 0)
            return result;
        sum += *value;
    }
    *value = sum;
    return 0;
}

static int outcome_look_up(void *arg, bool all, const char *object, const char *field,
                           double *value)
{
    const struct outcome *outcome = arg;

    if (all)
        return strcmp(object, "tasks") == 0 ? tasks_sum(outcome, field, value) : -ENOENT;
    if (strcmp(object, "physmem") == 0)
        return counter_field(&counters_physmem, &outcome->physmem, field, value);
    if (strcmp(object, "swap") == 0 && outcome->scenario->swap != NULL)
        return counter_field(&counters_swap, &outcome->swap, field, value);
    if (strcmp(object, "fileserver") == 0 && outcome->scenario->fileserver != NULL)
        return counter_field(&counters_fileserver, &outcome->files, field, value);
    for (uint32_t i = 0; i < outcome->scenario->tasks_count; i++)
        if (strcmp(object, outcome->scenario->tasks[i].name) == 0)
            return task_field(&outcome->tasks[i], field, value);
    return -ENOENT;
}

static void offer_counters(struct nearest *search, const struct counter_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        nearest_offer(search, table->rows[i].name);
}

static void offer_objects(struct nearest *search, const struct scenario *scenario)
{
    nearest_offer(search, "physmem");
    if (scenario->swap != NULL)
        nearest_offer(search, "swap");
    if (scenario->fileserver != NULL)
        nearest_offer(search, "fileserver");
    for (uint32_t i = 0; i < scenario->tasks_count; i++)
        nearest_offer(search, scenario->tasks[i].name);
}

static const char *outcome_nearest(void *arg, const char *object, const char *field)
{
    const struct outcome *outcome = arg;
    struct nearest search = NEAREST_START(field != NULL ? field : object);

    if (field == NULL) {
        offer_objects(&search, outcome->scenario);
    } else if (strcmp(object, "physmem") == 0) {
        offer_counters(&search, &counters_physmem);
    } else if (strcmp(object, "swap") == 0) {
        offer_counters(&search, &counters_swap);
    } else if (strcmp(object, "fileserver") == 0) {
        offer_counters(&search, &counters_fileserver);
    } else {
        nearest_offer(&search, "exit_status");
        nearest_offer(&search, "microseconds");
        offer_counters(&search, &counters_task);
        offer_counters(&search, &counters_task_status);
    }
    return search.best;
}

struct expression_names outcome_names(const struct outcome *outcome)
{
    return (struct expression_names){
        .look_up = outcome_look_up, .nearest = outcome_nearest, .arg = (void *)outcome};
}

int outcome_expect(struct outcome *outcome, const char *text, bool passed, const char *why)
{
    struct expectation *expectations =
        reallocarray(outcome->expectations, outcome->expectation_count + 1, sizeof *expectations);
    struct expectation *added;

    if (expectations == NULL)
        return -ENOMEM;
    outcome->expectations = expectations;
    added = &expectations[outcome->expectation_count];
    *added = (struct expectation){.text = strdup(text), .passed = passed};
    if (why != NULL)
        added->why = strdup(why);
    if (added->text == NULL || (why != NULL && added->why == NULL)) {
        free(added->text);
        free(added->why);
        return -ENOMEM;
    }
    outcome->expectation_count++;
    return 0;
}

int outcome_event(struct outcome *outcome, const char *text, const char *why)
{
    struct event_outcome *events =
        reallocarray(outcome->events, outcome->event_count + 1, sizeof *events);
    struct event_outcome *added;

    if (events == NULL)
        return -ENOMEM;
    outcome->events = events;
    added = &events[outcome->event_count++]; /* outcome_fini frees what there is of it */
    *added = (struct event_outcome){.text = strdup(text)};
    if (why != NULL)
        added->why = strdup(why);
    return added->text == NULL || (why != NULL && added->why == NULL) ? -ENOMEM : 0;
}

bool outcome_passed(const struct outcome *outcome)
{
    for (size_t i = 0; i < outcome->expectation_count; i++)
        if (!outcome->expectations[i].passed)
            return false;
    return true;
}
