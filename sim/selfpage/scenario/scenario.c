/* Reading scenarios: the schema for libcyaml.
 *
 * HOW DO I ADD A FIELD? A member in scenario.h, and one line in the table of its mapping below; a number
 * also has a line in `numbers`. Explain it in help.c: the test scenario fails for a field that the help
 * does not have. What it does begins in prepare.c, or in scenario_check.c if it can be wrong. */
#include "selfpage/scenario/scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "play/costs.h"
#include "selfpage/scenario/variables.h"
#include "workload/workload.h"
#include "yaml/load.h"

static const cyaml_strval_t renewals[] = {{"false", SCENARIO_RENEW_NO},
                                          {"no", SCENARIO_RENEW_NO},
                                          {"true", SCENARIO_RENEW_YES},
                                          {"yes", SCENARIO_RENEW_YES}};

static const cyaml_strval_t booleans[] = {{"false", 0}, {"no", 0}, {"true", 1}, {"yes", 1}};

#define BOOLEAN(key, structure, member)                                                            \
    CYAML_FIELD_ENUM(key, CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, structure, member, booleans,    \
                     CYAML_ARRAY_LEN(booleans))
#define TEXT(key, flags, structure, member, least, most)                                           \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | (flags), structure, member, least, most)
#define TEXTS(key, structure, member)                                                              \
    CYAML_FIELD_SEQUENCE(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, structure, member,         \
                         &text_schema, 0, SCENARIO_EVENTS)

static const cyaml_schema_value_t text_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 0, 65535)};

static const cyaml_schema_field_t physmem_fields[] = {
    CYAML_FIELD_UINT("frames", CYAML_FLAG_DEFAULT, struct scenario_physmem, frames),
    CYAML_FIELD_UINT("reserve", CYAML_FLAG_OPTIONAL, struct scenario_physmem, reserve),
    TEXT("arbiter", CYAML_FLAG_OPTIONAL, struct scenario_physmem, arbiter, 1, 4000),
    CYAML_FIELD_FLOAT("chaos_unmap", CYAML_FLAG_OPTIONAL, struct scenario_physmem, chaos_unmap),
    CYAML_FIELD_UINT("seed", CYAML_FLAG_OPTIONAL, struct scenario_physmem, seed),
    TEXTS("args", struct scenario_physmem, args),
    CYAML_FIELD_END};

static const cyaml_schema_field_t stacked_fields[] = {
    TEXT("name", CYAML_FLAG_DEFAULT, struct scenario_stacked, name, 1, SP_NAME_MAX - 1),
    TEXT("upstream", CYAML_FLAG_OPTIONAL, struct scenario_stacked, upstream, 1, SP_NAME_MAX - 1),
    TEXT("contract", CYAML_FLAG_DEFAULT, struct scenario_stacked, contract, 1, 1000),
    CYAML_FIELD_UINT("reserve", CYAML_FLAG_OPTIONAL, struct scenario_stacked, reserve),
    TEXT("arbiter", CYAML_FLAG_OPTIONAL, struct scenario_stacked, arbiter, 1, 4000),
    TEXTS("args", struct scenario_stacked, args),
    CYAML_FIELD_END};

static const cyaml_schema_value_t stacked_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct scenario_stacked, stacked_fields)};

static const cyaml_schema_field_t swap_fields[] = {
    CYAML_FIELD_UINT("slots", CYAML_FLAG_DEFAULT, struct scenario_swap, slots),
    TEXT("file", CYAML_FLAG_OPTIONAL, struct scenario_swap, file, 1, 4000),
    TEXT("device", CYAML_FLAG_OPTIONAL, struct scenario_swap, device, 1, 4000),
    BOOLEAN("keep", struct scenario_swap, keep),
    BOOLEAN("buffered", struct scenario_swap, buffered),
    CYAML_FIELD_FLOAT("fail_writes", CYAML_FLAG_OPTIONAL, struct scenario_swap, fail_writes),
    CYAML_FIELD_UINT("bandwidth", CYAML_FLAG_OPTIONAL, struct scenario_swap, bandwidth),
    TEXTS("args", struct scenario_swap, args),
    CYAML_FIELD_END};

static const cyaml_schema_field_t policyserver_fields[] = {
    TEXT("arbiter", CYAML_FLAG_OPTIONAL, struct scenario_policyserver, arbiter, 1, 4000),
    TEXT("entitlements", CYAML_FLAG_OPTIONAL, struct scenario_policyserver, entitlements, 1, 4000),
    TEXTS("args", struct scenario_policyserver, args), CYAML_FIELD_END};

static const cyaml_schema_field_t fileserver_fields[] = {
    TEXT("root", CYAML_FLAG_DEFAULT, struct scenario_fileserver, root, 1, 4000),
    TEXT("contract", CYAML_FLAG_OPTIONAL, struct scenario_fileserver, contract, 1, 4000),
    CYAML_FIELD_UINT("cache", CYAML_FLAG_OPTIONAL, struct scenario_fileserver, cache),
    TEXTS("args", struct scenario_fileserver, args), CYAML_FIELD_END};

/* Numbers here are texts: workload/workload_text.h reads them. */
#define PHASE_TEXT(structure, name, member)                                                        \
    TEXT(#name, CYAML_FLAG_OPTIONAL, structure, member name, 1, 40)
#define PHASE_TEXTS(structure, member)                                                             \
    PHASE_TEXT(structure, zipf, member), PHASE_TEXT(structure, scan, member),                      \
        PHASE_TEXT(structure, loop, member), PHASE_TEXT(structure, markov, member),                \
        PHASE_TEXT(structure, idle, member), PHASE_TEXT(structure, first, member),                 \
        TEXT("trace", CYAML_FLAG_OPTIONAL, structure, member trace, 1, 255),                       \
        TEXT("file", CYAML_FLAG_OPTIONAL, structure, member file, 1, 255),                         \
        PHASE_TEXT(structure, stay, member), PHASE_TEXT(structure, writes, member),                \
        PHASE_TEXT(structure, references, member), PHASE_TEXT(structure, think, member),           \
        PHASE_TEXT(structure, burst, member), PHASE_TEXT(structure, pause, member)

static const cyaml_schema_field_t phase_fields[] = {
    PHASE_TEXTS(struct scenario_phase, ),
    TEXT("pages", CYAML_FLAG_OPTIONAL, struct scenario_phase, pages, 1, 40), CYAML_FIELD_END};

static const cyaml_schema_value_t phase_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct scenario_phase, phase_fields)};

static const cyaml_schema_field_t workload_fields[] = {
    TEXT("pages", CYAML_FLAG_OPTIONAL, struct scenario_workload, pages, 1, 40),
    TEXT("kind", CYAML_FLAG_OPTIONAL, struct scenario_workload, kind, 1, 40),
    TEXT("rounds", CYAML_FLAG_OPTIONAL, struct scenario_workload, rounds, 1, 40),
    TEXT("recalls", CYAML_FLAG_OPTIONAL, struct scenario_workload, recalls, 1, 40),
    TEXT("refill", CYAML_FLAG_OPTIONAL, struct scenario_workload, refill, 1, 40),
    PHASE_TEXTS(struct scenario_workload, phase.),
    CYAML_FIELD_SEQUENCE("phases", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                         struct scenario_workload, phases, &phase_schema, 1, WORKLOAD_PHASES_MAX),
    CYAML_FIELD_END};

static const cyaml_schema_field_t task_fields[] = {
    TEXT("name", CYAML_FLAG_DEFAULT, struct scenario_task, name, 1, SP_NAME_MAX - 1),
    TEXT("program", CYAML_FLAG_OPTIONAL, struct scenario_task, program, 1, 4000),
    CYAML_FIELD_MAPPING_PTR("workload", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                            struct scenario_task, workload, workload_fields),
    CYAML_FIELD_UINT("copies", CYAML_FLAG_OPTIONAL, struct scenario_task, copies),
    TEXTS("arguments", struct scenario_task, arguments),
    TEXT("policy", CYAML_FLAG_OPTIONAL, struct scenario_task, policy, 1, 4000),
    TEXT("bandwidth", CYAML_FLAG_OPTIONAL, struct scenario_task, bandwidth, 1, 60),
    TEXT("contract", CYAML_FLAG_DEFAULT, struct scenario_task, contract, 1, 1000),
    TEXT("part_of", CYAML_FLAG_OPTIONAL, struct scenario_task, part_of, 1, SP_NAME_MAX - 1),
    TEXT("physmem", CYAML_FLAG_OPTIONAL, struct scenario_task, physmem, 1, SP_NAME_MAX - 1),
    TEXT("start", CYAML_FLAG_OPTIONAL, struct scenario_task, start, 1, 30),
    TEXT("stop_after", CYAML_FLAG_OPTIONAL, struct scenario_task, stop_after, 1, 30),
    BOOLEAN("pager_thread", struct scenario_task, pager_thread),
    CYAML_FIELD_ENUM("renew", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct scenario_task, renew,
                     renewals, CYAML_ARRAY_LEN(renewals)),
    TEXT("expect_exit", CYAML_FLAG_OPTIONAL, struct scenario_task, expect_exit, 1, 30),
    CYAML_FIELD_END};

static const cyaml_schema_value_t task_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct scenario_task, task_fields)};

static const cyaml_schema_field_t event_fields[] = {
    TEXT("at", CYAML_FLAG_DEFAULT, struct scenario_event, at, 1, 30),
    TEXT("signal", CYAML_FLAG_OPTIONAL, struct scenario_event, signal, 1, 30),
    CYAML_FIELD_UINT("recall", CYAML_FLAG_OPTIONAL, struct scenario_event, recall),
    TEXT("stop", CYAML_FLAG_OPTIONAL, struct scenario_event, stop, 1, 30),
    TEXT("kill", CYAML_FLAG_OPTIONAL, struct scenario_event, kill, 1, 30),
    TEXT("restart", CYAML_FLAG_OPTIONAL, struct scenario_event, restart, 1, 30),
    TEXT("task", CYAML_FLAG_OPTIONAL, struct scenario_event, task, 1, SP_NAME_MAX - 1),
    TEXT("server", CYAML_FLAG_OPTIONAL, struct scenario_event, server, 1, 30),
    CYAML_FIELD_END};

static const cyaml_schema_value_t event_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct scenario_event, event_fields)};

static const cyaml_schema_field_t fault_fields[] = {
    TEXT("until", CYAML_FLAG_DEFAULT, struct scenario_faults, until, 1, 30),
    TEXT("every", CYAML_FLAG_OPTIONAL, struct scenario_faults, every, 1, 30),
    TEXTS("kinds", struct scenario_faults, kinds), CYAML_FIELD_END};

#define COST_TEXT(name, value, meaning)                                                            \
    TEXT(#name, CYAML_FLAG_OPTIONAL, struct scenario_costs, name, 1, 40),

static const cyaml_schema_field_t cost_fields[] = {
    PLAY_COSTS(COST_TEXT) TEXT("depth", CYAML_FLAG_OPTIONAL, struct scenario_costs, depth, 1, 40),
    CYAML_FIELD_END};

static const cyaml_schema_field_t bar_fields[] = {
    TEXT("name", CYAML_FLAG_DEFAULT, struct scenario_bar, name, 1, 80),
    TEXT("value", CYAML_FLAG_DEFAULT, struct scenario_bar, value, 1, 1000),
    TEXTS("published", struct scenario_bar, published), CYAML_FIELD_END};

static const cyaml_schema_value_t bar_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct scenario_bar, bar_fields)};

static const cyaml_schema_field_t figure_fields[] = {
    TEXT("title", CYAML_FLAG_DEFAULT, struct scenario_figure, title, 1, 200),
    TEXT("unit", CYAML_FLAG_DEFAULT, struct scenario_figure, unit, 1, 100),
    TEXT("vary", CYAML_FLAG_OPTIONAL, struct scenario_figure, vary, 1, 1000),
    TEXTS("groups", struct scenario_figure, groups),
    CYAML_FIELD_SEQUENCE("bars", CYAML_FLAG_POINTER, struct scenario_figure, bars, &bar_schema, 1,
                         SCENARIO_BARS),
    CYAML_FIELD_END};

static const cyaml_schema_field_t command_fields[] = {
    TEXT("command", CYAML_FLAG_DEFAULT, struct scenario_command, command, 1, 65535),
    TEXT("text", CYAML_FLAG_DEFAULT, struct scenario_command, text, 1, 1000), CYAML_FIELD_END};

static const cyaml_schema_value_t command_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct scenario_command, command_fields)};

static const cyaml_schema_field_t scenario_fields[] = {
    CYAML_FIELD_MAPPING("physmem", CYAML_FLAG_DEFAULT, struct scenario, physmem, physmem_fields),
    CYAML_FIELD_SEQUENCE("physmems", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct scenario,
                         physmems, &stacked_schema, 0, SCENARIO_STACKED_MAX),
    CYAML_FIELD_MAPPING_PTR("swap", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct scenario, swap,
                            swap_fields),
    CYAML_FIELD_MAPPING_PTR("policyserver", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                            struct scenario, policyserver, policyserver_fields),
    CYAML_FIELD_MAPPING_PTR("fileserver", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct scenario,
                            fileserver, fileserver_fields),
    CYAML_FIELD_SEQUENCE("tasks", CYAML_FLAG_POINTER, struct scenario, tasks, &task_schema, 1,
                         SCENARIO_TASKS),
    CYAML_FIELD_SEQUENCE("events", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct scenario,
                         events, &event_schema, 0, SCENARIO_EVENTS),
    CYAML_FIELD_MAPPING_PTR("faults", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct scenario,
                            faults, fault_fields),
    CYAML_FIELD_MAPPING_PTR("costs", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct scenario,
                            costs, cost_fields),
    CYAML_FIELD_MAPPING_PTR("figure", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct scenario,
                            figure, figure_fields),
    TEXT("timeout", CYAML_FLAG_OPTIONAL, struct scenario, timeout, 1, 30),
    TEXTS("expect", struct scenario, expect),
    CYAML_FIELD_SEQUENCE("check", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct scenario, check,
                         &command_schema, 0, SCENARIO_EVENTS),
    CYAML_FIELD_END};

static const cyaml_schema_value_t scenario_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct scenario, scenario_fields)};

static const struct yaml_number numbers[] = {{"physmem.frames", UINT32_MAX},
                                             {"physmem.reserve", UINT32_MAX},
                                             {"physmems[].reserve", UINT32_MAX},
                                             {"physmem.seed", UINT64_MAX},
                                             {"physmem.chaos_unmap", 0},
                                             {"swap.slots", UINT32_MAX},
                                             {"swap.fail_writes", 0},
                                             {"fileserver.cache", UINT32_MAX},
                                             {"events[].recall", UINT32_MAX},
                                             {"tasks[].copies", UINT32_MAX},
                                             {NULL}};

const struct yaml_syntax scenario_syntax = {.schema = &scenario_schema, .numbers = numbers};

static int substitute(const void *definitions, char **textp, size_t *sizep)
{
    return variables_substitute(definitions, textp, sizep);
}

int scenario_load(const char *path, const struct strings *definitions, struct scenario **scenariop,
                  struct yaml_index *positions, struct sp_error *error)
{
    struct yaml_syntax syntax = scenario_syntax;
    void *loaded = NULL;
    int result;

    if (definitions != NULL) {
        syntax.rewrite = substitute;
        syntax.rewrite_arg = definitions;
    }
    result = yaml_load(path, &syntax, &loaded, positions, error);

    *scenariop = loaded;
    if (result != 0)
        return result;
    result = scenario_check(*scenariop, path, positions, error);
    if (result != 0) {
        scenario_free(scenariop);
        yaml_index_fini(positions);
    }
    return result;
}

uint64_t scenario_task_seed(uint64_t seed, const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    hash = random_stream(seed, hash).state;
    return hash != 0 ? hash : 1;
}

const char *scenario_server_name(const struct scenario *scenario, uint32_t which)
{
    static const char *const names[SCENARIO_STACKED] = {"physmem", "swap", "policyserver",
                                                        "fileserver"};

    return which < SCENARIO_STACKED ? names[which]
                                    : scenario->physmems[which - SCENARIO_STACKED].name;
}

void scenario_describe_event(const struct scenario_event *what, char *text, size_t size)
{
    const char *task = what->task != NULL ? what->task : "";

    switch (what->action) {
    case SCENARIO_SIGNAL:
        snprintf(text, size, "line %u: signal %s for task %s", what->line, what->signal, task);
        break;
    case SCENARIO_SIGNAL_SERVER:
        snprintf(text, size, "line %u: signal %s for %s", what->line, what->signal, what->server);
        break;
    case SCENARIO_RECALL:
        snprintf(text, size, "line %u: recall of %u frames from task %s", what->line, what->recall,
                 task);
        break;
    case SCENARIO_STOP:
        snprintf(text, size, "line %u: stop of %s", what->line, what->stop);
        break;
    case SCENARIO_KILL:
        snprintf(text, size, "line %u: kill of %s", what->line, what->kill);
        break;
    case SCENARIO_RESTART:
        snprintf(text, size, "line %u: restart of %s", what->line, what->restart);
        break;
    }
}

void scenario_free(struct scenario **scenariop)
{
    for (uint32_t i = 0; *scenariop != NULL && i < (*scenariop)->tasks_count; i++)
        free((*scenariop)->tasks[i].load);
    yaml_load_free(&scenario_syntax, *scenariop);
    *scenariop = NULL;
}
