/* Checking the values of a scenario. */
#include "selfpage/scenario/scenario.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arbiter/registry.h"
#include "base/error.h"
#include "core/contracts/bandwidth_text.h"
#include "core/contracts/terms_text.h"
#include "core/swap/bandwidth.h"
#include "expression/expression.h"
#include "selfpage/command/live_policy.h"
#include "selfpage/scenario/copies.h"
#include "selfpage/scenario/costs.h"
#include "selfpage/scenario/outcome.h"
#include "selfpage/scenario/parts.h"
#include "selfpage/scenario/workload.h"
#include "yaml/load.h"

#define DEFAULT_TIMEOUT_NS UINT64_C(300000000000)

/* Longest time that a scenario may name: keeps sums of times far from overflow. */
#define LONGEST_TIME_NS (UINT64_C(1000) * 3600 * 1000000000)

struct checking {
    const struct scenario *scenario;
    const char *path; /* of the file, for messages */
    const struct yaml_index *positions;
    struct sp_error *error;
};

/* "PATH:LINE: FIELD: what", where `where` is a field's path. */
#define wrong(check, where, ...)                                                                   \
    yaml_load_wrong((check)->path, (check)->positions, where, (check)->error, __VA_ARGS__)

static int check_rate(const struct checking *check, const char *where, double rate, double most)
{
    if (rate >= 0 && rate <= most)
        return 0;
    return wrong(check, where, "%g is not a rate: it lies between 0 and %g", rate, most);
}

/* `text` may be NULL: *nsp then stays as it is. */
static int check_time(const struct checking *check, const char *where, const char *text,
                      uint64_t *nsp)
{
    uint64_t ns;

    if (text == NULL)
        return 0;
    if (terms_text_time(text, strlen(text), &ns) != 0 || ns > LONGEST_TIME_NS)
        return wrong(check, where,
                     "\"%s\" is no time: a whole number and ns, us, ms, s, m or h, as in 1500ms, "
                     "at most 1000h",
                     text);
    *nsp = ns;
    return 0;
}

/* A built-in arbiter, with its parameters. What is a shared object, or is not known yet, the server looks at. */
static int check_arbiter(const struct checking *check, const char *where, const char *arbiter)
{
    struct arbiter_choice choice;
    struct sp_error error;

    if (arbiter == NULL || strpbrk(arbiter, "/$") != NULL ||
        arbiter_registry_choose(&choice, arbiter, &error) == 0)
        return 0;
    return wrong(check, where, "%s", error.text);
}

static int check_physmem(const struct checking *check)
{
    const struct scenario_physmem *physmem = &check->scenario->physmem;

    if (physmem->frames == 0)
        return wrong(check, "physmem.frames", "physmem needs at least one frame");
    if (physmem->reserve >= physmem->frames)
        return wrong(check, "physmem.reserve", "a reserve of %u leaves nothing of %u frames",
                     physmem->reserve, physmem->frames);
    if (check_arbiter(check, "physmem.arbiter", physmem->arbiter) != 0)
        return -EINVAL;
    return check_rate(check, "physmem.chaos_unmap", physmem->chaos_unmap, SCENARIO_CHAOS_MAX);
}

static int check_swap(const struct checking *check)
{
    const struct scenario_swap *swap = check->scenario->swap;

    if (swap == NULL)
        return 0;
    if (swap->slots == 0)
        return wrong(check, "swap.slots", "swap needs at least one slot");
    if (swap->device != NULL && swap->file != NULL)
        return wrong(check, "swap.device", "swap.device and swap.file exclude each other");
    return check_rate(check, "swap.fail_writes", swap->fail_writes, 1);
}

/* A name that an expectation can use. */
static bool name_is_usable(const char *name)
{
    static const char *const taken[] = {"physmem", "swap", "fileserver", "tasks",
                                        "sum",     "true", "false"};

    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strcmp(name, taken[i]) == 0)
            return false;
    if (*name >= '0' && *name <= '9')
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
           strlen(name);
}

/* ---- Physmems on physmems ---- */

/* The physmem of this name among the first and those before `end` of the list; -1: there is none. */
static int physmem_of(const struct scenario *scenario, const char *name, uint32_t end)
{
    if (name == NULL || strcmp(name, "physmem") == 0)
        return SCENARIO_PHYSMEM;
    for (uint32_t i = 0; i < end; i++)
        if (strcmp(scenario->physmems[i].name, name) == 0)
            return (int)(SCENARIO_STACKED + i);
    return -1;
}

static int check_stacked(const struct checking *check, uint32_t index)
{
    struct scenario_stacked *physmem = &check->scenario->physmems[index];
    struct wanted_contract wanted[TERMS_MAX];
    struct sp_error error;
    char where[YAML_PATH_MAX];
    int above = physmem_of(check->scenario, physmem->upstream, index);

    yaml_load_element(where, sizeof where, "physmems", index, "name");
    if (!name_is_usable(physmem->name) || strcmp(physmem->name, "policyserver") == 0)
        return wrong(
            check, where,
            "\"%s\" cannot be a physmem's name: letters, digits and _, not beginning "
            "with a digit, and not physmem, swap, policyserver, fileserver, tasks, sum, true or false",
            physmem->name);
    if (physmem_of(check->scenario, physmem->name, index) >= 0)
        return wrong(check, where, "\"%s\" is the name of another physmem", physmem->name);
    if (above < 0)
        return wrong(check, yaml_load_element(where, sizeof where, "physmems", index, "upstream"),
                     "there is no physmem \"%s\" before this one", physmem->upstream);
    physmem->above = (uint32_t)above;
    if (check_arbiter(check, yaml_load_element(where, sizeof where, "physmems", index, "arbiter"),
                      physmem->arbiter) != 0)
        return -EINVAL;
    if (terms_text_parse(physmem->contract, wanted, &error) > 0)
        return 0;
    return wrong(check, yaml_load_element(where, sizeof where, "physmems", index, "contract"), "%s",
                 error.text);
}

/* Which physmem the task uses. */
static int check_task_server(const struct checking *check, uint32_t index,
                             struct scenario_task *task)
{
    int server = physmem_of(check->scenario, task->physmem, check->scenario->physmems_count);
    char where[YAML_PATH_MAX];

    if (server < 0)
        return wrong(check, yaml_load_element(where, sizeof where, "tasks", index, "physmem"),
                     "there is no physmem \"%s\"", task->physmem);
    for (uint32_t i = 0; i < check->scenario->physmems_count; i++)
        if (strcmp(check->scenario->physmems[i].name, task->name) == 0)
            return wrong(check, yaml_load_element(where, sizeof where, "tasks", index, "name"),
                         "\"%s\" is the name of a physmem", task->name);
    task->server = (uint32_t)server;
    return 0;
}

/* ---- Tasks ---- */

static int check_name(const struct checking *check, uint32_t index)
{
    const struct scenario_task *tasks = check->scenario->tasks;
    char where[YAML_PATH_MAX];

    yaml_load_element(where, sizeof where, "tasks", index, "name");
    if (!name_is_usable(tasks[index].name))
        return wrong(check, where,
                     "\"%s\" cannot be a task's name: letters, digits and _, not beginning with "
                     "a digit, and not physmem, swap, fileserver, tasks, sum, true or false",
                     tasks[index].name);
    for (uint32_t i = 0; i < index; i++)
        if (strcmp(tasks[i].name, tasks[index].name) == 0)
            return wrong(check, where, "\"%s\" is the name of task %u already", tasks[index].name,
                         i + 1);
    return 0;
}

static int check_policy(const struct checking *check, uint32_t index)
{
    const char *policy = check->scenario->tasks[index].policy;
    struct sp_error error;
    char where[YAML_PATH_MAX];

    if (policy == NULL || live_policy_check_name(policy, &error) == 0)
        return 0;
    return wrong(check, yaml_load_element(where, sizeof where, "tasks", index, "policy"), "%s",
                 error.text);
}

static int check_bandwidth(const struct checking *check, uint32_t index)
{
    const struct scenario_swap *swap = check->scenario->swap;
    const char *text = check->scenario->tasks[index].bandwidth;
    struct bandwidth_text wanted;
    char where[YAML_PATH_MAX];

    if (text == NULL)
        return 0;
    if (swap == NULL || swap->bandwidth == 0)
        return wrong(check, yaml_load_element(where, sizeof where, "tasks", index, "bandwidth"),
                     "swap makes no contracts for it: give swap a bandwidth, too");
    yaml_load_element(where, sizeof where, "tasks", index, "bandwidth");
    if (!bandwidth_text_parse(text, &wanted))
        return wrong(check, where, "\"%s\" is none of " BANDWIDTH_TEXT_FORMS, text);
    if (wanted.shares > BANDWIDTH_SHARES_MOST)
        return wrong(check, where, "a contract has at most %u shares", BANDWIDTH_SHARES_MOST);
    if (wanted.rate > swap->bandwidth)
        return wrong(check, where, "swap has %u pages a second for all contracts together",
                     swap->bandwidth);
    return 0;
}

/* Check a task's contract, and add to *guaranteed what physmem must at least guarantee it. */
static int check_contract(const struct checking *check, uint32_t index, uint64_t *guaranteed)
{
    struct wanted_contract wanted[TERMS_MAX];
    struct sp_error error;
    char where[YAML_PATH_MAX];
    int count = terms_text_parse(check->scenario->tasks[index].contract, wanted, &error);

    yaml_load_element(where, sizeof where, "tasks", index, "contract");
    if (count < 0)
        return wrong(check, where, "%s", error.text);
    for (int i = 0; i < count; i++) {
        const struct sp_terms *terms = &wanted[i].terms;
        const char *kind = terms_text_kind(terms->kind);

        if (wanted[i].token != 0)
            continue; /* physmem knows what the part is */
        if (terms->term_ns == 0)
            return wrong(check, where, "%s=%u has a term of zero: a term is at least 1ns", kind,
                         terms->frames);
        if (terms->frames == 0)
            return wrong(check, where, "%s=0: a contract is for at least one frame", kind);
        if (terms->min > terms->frames)
            return wrong(check, where, "%s=%u,min=%u: min is above the frames asked for", kind,
                         terms->frames, terms->min);
        if (terms->kind == SP_GUARANTEED && check->scenario->tasks[index].part_of == NULL)
            *guaranteed += terms->min;
    }
    return 0;
}

/* A task that lives from a part of another one's contract: that one must have the frames. All copies are there. */
static int check_part(const struct checking *check, uint32_t index)
{
    const struct scenario_task *task = &check->scenario->tasks[index];
    struct scenario_part part;
    struct sp_error error;
    char where[YAML_PATH_MAX];
    const char *field;

    if (task->part_of == NULL || parts_find(check->scenario, index, &part, &field, &error) == 0)
        return 0;
    return wrong(check, yaml_load_element(where, sizeof where, "tasks", task->entry, field), "%s",
                 error.text);
}

/* What tasks want guaranteed must be there: of each task alone, and of those that start together.
 */
static int check_guarantee(const struct checking *check, uint32_t index, uint64_t own,
                           uint64_t together)
{
    const struct scenario *scenario = check->scenario;
    uint32_t limit = scenario->physmem.frames - scenario->physmem.reserve;
    char where[YAML_PATH_MAX];

    if (own <= limit && together <= limit)
        return 0;
    yaml_load_element(where, sizeof where, "tasks", index, "contract");
    if (own > limit)
        return wrong(check, where,
                     "task %s wants %llu guaranteed frames, and physmem has %u (%u less a "
                     "reserve of %u)",
                     scenario->tasks[index].name, (unsigned long long)own, limit,
                     scenario->physmem.frames, scenario->physmem.reserve);
    return wrong(check, where,
                 "with the %llu of task %s, tasks that start together want %llu guaranteed frames, "
                 "and physmem has %u (%u less a reserve of %u)",
                 (unsigned long long)own, scenario->tasks[index].name, (unsigned long long)together,
                 limit, scenario->physmem.frames, scenario->physmem.reserve);
}

static bool reads_files(const struct scenario_workload *workload)
{
    bool reads = workload->phase.file != NULL;

    for (uint32_t i = 0; i < workload->phases_count; i++)
        reads = reads || workload->phases[i].file != NULL;
    return reads;
}

/* A task that reads files does so at the file server, and shares memory with it. */
static int check_files(const struct checking *check, uint32_t index,
                       const struct scenario_task *task)
{
    char where[YAML_PATH_MAX];

    if (!reads_files(task->workload))
        return 0;
    yaml_load_element(where, sizeof where, "tasks", index, "workload");
    if (check->scenario->fileserver == NULL)
        return wrong(check, where,
                     "task %s reads a file, and there is no file server: say fileserver: { root: "
                     "DIR }",
                     task->name);
    if (task->server != SCENARIO_PHYSMEM)
        return wrong(check, where,
                     "task %s reads a file, and has another physmem than the file server",
                     task->name);
    return 0;
}

/* Check the task's program or workload, and its number of copies. */
static int check_work(const struct checking *check, uint32_t index, struct scenario_task *task,
                      uint64_t *totalp)
{
    struct sp_error error;
    char where[YAML_PATH_MAX];

    *totalp += task->copies > 0 ? task->copies : 1;
    if (*totalp > SCENARIO_COPIES)
        return wrong(check, yaml_load_element(where, sizeof where, "tasks", index, "copies"),
                     "that makes more than %u tasks", SCENARIO_COPIES);
    if (task->program == NULL && task->workload == NULL)
        return wrong(check, yaml_load_element(where, sizeof where, "tasks", index, ""),
                     "task %s has neither a program nor a workload: what does it do?", task->name);
    if (task->workload == NULL)
        return 0;
    if (task->program == NULL && task->arguments_count > 0)
        return wrong(check, yaml_load_element(where, sizeof where, "tasks", index, "arguments"),
                     "without a program there are no arguments: the workload says it all");
    task->load = workload_to_text(task->workload, &error);
    if (task->load != NULL)
        return check_files(check, index, task);
    return wrong(check, yaml_load_element(where, sizeof where, "tasks", index, "workload"), "%s",
                 error.text);
}

static int check_expected_exit(const struct checking *check, uint32_t index,
                               struct scenario_task *task)
{
    char where[YAML_PATH_MAX], *end;
    long status;

    task->expected_exit = task->stop_after != NULL ? -1 : 0;
    if (task->expect_exit == NULL)
        return 0;
    task->expected_exit = -1;
    if (strcmp(task->expect_exit, "any") == 0)
        return 0;
    status = strtol(task->expect_exit, &end, 10);
    if (*end != '\0' || status < 0 || status > 255)
        return wrong(check, yaml_load_element(where, sizeof where, "tasks", index, "expect_exit"),
                     "\"%s\" is no exit status: a number from 0 to 255 (128 + n for death by "
                     "signal n), or any",
                     task->expect_exit);
    task->expected_exit = (int)status;
    return 0;
}

static int check_task(const struct checking *check, uint32_t index, struct scenario_task *task,
                      uint64_t *together, uint64_t *total)
{
    char where[YAML_PATH_MAX];
    uint64_t guaranteed = 0;
    int result = check_name(check, index);

    task->entry = index;
    if (result == 0)
        result = check_task_server(check, index, task);
    if (result == 0)
        result = check_work(check, index, task, total);

    if (result == 0)
        result = check_policy(check, index);
    if (result == 0)
        result = check_bandwidth(check, index);
    if (result == 0)
        result = check_contract(check, index, &guaranteed);
    if (result == 0)
        result = check_time(check, yaml_load_element(where, sizeof where, "tasks", index, "start"),
                            task->start, &task->start_ns);
    if (result == 0)
        result =
            check_time(check, yaml_load_element(where, sizeof where, "tasks", index, "stop_after"),
                       task->stop_after, &task->stop_ns);
    if (result == 0)
        result = check_expected_exit(check, index, task);
    if (task->server != SCENARIO_PHYSMEM)
        return result; /* what a physmem on another one has, that one says */
    if (result == 0 && task->start_ns == 0)
        *together += guaranteed * (task->copies > 0 ? task->copies : 1);
    if (result == 0)
        result = check_guarantee(check, index, guaranteed, *together);
    return result;
}

/* The number of a signal named "SIGTERM", "TERM" or "15"; 0 if there is none. */
static int signal_number(const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);

    if (*end == '\0' && number > 0 && number < NSIG)
        return (int)number;
    if (strncmp(text, "SIG", 3) == 0)
        text += 3;
    for (int i = 1; i < NSIG; i++) {
        const char *name = sigabbrev_np(i);

        if (name != NULL && strcmp(name, text) == 0)
            return i;
    }
    return 0;
}

static int check_event_server(const struct checking *check, const char *where, const char *name,
                              uint32_t *target)
{
    int physmem = physmem_of(check->scenario, name, check->scenario->physmems_count);

    if (physmem >= 0)
        *target = (uint32_t)physmem;
    else if (strcmp(name, "swap") == 0 && check->scenario->swap != NULL)
        *target = SCENARIO_SWAP;
    else if (strcmp(name, "policyserver") == 0 && check->scenario->policyserver != NULL)
        *target = SCENARIO_POLICYSERVER;
    else if (strcmp(name, "fileserver") == 0 && check->scenario->fileserver != NULL)
        *target = SCENARIO_FILESERVER;
    else
        return wrong(check, where, "there is no server \"%s\" here", name);
    return 0;
}

static int check_event_task(const struct checking *check, uint32_t index,
                            struct scenario_event *event)
{
    char where[YAML_PATH_MAX];

    if (event->task == NULL)
        return wrong(check, yaml_load_element(where, sizeof where, "events", index, ""),
                     "the field task is missing: which one?");
    for (uint32_t i = 0; i < check->scenario->tasks_count; i++)
        if (strcmp(check->scenario->tasks[i].name, event->task) == 0) {
            event->target = i;
            return 0;
        }
    return wrong(check, yaml_load_element(where, sizeof where, "events", index, "task"),
                 "there is no task \"%s\"", event->task);
}

static int check_event(const struct checking *check, uint32_t index, struct scenario_event *event)
{
    const struct {
        const char *field;
        const char *server; /* NULL if the field is not there, or names no server */
        bool there;
    } actions[] = {
        [SCENARIO_SIGNAL] = {"signal", NULL, event->signal != NULL && event->server == NULL},
        [SCENARIO_SIGNAL_SERVER] = {"server", event->server,
                                    event->signal != NULL && event->server != NULL},
        [SCENARIO_RECALL] = {"recall", NULL, event->recall != 0},
        [SCENARIO_STOP] = {"stop", event->stop, event->stop != NULL},
        [SCENARIO_KILL] = {"kill", event->kill, event->kill != NULL},
        [SCENARIO_RESTART] = {"restart", event->restart, event->restart != NULL},
    };
    char where[YAML_PATH_MAX];
    int found = 0, result;

    event->line = yaml_index_line(check->positions,
                                  yaml_load_element(where, sizeof where, "events", index, ""));
    result = check_time(check, yaml_load_element(where, sizeof where, "events", index, "at"),
                        event->at, &event->at_ns);
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (actions[i].there) {
            event->action = (enum scenario_action)i;
            found++;
        }
    if (result == 0 && found != 1)
        result = wrong(check, yaml_load_element(where, sizeof where, "events", index, ""),
                       "an event has exactly one of signal, recall, stop, kill and restart, not %d",
                       found);
    if (result != 0)
        return result;
    yaml_load_element(where, sizeof where, "events", index, actions[event->action].field);
    if (event->signal != NULL) {
        event->signal_number = signal_number(event->signal);
        if (event->signal_number == 0)
            return wrong(check, yaml_load_element(where, sizeof where, "events", index, "signal"),
                         "there is no signal \"%s\"", event->signal);
    }
    if (event->server != NULL && (event->signal == NULL || event->task != NULL))
        return wrong(check, yaml_load_element(where, sizeof where, "events", index, "server"),
                     "server goes with signal, and not with task");
    if (actions[event->action].server != NULL)
        return check_event_server(check, where, actions[event->action].server, &event->target);
    return check_event_task(check, index, event);
}

/* Syntax and names of all expectations, against an outcome without events. */
static int check_expectations(const struct checking *check)
{
    struct outcome outcome = {0};
    struct expression_names names = outcome_names(&outcome);
    struct sp_error error;
    char where[YAML_PATH_MAX];
    int result = 0;

    if (outcome_init(&outcome, check->scenario) != 0)
        return error_set(check->error, ENOMEM, "out of memory");
    for (uint32_t i = 0; i < check->scenario->expect_count && result == 0; i++) {
        result = expression_evaluate(check->scenario->expect[i], &names, true, NULL, &error);
        if (result != 0)
            result = wrong(check, yaml_load_element(where, sizeof where, "expect", i, ""), "%s",
                           error.text);
    }
    outcome_fini(&outcome);
    return result;
}

/* What a figure shows: names of counters on one side, numbers on the other. */
static int check_figure(const struct checking *check)
{
    const struct scenario_figure *figure = check->scenario->figure;
    struct outcome outcome = {0};
    struct expression_names names = outcome_names(&outcome);
    struct sp_error error;
    char where[YAML_PATH_MAX];
    double value;
    int result = 0;

    if (figure == NULL)
        return 0;
    if (outcome_init(&outcome, check->scenario) != 0)
        return error_set(check->error, ENOMEM, "out of memory");
    for (uint32_t i = 0; i < figure->bars_count && result == 0; i++) {
        const struct scenario_bar *bar = &figure->bars[i];

        yaml_load_element(where, sizeof where, "figure.bars", i, "value");
        result = expression_value(bar->value, &names, true, &value, &error);
        for (uint32_t p = 0; p < bar->published_count && result == 0; p++) {
            yaml_load_element(where, sizeof where, "figure.bars", i, "published");
            if (strcmp(bar->published[p], "-") != 0)
                result = expression_value(bar->published[p], NULL, true, &value, &error);
        }
        if (result != 0)
            result = wrong(check, where, "%s", error.text);
    }
    outcome_fini(&outcome);
    return result;
}

static int check_costs(const struct checking *check)
{
    struct costs costs = costs_default();
    const char *name = "", *mistake = costs_apply(check->scenario->costs, &costs, &name);
    char where[YAML_PATH_MAX];

    if (mistake == NULL)
        return 0;
    snprintf(where, sizeof where, "costs.%s", name);
    return wrong(check, where, "%s", mistake);
}

/* Faults that strike all the time would leave none for anything else. */
#define LEAST_EVERY_NS UINT64_C(10000)

static int check_every(const struct checking *check, struct scenario_faults *faults)
{
    int result;

    if (faults == NULL || faults->every == NULL)
        return 0;
    result = check_time(check, "faults.every", faults->every, &faults->every_ns);
    if (result == 0 && faults->every_ns < LEAST_EVERY_NS)
        return wrong(check, "faults.every", "faults strike every 10us at most, not every %s",
                     faults->every);
    return result;
}

int scenario_check(struct scenario *scenario, const char *path, const struct yaml_index *positions,
                   struct sp_error *error)
{
    const struct checking check = {scenario, path, positions, error};
    uint64_t together = 0, total = 0;
    int result = check_physmem(&check);

    if (result == 0)
        result = check_swap(&check);
    if (result == 0 && scenario->policyserver != NULL)
        result = check_arbiter(&check, "policyserver.arbiter", scenario->policyserver->arbiter);
    for (uint32_t i = 0; i < scenario->physmems_count && result == 0; i++)
        result = check_stacked(&check, i);
    scenario->timeout_ns = DEFAULT_TIMEOUT_NS;
    if (result == 0)
        result = check_time(&check, "timeout", scenario->timeout, &scenario->timeout_ns);
    if (result == 0 && scenario->faults != NULL)
        result = check_time(&check, "faults.until", scenario->faults->until,
                            &scenario->faults->until_ns);
    if (result == 0)
        result = check_every(&check, scenario->faults);
    for (uint32_t i = 0; i < scenario->tasks_count && result == 0; i++)
        result = check_task(&check, i, &scenario->tasks[i], &together, &total);
    if (result == 0 && copies_expand(scenario) != 0)
        result = error_set(error, ENOMEM, "out of memory");
    for (uint32_t i = 0; i < scenario->tasks_count && result == 0; i++)
        result = check_part(&check, i);
    for (uint32_t i = 0; i < scenario->events_count && result == 0; i++)
        result = check_event(&check, i, &scenario->events[i]);
    if (result == 0)
        result = check_expectations(&check);
    if (result == 0)
        result = check_figure(&check);
    if (result == 0)
        result = check_costs(&check);
    return result;
}
