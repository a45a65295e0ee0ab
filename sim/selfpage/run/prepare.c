/* The paths and arguments of the processes of a run. */
#include "selfpage/run/prepare.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "core/cache/chunks.h"
#include "launch/program.h"
#include "selfpage/command/live_policy.h"
#include "selfpage/scenario/parts.h"
#include "selfpage/scenario/variables.h"

/* `text` with names replaced, for free(); NULL, and an error that names whose text it is. */
static char *expand(const struct run *run, const char *text, const char *whose,
                    struct sp_error *error)
{
    struct sp_error mistake;
    char *expanded = variables_expand(&run->variables, text, &mistake);

    if (expanded == NULL)
        error_set(error, mistake.code, "%s: %s", whose, mistake.text);
    return expanded;
}

/* Add "PREFIX" and the expanded text to a list. */
static int add_expanded(const struct run *run, struct strings *list, const char *prefix,
                        const char *text, const char *whose, struct sp_error *error)
{
    char *expanded = expand(run, text, whose, error);

    if (expanded == NULL)
        return -EINVAL;
    strings_format(list, "%s%s", prefix, expanded);
    free(expanded);
    return list->failed ? error_set(error, ENOMEM, "out of memory") : 0;
}

static int add_all_expanded(const struct run *run, struct strings *list, char **texts,
                            uint32_t count, const char *whose, struct sp_error *error)
{
    int result = 0;

    for (uint32_t i = 0; i < count && result == 0; i++)
        result = add_expanded(run, list, "", texts[i], whose, error);
    return result;
}

static int prepare_variables(struct run *run, struct sp_error *error)
{
    struct strings *variables = &run->variables;

    for (size_t i = 0; i < run->options->definitions.count; i++)
        strings_add(variables, run->options->definitions.items[i]);
    strings_set(variables, "DIR", run->directory.path);
    strings_set(variables, "BINDIR", run->bindir);
    return variables->failed ? error_set(error, ENOMEM, "out of memory") : 0;
}

static int prepare_physmem(struct run *run, struct sp_error *error)
{
    const struct scenario_physmem *physmem = &run->scenario->physmem;
    const struct run_options *options = run->options;
    struct strings *argv = &run->servers[SCENARIO_PHYSMEM].argv;
    double chaos = options->chaos_given ? options->chaos_unmap : physmem->chaos_unmap;

    strings_add(argv, "selfpage-physmem");
    strings_format(argv, "--ready-fd=%d", SPAWN_PASSED_FD);
    strings_format(argv, "--socket=%s", run->directory.physmem);
    strings_format(argv, "--frames=%u", physmem->frames);
    strings_format(argv, "--seed=%llu", (unsigned long long)run->seed);
    if (physmem->reserve > 0)
        strings_format(argv, "--reserve=%u", physmem->reserve);
    if (physmem->arbiter != NULL)
        strings_format(argv, "--arbiter=%s", physmem->arbiter);
    if (chaos > 0)
        strings_format(argv, "--chaos-unmap=%.9g", chaos);
    if (run->scenario->swap != NULL)
        strings_format(argv, "--swap=%s", run->directory.swap);
    return add_all_expanded(run, argv, physmem->args, physmem->args_count, "physmem.args", error);
}

/* The physmem that is a task of another one. */
static int prepare_stacked(struct run *run, uint32_t index, struct sp_error *error)
{
    const struct scenario_stacked *physmem = &run->scenario->physmems[index];
    struct strings *argv = &run->servers[SCENARIO_STACKED + index].argv;
    char whose[64];
    int length = snprintf(run->stacked[index], sizeof run->stacked[index], "%s/%s.sock",
                          run->directory.path, physmem->name);

    if ((size_t)length >= sizeof run->stacked[index])
        return error_set(error, ENAMETOOLONG, "physmem %s: its socket's path is too long",
                         physmem->name);
    snprintf(whose, sizeof whose, "physmems: %s: args", physmem->name);
    strings_add(argv, "selfpage-physmem");
    strings_format(argv, "--ready-fd=%d", SPAWN_PASSED_FD);
    strings_format(argv, "--socket=%s", run->stacked[index]);
    strings_format(argv, "--upstream=%s", state_socket(run, physmem->above));
    strings_format(argv, "--contract=%s", physmem->contract);
    strings_format(argv, "--name=%s", physmem->name);
    strings_format(argv, "--seed=%llu", (unsigned long long)run->seed);
    if (physmem->reserve > 0)
        strings_format(argv, "--reserve=%u", physmem->reserve);
    if (physmem->arbiter != NULL)
        strings_format(argv, "--arbiter=%s", physmem->arbiter);
    return add_all_expanded(run, argv, physmem->args, physmem->args_count, whose, error);
}

static int prepare_swap(struct run *run, struct sp_error *error)
{
    const struct scenario_swap *swap = run->scenario->swap;
    struct strings *argv = &run->servers[SCENARIO_SWAP].argv;
    int result;

    strings_add(argv, "selfpage-swap");
    strings_format(argv, "--ready-fd=%d", SPAWN_PASSED_FD);
    strings_format(argv, "--socket=%s", run->directory.swap);
    strings_format(argv, "--slots=%u", swap->slots);
    strings_format(argv, "--seed=%llu", (unsigned long long)run->seed);
    if (swap->keep)
        strings_add(argv, "--keep");
    if (swap->buffered)
        strings_add(argv, "--buffered");
    if (swap->fail_writes > 0)
        strings_format(argv, "--fail-writes=%.9g", swap->fail_writes);
    if (swap->bandwidth > 0)
        strings_format(argv, "--bandwidth=%u", swap->bandwidth);
    if (swap->device != NULL)
        result = add_expanded(run, argv, "--device=", swap->device, "swap.device", error);
    else
        result = add_expanded(
            run, argv, "--file=", swap->file != NULL ? swap->file : "${DIR}/" DIRECTORY_SWAP_FILE,
            "swap.file", error);
    if (result == 0)
        result = add_all_expanded(run, argv, swap->args, swap->args_count, "swap.args", error);
    return result;
}

static int prepare_policyserver(struct run *run, struct sp_error *error)
{
    const struct scenario_policyserver *policyserver = run->scenario->policyserver;
    struct strings *argv = &run->servers[SCENARIO_POLICYSERVER].argv;
    int result = 0;

    strings_add(argv, "selfpage-policyserver");
    strings_format(argv, "--ready-fd=%d", SPAWN_PASSED_FD);
    strings_format(argv, "--physmem=%s", run->directory.physmem);
    if (run->scenario->swap != NULL)
        strings_format(argv, "--swap=%s", run->directory.swap);
    if (policyserver->arbiter != NULL)
        strings_format(argv, "--arbiter=%s", policyserver->arbiter);
    if (policyserver->entitlements != NULL)
        result = add_expanded(run, argv, "--entitlements=", policyserver->entitlements,
                              "policyserver.entitlements", error);
    if (result == 0)
        result = add_all_expanded(run, argv, policyserver->args, policyserver->args_count,
                                  "policyserver.args", error);
    return result;
}

static int prepare_fileserver(struct run *run, struct sp_error *error)
{
    const struct scenario_fileserver *fileserver = run->scenario->fileserver;
    struct strings *argv = &run->servers[SCENARIO_FILESERVER].argv;
    uint32_t cache = fileserver->cache > 0 ? fileserver->cache : CHUNKS_CACHE_USUAL;
    int result;

    strings_add(argv, "selfpage-fileserver");
    strings_format(argv, "--ready-fd=%d", SPAWN_PASSED_FD);
    strings_format(argv, "--socket=%s", run->directory.files);
    strings_format(argv, "--physmem=%s", run->directory.physmem);
    strings_format(argv, "--cache=%u", cache);
    if (fileserver->contract != NULL)
        strings_format(argv, "--contract=%s", fileserver->contract);
    else
        strings_format(argv, "--contract=extra=%u,min=%u", cache, CHUNKS_PAGES);
    result = add_expanded(run, argv, "--root=", fileserver->root, "fileserver.root", error);
    if (result == 0)
        result = add_all_expanded(run, argv, fileserver->args, fileserver->args_count,
                                  "fileserver.args", error);
    return result;
}

static int prepare_servers(struct run *run, struct sp_error *error)
{
    int result = prepare_physmem(run, error);

    run->servers[SCENARIO_PHYSMEM].wanted = true;
    for (uint32_t i = 0; i < run->scenario->physmems_count && result == 0; i++) {
        run->servers[SCENARIO_STACKED + i].wanted = true;
        result = prepare_stacked(run, i, error);
    }
    if (result == 0 && run->scenario->swap != NULL) {
        run->servers[SCENARIO_SWAP].wanted = true;
        result = prepare_swap(run, error);
    }
    if (result == 0 && run->scenario->policyserver != NULL) {
        run->servers[SCENARIO_POLICYSERVER].wanted = true;
        result = prepare_policyserver(run, error);
    }
    if (result == 0 && run->scenario->fileserver != NULL) {
        run->servers[SCENARIO_FILESERVER].wanted = true;
        result = prepare_fileserver(run, error);
    }
    for (int i = 0; i < SCENARIO_SERVERS && result == 0; i++)
        if (run->servers[i].wanted)
            result = program_find(run->bindir, run->servers[i].argv.items[0],
                                  run->servers[i].program, sizeof run->servers[i].program, error);
    return result;
}

/* Where a task's program is: a path as it stands, or a word by the programs' directory. */
static int find_task_program(const struct run *run, struct run_task *task, const char *program,
                             struct sp_error *error)
{
    char name[80];
    int length, result;

    if (strchr(program, '/') != NULL) {
        if (access(program, X_OK) != 0)
            return error_set(error, errno, "task %s: %.150s: %s", task->outcome->task->name,
                             program, strerror(errno));
        length = snprintf(task->program, sizeof task->program, "%s", program);
        return (size_t)length < sizeof task->program
                   ? 0
                   : error_set(error, ENAMETOOLONG, "task %s: the program's path is too long",
                               task->outcome->task->name);
    }
    snprintf(name, sizeof name, "selfpage-%.60s", program);
    result = program_find(run->bindir, name, task->program, sizeof task->program, NULL);
    if (result == -ENOENT)
        return error_set(error, ENOENT,
                         "task %s: there is no program %s in %.150s; a program of your own is a "
                         "path with a / in it, as in ./%.60s",
                         task->outcome->task->name, name, run->bindir, program);
    return result == 0 ? 0
                       : error_set(error, -result, "task %s: %s", task->outcome->task->name, name);
}

/* The parts of its contract that a task is to split off, and where it says their tokens. */
static int prepare_parts(struct run *run, struct run_task *task, bool loads, struct sp_error *error)
{
    const struct scenario *scenario = run->scenario;
    uint32_t above = (uint32_t)(task - run->tasks), count = 0;
    int length;

    for (uint32_t i = parts_next(scenario, above, 0); i < scenario->tasks_count;
         i = parts_next(scenario, above, i + 1)) {
        if (!loads)
            return error_set(error, ENOTSUP,
                             "task %s: part_of: task %s has a program, and only a workload splits "
                             "contracts (with --workloads it plays its own)",
                             scenario->tasks[i].name, task->outcome->task->name);
        run->tasks[i].above = task;
        run->tasks[i].part = count++;
        strings_format(&task->argv, "--part=%s", scenario->tasks[i].contract);
    }
    if (count == 0)
        return 0;
    length = snprintf(task->tokens, sizeof task->tokens, "%s/%s.tokens", run->directory.path,
                      task->outcome->task->name);
    if ((size_t)length >= sizeof task->tokens)
        return error_set(error, ENAMETOOLONG, "the path of the private directory is too long");
    strings_format(&task->argv, "--tokens=%s", task->tokens);
    return 0;
}

static int prepare_task(struct run *run, struct run_task *task, struct sp_error *error)
{
    const struct scenario_task *scenario = task->outcome->task;
    bool loads = scenario->program == NULL || (run->options->workloads && scenario->load != NULL);
    struct sp_error mistake;
    char whose[48];
    int result;

    snprintf(whose, sizeof whose, "task %s", scenario->name);
    result = add_expanded(run, &task->argv, "", loads ? "load" : scenario->program, whose, error);
    if (result == 0)
        result = find_task_program(run, task, task->argv.items[0], error);
    if (result == 0 && !loads)
        result = add_all_expanded(run, &task->argv, scenario->arguments, scenario->arguments_count,
                                  whose, error);
    if (result == 0)
        result = prepare_parts(run, task, loads, error);
    if (result == 0 && loads)
        strings_add(&task->argv, scenario->load);
    if (result != 0)
        return result;
    if (task->argv.failed)
        return error_set(error, ENOMEM, "out of memory");
    task->policy = expand(run, task->outcome->asked_policy, whose, error);
    if (task->policy == NULL)
        return -EINVAL;
    task->outcome->asked_policy = task->policy;
    result = live_policy_check(task->policy, &mistake);
    return result == 0 ? 0 : error_set(error, -result, "%s: %s", whose, mistake.text);
}

/* The scenario says it all: a run is the same from whatever shell it is started. */
static void warn_of_environment(struct run *run)
{
    static const struct {
        const char *variable, *instead;
    } ours[] = {{"SELFPAGE_POLICY", "policy: in the scenario, or --policy"},
                {"SELFPAGE_CONTRACT", "contract: in the scenario"},
                {"SELFPAGE_PAGER_THREAD", "pager_thread: in the scenario"},
                {"SELFPAGE_RENEW", "renew: in the scenario"},
                {"SELFPAGE_SEED", "physmem.seed in the scenario, or --seed"}};

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (getenv(ours[i].variable) != NULL)
            report_line(&run->report, "selfpage",
                        "%s in the environment has no effect on a run; what has is %s",
                        ours[i].variable, ours[i].instead);
}

int prepare_all(struct run *run, struct sp_error *error)
{
    int result = prepare_variables(run, error);

    warn_of_environment(run);
    if (result == 0)
        result = prepare_servers(run, error);
    for (uint32_t i = 0; i < run->scenario->tasks_count && result == 0; i++)
        result = prepare_task(run, &run->tasks[i], error);
    return result;
}
