/* `selfpage bench contracts`: physmem, the load, and what is compared. */
#include "bench.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "bench_load.h"
#include "bench_ratio.h"
#include "launch/directory.h"
#include "launch/guardian.h"
#include "launch/program.h"
#include "launch/server.h"
#include "launch/spawn.h"
#include "launch/strings.h"
#include "launch/wait.h"
#include "os/limits.h"

#define PATIENCE_MS 20000u

/* Tasks that are "few". */
#define FEW 10u

/* Asked so often whether all tasks have gone, before that counts as wrong books. */
#define BOOKS_TRIES 200u

/* Physmem, as it runs for one measurement. */
struct stage {
    struct directory directory;
    struct guardian guardian;
    struct server physmem;
    struct server_log log;
    struct observer observer;
    struct bench_result *result;
    struct sp_error error; /* of taking counters */
    bool failed;
    bool counted; /* result->before is taken */
};

/* ---- Physmem ---- */

static int choose_cores(struct bench_options *options, struct sp_error *error)
{
    cpu_set_t allowed;
    int found[2] = {-1, -1};
    unsigned count = 0;

    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        return error_set(error, errno, "sched_getaffinity: %s", strerror(errno));
    for (int core = 0; core < CPU_SETSIZE && count < 2; core++)
        if (CPU_ISSET(core, &allowed))
            found[count++] = core;
    if (options->different && count < 2)
        return error_set(error, EINVAL,
                         "--cores different needs two cores, and this process may use one");
    options->core[0] = found[0];
    options->core[1] = found[options->different ? 1 : 0];
    return 0;
}

static int physmem_start(struct stage *stage, const struct bench_options *options,
                         struct sp_error *error)
{
    struct spawn spawn = {SPAWN_DEFAULTS, .group = stage->guardian.group};
    struct strings argv = {0};
    char program[4096];
    int result = program_find(NULL, "selfpage-physmem", program, sizeof(program), error);

    if (result != 0)
        return result;
    strings_add(&argv, "selfpage-physmem");
    strings_format(&argv, "--ready-fd=%d", SPAWN_PASSED_FD);
    strings_format(&argv, "--socket=%s", stage->directory.physmem);
    strings_format(&argv, "--frames=%u", options->frames);
    if (stage->result->arbiter != NULL)
        strings_format(&argv, "--arbiter=%s", stage->result->arbiter);
    spawn.program = program;
    spawn.argv = argv.items;
    if (argv.failed)
        result = error_set(error, ENOMEM, "out of memory");
    if (result == 0 && bench_pin(options->core[1]) != 0)
        result = error_set(error, EINVAL, "cannot run on core %d", options->core[1]);
    if (result == 0)
        result = server_start(&stage->physmem, "physmem", &spawn, &stage->log, error);
    bench_pin(options->core[0]);
    if (result == 0)
        result = server_await(&stage->physmem, &stage->log, PATIENCE_MS, error);
    strings_fini(&argv);
    return result;
}

static int stage_start(struct stage *stage, const struct bench_options *options,
                       struct sp_error *error)
{
    int result = directory_make(&stage->directory, NULL, error);

    if (result != 0)
        return result;
    result = guardian_start(&stage->guardian, &stage->directory, error);
    if (result == 0 && server_log_memory(&stage->log) != 0)
        result = error_set(error, ENOMEM, "no memory for physmem's log");
    if (result == 0)
        result = physmem_start(stage, options, error);
    if (result == 0)
        result = observer_connect(&stage->observer, stage->directory.physmem, "bench", error);
    return result;
}

static void stage_end(struct stage *stage)
{
    int status;

    observer_fini(&stage->observer);
    if (stage->physmem.pid != 0)
        child_end(stage->physmem.pid, SIGTERM, PATIENCE_MS, &status);
    if (stage->guardian.pid != 0)
        guardian_stop(&stage->guardian);
    server_log_fini(&stage->log);
    directory_fini(&stage->directory);
}

/* ---- Figures ---- */

/* Bytes of private memory that physmem has touched; negative: unknown. */
static double private_bytes(const struct stage *stage)
{
    unsigned long kilobytes;
    double bytes = -1;
    char path[64], line[256];
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)stage->physmem.pid);
    file = fopen(path, "re");
    if (file == NULL)
        return -1;
    while (bytes < 0 && fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "Anonymous: %lu kB", &kilobytes) == 1)
            bytes = 1024.0 * (double)kilobytes;
    fclose(file);
    return bytes;
}

/* Physmem's counters as the measurement begins, and as it ends. */
static void take_counters(void *arg)
{
    struct stage *stage = arg;

    if (observer_refresh(&stage->observer, PATIENCE_MS, &stage->error) != 0)
        stage->failed = true;
    else if (stage->counted)
        stage->result->after = stage->observer.physmem;
    else
        stage->result->before = stage->observer.physmem;
    stage->counted = true;
}

/* When all tasks have gone, all frames are free and nothing is promised. Physmem learns of their
 * ends connection by connection. */
static int check_books(struct stage *stage, struct sp_error *error)
{
    struct bench_result *result = stage->result;
    const struct observed_physmem *end = &stage->observer.physmem;

    for (unsigned i = 0; i < BOOKS_TRIES; i++) {
        if (observer_refresh(&stage->observer, PATIENCE_MS, error) != 0)
            return -EIO;
        if (end->tasks == 0)
            break;
    }
    result->end = *end;
    result->books_right = end->tasks == 0 && end->free == end->frames && end->guaranteed == 0 &&
                          end->leased == 0 && end->soft == 0 && end->violations == 0;
    return 0;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Karma's disparity: what the worst-off task held over time, against the one in the middle. */
static void take_disparity(const struct bench_load *load, struct bench_result *result)
{
    uint64_t *held = calloc(load->tasks, sizeof(*held));

    if (held == NULL)
        return;
    for (uint32_t i = 0; i < load->tasks; i++)
        held[i] = load->task[i].held_samples;
    qsort(held, load->tasks, sizeof(*held), by_size);
    if (held[load->tasks / 2] > 0)
        result->disparity = (double)held[0] / (double)held[load->tasks / 2];
    free(held);
}

/* ---- The run ---- */

/* With few tasks, and with all. */
static int run_quiet(struct stage *stage, struct bench_load *load, struct sp_error *error)
{
    const struct bench_options *options = load->options;
    struct bench_result *result = stage->result;
    uint32_t few = options->tasks < FEW ? options->tasks : FEW;
    const char *path = stage->directory.physmem;
    pid_t group = stage->guardian.group;
    double before, after;
    int code = bench_load_open(load, few, error);

    result->few = few;
    result->task_bytes = -1;
    if (code == 0 && options->baseline)
        code = bench_ratio_measure(options, path, group, &result->quiet_few, NULL, error);
    before = private_bytes(stage);
    if (code == 0)
        code = bench_load_open(load, options->tasks, error);
    after = private_bytes(stage);
    if (code == 0 && options->baseline)
        code = bench_ratio_measure(options, path, group, &result->quiet_all, result, error);
    if (options->tasks > few && before >= 0 && after >= 0)
        result->task_bytes = (after - before) / (options->tasks - few);
    return code;
}

static int run_load(struct stage *stage, struct bench_load *load, struct sp_error *error)
{
    int code = run_quiet(stage, load, error);

    if (code == 0)
        code = bench_load_run(load, take_counters, stage, error);
    if (code == 0 && stage->failed) {
        *error = stage->error;
        code = -EIO;
    }
    if (code == 0)
        take_disparity(load, stage->result);
    return code;
}

static int run(const struct bench_options *options, struct bench_result *result,
               struct sp_error *error)
{
    struct stage stage = {.directory.fd = -1, .log = {-1, -1}, .result = result};
    struct bench_load *load = calloc(1, sizeof(*load));
    int code;

    if (load == NULL)
        return error_set(error, ENOMEM, "out of memory");
    observer_init(&stage.observer);
    code = stage_start(&stage, options, error);
    if (code == 0) {
        code = bench_load_init(load, options, result, stage.directory.physmem, error);
        if (code == 0)
            code = run_load(&stage, load, error);
        bench_load_fini(load);
        if (code == 0)
            code = check_books(&stage, error);
    }
    stage_end(&stage);
    free(load);
    return code;
}

static int report(const struct bench_options *options, struct bench_result *const *results,
                  size_t count)
{
    struct sp_error error;
    int status = 0;

    for (size_t i = 0; i < count; i++) {
        if (!results[i]->books_right || results[i]->revoked_compliant > 0)
            status = 1;
        if (!options->json)
            bench_report(options, results[i]);
        if (!options->json && i + 1 < count)
            printf("\n");
    }
    if (options->json && bench_json(options, results, count) != 0) {
        fprintf(stderr, "selfpage: cannot write the JSON object\n");
        status = 2;
    }
    if (!options->json && count > 1)
        bench_compare(results, count);
    if (options->picture != NULL && bench_picture(options, results[0], &error) != 0) {
        fprintf(stderr, "selfpage: %s\n", error.text);
        status = 2;
    }
    return status;
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
    for (size_t i = 0; i < count; i++)
        free(results[i]);
    return status;
}

static int contracts(int argc, char **argv)
{
    struct bench_options options;
    struct sp_error error = {0};
    int status = 2;

    switch (bench_options_parse(argc, argv, &options, &error)) {
    case BENCH_EXIT:
        status = 0;
        break;
    case BENCH_BAD:
        fprintf(stderr, "selfpage: %s\n", error.text);
        break;
    case BENCH_RUN:
        limits_raise_files();
        if (choose_cores(&options, &error) != 0)
            fprintf(stderr, "selfpage: %s\n", error.text);
        else
            status = run_all(&options, &error);
        break;
    }
    strings_fini(&options.arbiters);
    return status;
}

int bench_command(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "contracts") == 0)
        return contracts(argc - 1, argv + 1);
    if (argc >= 2 && strcmp(argv[1], "attacks") == 0)
        return bench_attacks(argc - 1, argv + 1);
    fprintf(stderr, "selfpage: bench measures contracts, or plays attacks: selfpage bench contracts "
                    "--help or selfpage bench attacks --help says how\n");
    return 2;
}
