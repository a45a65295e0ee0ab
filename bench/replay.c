/* Replaying traces: what a reference costs for each policy, and what one pass for many policies and
 * sizes saves. */
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "policy/registry.h"
#include "replay/engine.h"
#include "replay/pass.h"
#include "replay/stack_distance.h"

static const struct bench_about about = {
    .name = "bench_replay",
    .claim =
        "a reference costs at most a third of what it costs libCacheSim; a hundred simulations "
        "in one pass cost at most half of a hundred passes",
    .subject = "one pass",
    .baseline = "many passes",
    .unit = "ns a reference",
    .details =
        "A trace of oracleGeneral records is written to a file: independent references, Zipf's law\n"
        "with exponent 1 over 1 M pages, 10 M of them. It is replayed by each policy at 1 % and 10 %\n"
        "of the pages: reading and looking up included, one thread, its processor time; the median of the rounds. Limits\n"
        "are 1000/24 ns (24 million a second) for fifo, lru, clock, sieve and arc, 1000/9 for 2q,\n"
        "lirs, s3fifo and wtinylfu. Then a tenth of it by 100 combinations of ten policies and sizes, in\n"
        "one pass (subject) and in 100 (baseline); and LRU at all sizes at once, compared with at one\n"
        "size. File: --directory.",
    .rounds = 5,
};

#define LIMIT_FAST   (1000.0 / 24)
#define LIMIT_SLOWER (1000.0 / 9)
#define COMBINATIONS 100u

struct world {
    char path[BENCH_PATH];
    uint32_t pages;
    uint64_t references;
};

/* ---- The trace ---- */

/* The rank that a number in [0, sums[pages - 1]) stands for: Zipf's law, from cumulative weights.
 */
static uint32_t rank_of(const double *sums, uint32_t pages, double number)
{
    uint32_t low = 0, high = pages - 1;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (sums[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void write_trace(struct bench *bench, struct world *world)
{
    struct random_source random = random_seeded(1);
    double *sums = malloc(world->pages * sizeof(*sums)), sum = 0;
    const char *directory = bench->file_directory != NULL ? bench->file_directory : "/dev/shm";
    char path[BENCH_PATH];
    FILE *file;
    int fd;

    snprintf(path, sizeof(path), "%.4000s/selfpage-bench-XXXXXX", directory);
    fd = mkostemp(path, O_CLOEXEC);
    file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (file == NULL || sums == NULL)
        bench_fail(bench, "cannot write %s: %s", path, strerror(errno));
    unlink(path); /* it is gone with this process, however that ends */
    snprintf(world->path, sizeof(world->path), "/proc/self/fd/%d", fd);
    for (uint32_t i = 0; i < world->pages; i++)
        sums[i] = sum += 1.0 / (i + 1);
    for (uint64_t i = 0; i < world->references; i++) {
        uint64_t id = rank_of(sums, world->pages, random_unit(&random) * sum) *
                      UINT64_C(2654435761) % UINT64_C(4294967291);
        uint8_t record[24] = {0};
        uint32_t size = SP_PAGE_SIZE;

        memcpy(record + 4, &id, 8);
        memcpy(record + 12, &size, 4);
        memset(record + 16, 0xff, 8);
        fwrite(record, sizeof(record), 1, file);
    }
    free(sums);
    if (fflush(file) != 0 || ferror(file))
        bench_fail(bench, "cannot write the trace");
}

/* ---- Passes ---- */

static void run_engine(void *context, const struct batch *batch)
{
    engine_run(context, batch->references, batch->next, batch->count);
}

static void run_distances(void *context, const struct batch *batch)
{
    stack_distance_run(context, batch->references, batch->count);
}

struct job {
    struct policy_choice choice;
    uint32_t frames;
};

/* What one command takes: a trace, and simulations, or, without jobs, stack distances. */
struct command {
    struct trace trace;
    struct page_table table;
    struct pass pass;
    struct engine engines[COMBINATIONS];
    struct pool_job pool[COMBINATIONS];
    struct stack_distance distances;
};

static void begin_simulations(struct bench *bench, struct command *command, const struct job *jobs,
                              size_t count, uint32_t most)
{
    struct sp_error error;

    for (size_t i = 0; i < count; i++) {
        if (engine_init(&command->engines[i], &jobs[i].choice, jobs[i].frames, most, 1, false,
                        &error) != 0)
            bench_fail(bench, "%s", error.text);
        command->pool[i] = (struct pool_job){.run = run_engine, .context = &command->engines[i]};
    }
}

/* Seconds of processor time of one command. `bytes`: of the first policy's state, a page; may be
 * NULL. */
static double run_command(struct bench *bench, const struct world *world, const struct job *jobs,
                          size_t count, double *bytes)
{
    static struct command command;
    struct trace_options options = {"oracleGeneral", 0, 0};
    struct sp_error error;
    double start = pool_clock(), took;
    uint32_t most;

    memset(&command, 0, sizeof(command));
    command.pass = (struct pass){.trace = &command.trace, .table = &command.table};
    if (trace_open(&command.trace, world->path, &options, &error) != 0)
        bench_fail(bench, "%s", error.text);
    most = pass_pages_most(&command.trace, PASS_PAGES_MOST);
    if (page_table_init(&command.table, most) != 0 ||
        (jobs == NULL && stack_distance_init(&command.distances, most) != 0))
        bench_fail(bench, "out of memory");
    if (jobs != NULL)
        begin_simulations(bench, &command, jobs, count, most);
    else
        command.pool[0] = (struct pool_job){.run = run_distances, .context = &command.distances};
    if (pass_run(&command.pass, command.pool, count, 1, &error) != 0)
        bench_fail(bench, "%s", error.text);
    took = pool_clock() - start;
    if (bytes != NULL)
        *bytes = engine_bytes_per_page(&command.engines[0]);
    for (size_t i = 0; jobs != NULL && i < count; i++)
        engine_fini(&command.engines[i]);
    stack_distance_fini(&command.distances);
    page_table_fini(&command.table);
    trace_fini(&command.trace);
    return took;
}

/* ---- Measurements ---- */

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

static double limit_of(const char *name)
{
    static const char *const fast[] = {"fifo", "lru", "clock", "sieve", "arc"};
    static const char *const slower[] = {"2q", "lirs", "s3fifo", "wtinylfu"};

    for (size_t i = 0; i < sizeof(fast) / sizeof(fast[0]); i++)
        if (strcmp(name, fast[i]) == 0)
            return LIMIT_FAST;
    for (size_t i = 0; i < sizeof(slower) / sizeof(slower[0]); i++)
        if (strcmp(name, slower[i]) == 0)
            return LIMIT_SLOWER;
    return BENCH_NO_LIMIT;
}

/* Only the policies with a limit are rows; of the others there are too many. */
static void measure_policies(struct bench *bench, const struct world *world)
{
    double *took = calloc(bench->rounds, sizeof(*took));
    const struct sp_policy *policy;

    if (took == NULL)
        bench_fail(bench, "out of memory");
    for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++) {
        struct job job = {.frames = world->pages / 100};
        double bytes = 0;

        if (limit_of(policy->name) == BENCH_NO_LIMIT)
            continue;
        policy_params_choose(&job.choice, policy->name, NULL);
        for (int share = 1; share <= 10; share *= 10) {
            double ns;

            job.frames = world->pages / 100 * (uint32_t)share;
            for (unsigned round = 0; round < bench->rounds; round++)
                took[round] = run_command(bench, world, &job, 1, &bytes);
            qsort(took, bench->rounds, sizeof(*took), compare);
            ns = took[bench->rounds / 2] * 1e9 / (double)world->references;
            bench_number(bench, ns, limit_of(policy->name), "%s, %d %%: %.1f M/s, %.0f B a page",
                         policy->name, share, 1e3 / ns, bytes);
        }
    }
    free(took);
}

/* Ten policies at ten sizes, 1 % to 10 %. */
static const char *const combined[] = {"fifo", "lru",    "clock", "sieve", "arc",
                                       "2q",   "s3fifo", "slru",  "lirs",  "wtinylfu"};

#define COMBINED 10u

static void measure_combinations(struct bench *bench, const struct world *world)
{
    struct job jobs[COMBINATIONS];
    struct bench_row *row = bench_row(bench, 0.5, "%u combinations", COMBINATIONS);
    double all = (double)world->references * COMBINATIONS / 1e9;

    for (unsigned i = 0; i < COMBINATIONS; i++) {
        policy_params_choose(&jobs[i].choice, combined[i % COMBINED], NULL);
        jobs[i].frames = world->pages / 100 * (1 + i / COMBINED);
    }
    for (unsigned round = 0; round < bench->rounds; round++) {
        double many = 0, one = run_command(bench, world, jobs, COMBINATIONS, NULL);

        for (unsigned i = 0; i < COMBINATIONS; i++)
            many += run_command(bench, world, &jobs[i], 1, NULL);
        bench_round(bench, row, one / all, many / all);
    }
}

static void measure_curve(struct bench *bench, const struct world *world)
{
    struct bench_row *row = bench_row(bench, 4, "lru: all sizes, one size");
    struct job job = {.frames = world->pages / 10};

    policy_params_choose(&job.choice, "lru", NULL);
    for (unsigned round = 0; round < bench->rounds; round++) {
        double all = run_command(bench, world, NULL, 1, NULL);
        double one = run_command(bench, world, &job, 1, NULL);

        bench_round(bench, row, all * 1e9 / (double)world->references,
                    one * 1e9 / (double)world->references);
    }
}

int main(int argc, char **argv)
{
    static struct bench bench;
    struct world world = {.pages = 1000000, .references = 10000000};
    struct world shorter = {.pages = 100000, .references = 1000000};

    bench_init(&bench, &about, argc, argv);
    world.pages = bench_scale(&bench, world.pages, 1000);
    world.references = bench_scale(&bench, (unsigned)world.references, 10000);
    shorter.pages = bench_scale(&bench, shorter.pages, 1000);
    shorter.references = bench_scale(&bench, (unsigned)shorter.references, 2000);
    write_trace(&bench, &world);
    write_trace(&bench, &shorter);
    bench_threads(&bench, "replay", 0);
    measure_policies(&bench, &world);
    measure_curve(&bench, &world);
    measure_combinations(&bench, &shorter);
    return bench_finish(&bench);
}
