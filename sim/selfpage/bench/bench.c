/* `selfpage bench contracts`: physmem, the load, and what is compared. */
#include "selfpage/bench/bench.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/arbiter.h"
#include "base/error.h"
#include "selfpage/bench/cases.h"
#include "selfpage/bench/crew.h"
#include "selfpage/bench/hostile/hostile.h"
#include "selfpage/bench/ratio.h"
#include "selfpage/bench/stage.h"
#include "selfpage/command/commands.h"
#include "selfpage/command/json_out.h"
#include "os/limits.h"

/* Tasks that are "few". */
#define FEW 10u

/* Asked so often whether all tasks have gone, before that counts as wrong books. */
#define BOOKS_TRIES 200u

/* Physmem, and the tasks that load it. */
struct bench {
    struct stage stage;
    struct crew crew;
    struct bench_result *result;
    struct sp_error error; /* of taking counters */
    bool failed;
    bool counted; /* result->before is taken */
};

/* This process has the first core, and physmem the same or the second; processes of tasks have that
 * of physmem, or all others in turn. */
static int choose_cores(struct bench_options *options, struct sp_error *error)
{
    cpu_set_t allowed;
    int found[BENCH_CORES];
    unsigned count = 0;

    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        return error_set(error, errno, "sched_getaffinity: %s", strerror(errno));
    for (int core = 0; core < CPU_SETSIZE && count < BENCH_CORES; core++)
        if (CPU_ISSET(core, &allowed))
            found[count++] = core;
    if (options->different && count < 2)
        return error_set(error, EINVAL,
                         "--cores different needs two cores, and this process may use one");
    options->core[0] = found[0];
    options->core[1] = found[options->different ? 1 : 0];
    for (unsigned i = 0; i < count; i++)
        if ((found[i] != options->core[1]) == options->different)
            options->worker_core[options->worker_cores++] = found[i];
    return 0;
}

/* ---- Figures ---- */

/* Physmem's counters as the measurement begins, and as it ends. */
static void take_counters(void *arg)
{
    struct bench *bench = arg;
    struct bench_result *result = bench->result;

    machine_read(&result->machine);
    if (stage_look(&bench->stage, bench->counted ? &result->after : &result->before,
                   &bench->error) != 0)
        bench->failed = true;
    bench->counted = true;
}

/* When all tasks have gone, all frames are free and nothing is promised. Physmem learns of their
 * ends connection by connection. */
static int check_books(struct bench *bench, struct sp_error *error)
{
    struct bench_result *result = bench->result;
    struct observed_physmem *end = &result->end;

    for (unsigned i = 0; i < BOOKS_TRIES; i++) {
        if (stage_look(&bench->stage, end, error) != 0)
            return -EIO;
        if (end->tasks == 0)
            break;
    }
    result->books_right = end->tasks == 0 && end->free == end->frames && end->guaranteed == 0 &&
                          end->leased == 0 && end->soft == 0 && end->violations == 0;
    return 0;
}

/* ---- The run ---- */

/* With few tasks, and with all. */
static int run_quiet(struct bench *bench, const struct bench_options *options,
                     struct sp_error *error)
{
    struct bench_result *result = bench->result;
    uint32_t few = options->tasks < FEW ? options->tasks : FEW;
    const char *path = bench->stage.directory.physmem;
    pid_t group = bench->stage.guardian.group;
    double before, after;
    int code = crew_open(&bench->crew, few, error);

    result->few = few;
    result->task_bytes = -1;
    if (code == 0 && options->baseline)
        code = bench_ratio_measure(options, path, group, &result->quiet_few, NULL, error);
    before = stage_private_bytes(&bench->stage);
    if (code == 0)
        code = crew_open(&bench->crew, options->tasks, error);
    after = stage_private_bytes(&bench->stage);
    if (code == 0 && options->baseline)
        code = bench_ratio_measure(options, path, group, &result->quiet_all, result, error);
    if (options->tasks > few && before >= 0 && after >= 0)
        result->task_bytes = (after - before) / (options->tasks - few);
    return code;
}

static int run_load(struct bench *bench, const struct bench_options *options,
                    struct sp_error *error)
{
    int code = crew_start(&bench->crew, options, bench->stage.directory.physmem,
                          bench->stage.guardian.group, bench->result, error);

    if (code == 0)
        code = run_quiet(bench, options, error);
    crew_watch(&bench->crew, &bench->result->machine);
    machine_watch(&bench->result->machine, bench->stage.physmem.pid, options->core[1]);
    if (code == 0)
        code = crew_run(&bench->crew, take_counters, bench, error);
    if (code == 0 && bench->failed) {
        *error = bench->error;
        code = -EIO;
    }
    crew_end(&bench->crew);
    return code;
}

static int run(const struct bench_options *options, struct bench_result *result,
               struct sp_error *error)
{
    struct bench bench = {.result = result};
    int code;

    stage_init(&bench.stage);
    code = stage_start(&bench.stage, options, options->frames, result->arbiter, error);
    if (code == 0)
        code = run_load(&bench, options, error);
    if (code == 0)
        code = check_books(&bench, error);
    stage_end(&bench.stage);
    if (code == 0 && options->baseline && options->tasks > 1)
        code = bench_slow_measure(options, result->arbiter, &result->slow, error);
    if (code == 0 && options->recall_tasks > 0)
        code = bench_recall_measure(options, result->arbiter, &result->great, error);
    return code;
}

static int report(const struct bench_options *options, struct bench_result *const *results,
                  size_t count)
{
    struct sp_error error;
    int result, status = 0;

    for (size_t i = 0; i < count; i++) {
        if (!results[i]->books_right || results[i]->revoked_compliant > 0)
            status = 1;
        if (!options->json)
            bench_report(options, results[i]);
        if (!options->json && i + 1 < count)
            printf("\n");
    }
    result = options->json ? bench_json(options, results, count) : 0;
    if (result != 0)
        status = json_out_cannot(result);
    if (!options->json && count > 1)
        bench_report_compare(results, count);
    if (options->picture != NULL && bench_picture(options, results[0], &error) != 0) {
        fprintf(stderr, "selfpage: %s\n", error.text);
        status = 2;
    }
    return status;
}

/* A name that is wrong is found before the first run, not when its turn comes. */
static int check_arbiters(const struct bench_options *options, struct sp_error *error)
{
    int code = 0;

    for (size_t i = 0; i < options->arbiters.count && code == 0; i++) {
        struct arbiter_handle handle;

        code = arbiter_load(&handle, options->arbiters.items[i], error);
        arbiter_unload(&handle);
    }
    return code;
}

/* One run for each arbitration policy; then the report. Returns the exit status. */
static int run_all(const struct bench_options *options, struct sp_error *error)
{
    struct bench_result *results[BENCH_ARBITERS] = {NULL};
    size_t count = options->arbiters.count > 0 ? options->arbiters.count : 1;
    int code = 0;
    int status = 2;

    for (size_t i = 0; i < count && code == 0; i++) {
        results[i] = calloc(1, sizeof(*results[i]));
        if (results[i] == NULL) {
            code = error_set(error, ENOMEM, "out of memory");
            break;
        }
        if (options->arbiters.count > 0)
            results[i]->arbiter = options->arbiters.items[i];
        code = run(options, results[i], error);
    }
    if (code == 0)
        status = report(options, results, count);
    else
        fprintf(stderr, "selfpage: %s\n", error->text);
    for (size_t i = 0; i < count; i++) {
        if (results[i] != NULL)
            free(results[i]->use);
        free(results[i]);
    }
    return status;
}

static int contracts(int argc, char **argv)
{
    struct bench_options options;
    struct sp_error error = {0};
    int status = 2;

    switch (bench_options_parse(argc, argv, &options, &error)) {
    case OPTIONS_EXIT:
        status = 0;
        break;
    case OPTIONS_BAD:
        fprintf(stderr, "selfpage: %s\n", error.text);
        break;
    case OPTIONS_RUN:
        limits_raise_files();
        if (check_arbiters(&options, &error) != 0 || choose_cores(&options, &error) != 0)
            fprintf(stderr, "selfpage: %s\n", error.text);
        else
            status = run_all(&options, &error);
        break;
    }
    strings_fini(&options.arbiters);
    demand_fini(&options.demand);
    return status;
}

/* What `selfpage bench` can do. */
static const struct subcommand commands[] = {
    {"contracts", contracts, "measure how fast physmem negotiates, and how fairly it shares"},
    {"attacks", bench_attacks, "measure what a task gains by cheating, by arbitration policy"},
    {"costs", bench_costs, "measure what things cost here, for selfpage simulate --costs"},
    {"hostile", hostile_command, "attack live servers, and see what a bystander feels of it"},
};

int bench_command(int argc, char **argv)
{
    return commands_run(
        "selfpage bench",
        "Measure contracts and costs, or play attacks on contracts and on live servers.", commands,
        sizeof(commands) / sizeof(commands[0]), NULL, argc - 1, argv + 1);
}
