/* `selfpage bench contracts`: short runs of every kind, whose figures are not judged, but whose
 * output must be whole and agree with itself, and physmem's books with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <valgrind/valgrind.h>

#include "launch/spawn.h"
#include "processes.h"
#include "selfpage/bench/fair.h"

#define ARGUMENTS_MAX 24

/* What there is in a memory file, for free(). */
static char *contents(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char *text = calloc(1, (size_t)size + 1);

    assert_non_null(text);
    assert_int_equal(pread(fd, text, (size_t)size, 0), size);
    close(fd);
    return text;
}

/* Run `selfpage bench ...` to its end; fails unless it has this exit status. The texts are for
 * free(). */
static void bench(int status, const char *const *arguments, char **outputp, char **errorp)
{
    int output = memfd_create("output", MFD_CLOEXEC), errors = memfd_create("error", MFD_CLOEXEC);
    struct spawn spawn = {SPAWN_DEFAULTS, .program = TEST_BINDIR "/selfpage"};
    const char *argv[ARGUMENTS_MAX] = {"selfpage", "bench"};
    struct sp_error error;
    int got;
    pid_t pid;

    for (int i = 0; arguments[i] != NULL; i++)
        argv[i + 2] = arguments[i];
    spawn.argv = (char *const *)argv;
    spawn.output = output;
    spawn.error = errors;
    if (spawn_program(&spawn, &pid, &error) != 0)
        fail_msg("%s", error.text);
    assert_int_equal(child_wait(pid, PROCESS_PATIENCE_MS * 4, &got), 0);
    *outputp = contents(output);
    *errorp = contents(errors);
    if (child_exit_status(got) != status)
        fail_msg("exit status %d, not %d;\noutput: %s\nerror: %s", child_exit_status(got), status,
                 *outputp, *errorp);
}

/* The JSON object of a run that succeeds; json_decref it. */
static json_t *bench_object(const char *const *arguments)
{
    char *output, *errors;
    json_error_t error;
    json_t *object;

    bench(0, arguments, &output, &errors);
    object = json_loads(output, JSON_REJECT_DUPLICATES, &error);
    if (object == NULL)
        fail_msg("line %d: %s in:\n%s", error.line, error.text, output);
    free(output);
    free(errors);
    return object;
}

static json_int_t number(const json_t *object, const char *part, const char *name)
{
    const json_t *value = json_object_get(json_object_get(object, part), name);

    if (!json_is_integer(value))
        fail_msg("%s.%s is missing", part, name);
    return json_integer_value(value);
}

static double real(const json_t *object, const char *part, const char *name)
{
    const json_t *value = json_object_get(json_object_get(object, part), name);

    if (!json_is_number(value))
        fail_msg("%s.%s is missing", part, name);
    return json_number_value(value);
}

static void check_histogram(const json_t *histogram)
{
    static const char *const names[] = {"p50", "p90", "p99", "p99_9", "p99_99", "most"};
    json_int_t last = 0;

    assert_true(json_is_integer(json_object_get(histogram, "count")));
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const json_t *value = json_object_get(histogram, names[i]);

        assert_true(json_is_integer(value));
        assert_true(json_integer_value(value) >= last);
        last = json_integer_value(value);
    }
}

static uint32_t sample_of(const json_t *task, const char *series, size_t sample)
{
    const json_t *value = json_array_get(json_object_get(task, series), sample);

    assert_true(json_is_integer(value));
    return (uint32_t)json_integer_value(value);
}

/* What is said of all tasks follows from what is said of each. */
static void check_use(const json_t *object)
{
    enum { TASKS_MAX = 64 };
    const json_t *use = json_object_get(object, "use");
    const json_t *tasks = json_object_get(use, "tasks");
    uint32_t frames = (uint32_t)number(object, "load", "frames");
    uint32_t count = (uint32_t)json_array_size(tasks);
    const json_t *seconds = json_object_get(use, "seconds");
    double before = -1;

    assert_int_equal(count, number(object, "load", "tasks"));
    assert_in_range(count, 1, TASKS_MAX);
    assert_true(json_array_size(seconds) > 0);
    for (size_t s = 0; s < json_array_size(seconds); s++) {
        uint32_t held[TASKS_MAX], demand[TASKS_MAX], weight[TASKS_MAX];
        double share[TASKS_MAX], sum = 0, jain;

        for (uint32_t i = 0; i < count; i++) {
            const json_t *task = json_array_get(tasks, i);

            held[i] = sample_of(task, "held", s);
            demand[i] = sample_of(task, "demand", s);
            weight[i] = (uint32_t)json_integer_value(json_object_get(task, "weight"));
            sum += held[i];
        }
        fair_shares(demand, weight, count, frames, share);
        jain = fair_index(held, demand, share, count) -
               json_number_value(json_array_get(json_object_get(use, "jain_over_time"), s));
        assert_true(jain > -1e-6 && jain < 1e-6);
        sum = (sum < frames ? sum / frames : 1) -
              json_number_value(json_array_get(json_object_get(use, "utilisation_over_time"), s));
        assert_true(sum > -1e-6 && sum < 1e-6);
        assert_true(json_number_value(json_array_get(seconds, s)) > before);
        before = json_number_value(json_array_get(seconds, s));
    }
}

/* Whatever was measured, of so many requests at least: the parts agree. */
static void check(const json_t *object, json_int_t requests)
{
    const json_t *latency = json_object_get(object, "latency_ns");
    const json_t *use = json_object_get(object, "use");
    const json_t *sample, *histogram;
    json_int_t count = 0;
    const char *name;
    size_t i;

    assert_int_equal(json_object_size(latency), 8);
    json_object_foreach((json_t *)latency, name, histogram)
    {
        check_histogram(histogram);
        count += json_integer_value(json_object_get(histogram, "count"));
    }
    assert_true(count >= requests);
    check_histogram(json_object_get(object, "return_ns"));
    check_histogram(json_object_get(object, "reuse_ns"));
    assert_int_equal(number(object, "counts", "proposals"),
                     number(object, "counts", "accepted") + number(object, "counts", "countered") +
                         number(object, "counts", "refused"));
    assert_int_equal(number(object, "counts", "recalls"),
                     number(object, "counts", "recalls_met") +
                         number(object, "counts", "recalls_missed") +
                         number(object, "counts", "recalls_left"));
    assert_true(number(object, "counts", "recalls") >= number(object, "counts", "recalls_before"));
    assert_int_equal(number(object, "counts", "revoked_compliant"), 0);
    check_use(object);
    assert_true(
        json_is_boolean(json_object_get(json_object_get(object, "machine"), "is_measurement")));
    json_array_foreach(json_object_get(use, "utilisation_over_time"), i, sample)
        assert_true(json_number_value(sample) >= 0 && json_number_value(sample) <= 1);
    json_array_foreach(json_object_get(use, "jain_over_time"), i, sample)
        assert_true(json_number_value(sample) >= 0 && json_number_value(sample) <= 1.000001);
    assert_true(json_is_true(json_object_get(json_object_get(object, "books"), "right")));
    assert_int_equal(number(object, "books", "free"), number(object, "books", "frames"));
    assert_int_equal(number(object, "books", "tasks"), 0);
}

/* Negotiation alone, against bare sockets. */
static void check_ratios(const json_t *object)
{
    const json_t *ratios = json_object_get(object, "ratios");
    const json_t *ratio;
    size_t i;

    assert_int_equal(json_array_size(ratios), 2);
    json_array_foreach(ratios, i, ratio)
    {
        assert_true(json_number_value(json_object_get(ratio, "physmem")) > 0);
        assert_true(json_number_value(json_object_get(ratio, "bare")) > 0);
        assert_true(json_number_value(json_object_get(ratio, "ratio")) * 1.001 >
                        json_number_value(json_object_get(ratio, "physmem")) /
                            json_number_value(json_object_get(ratio, "bare")) &&
                    json_number_value(json_object_get(ratio, "ratio")) * 0.999 <
                        json_number_value(json_object_get(ratio, "physmem")) /
                            json_number_value(json_object_get(ratio, "bare")));
    }
    check_histogram(json_object_get(object, "proposal_few_ns"));
    check_histogram(json_object_get(object, "proposal_all_ns"));
}

/* The others with and without one slow task. Which side was faster is not judged. */
static void check_slow(const json_t *slow)
{
    static const char *const sides[] = {"without", "with"};

    assert_true(json_integer_value(json_object_get(slow, "turns")) > 0);
    for (unsigned i = 0; i < 2; i++) {
        const json_t *side = json_object_get(slow, sides[i]);
        const json_t *negotiation = json_object_get(side, "negotiation_ns");
        const json_t *allocation = json_object_get(side, "allocation_ns");

        check_histogram(negotiation);
        check_histogram(allocation);
        assert_true(json_integer_value(json_object_get(negotiation, "count")) +
                        json_integer_value(json_object_get(allocation, "count")) >
                    0);
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_true(
            json_number_value(json_array_get(json_object_get(slow, "negotiation_p99_ns"), i)) >= 0);
        assert_true(
            json_number_value(json_array_get(json_object_get(slow, "allocation_p99_ns"), i)) >= 0);
    }
    assert_true(json_number_value(json_object_get(slow, "owing")) >= 0 &&
                json_number_value(json_object_get(slow, "owing")) <= 1);
}

/* However many frames and tasks, all RECALLs go out in one pass of physmem's loop. */
static void check_great(const json_t *object, json_int_t frames, json_int_t tasks)
{
    assert_int_equal(number(object, "great_recall", "tasks"), tasks);
    assert_int_equal(number(object, "great_recall", "frames"), frames);
    assert_true(number(object, "great_recall", "messages") >= tasks);
    assert_int_equal(number(object, "great_recall", "passes"), 1);
    assert_true(number(object, "great_recall", "returned_ns") >=
                number(object, "great_recall", "told_ns"));
}

/* How much is measured is a number of requests, not a time, in which a slow machine may do nothing.
 * There is little memory, so that tasks are asked to return some. */
static void closed_loop_with_baselines(void **state)
{
    const json_int_t frames = RUNNING_ON_VALGRIND ? 70000 : 100000;
    const json_int_t tasks = RUNNING_ON_VALGRIND ? 40 : 1000;
    const char *const arguments[] = {"contracts",
                                     "--json",
                                     "--tasks=20",
                                     "--frames=160",
                                     "--contention=3",
                                     "--kinds=extra=2,guaranteed=1,timed=1",
                                     "--warmup=20ms",
                                     "--duration=150ms",
                                     "--requests=500",
                                     "--grace=600s",
                                     "--slow-after=30ms",
                                     RUNNING_ON_VALGRIND ? "--recall=70000/40"
                                                         : "--recall=100000/1000",
                                     "--seed=18446744073709551615",
                                     NULL};
    json_t *object = bench_object(arguments);

    (void)state;
    check(object, 500);
    check_ratios(object);
    check_slow(json_object_get(object, "one_slow_task"));
    check_great(object, frames, tasks);
    assert_int_equal(number(object, "load", "outstanding"), 8);
    assert_string_equal(json_string_value(json_object_get(json_object_get(object, "load"), "seed")),
                        "18446744073709551615");
    json_decref(object);
}

static void open_loop(void **state)
{
    static const char *const arguments[] = {
        "contracts",      "--json",     "--no-baseline",  "--tasks=8",   "--warmup=0s",
        "--requests=100", "--rate=500", "--contention=0", "--grace=60s", NULL};
    json_t *object = bench_object(arguments);

    (void)state;
    check(object, 100);
    assert_string_equal(json_string_value(json_object_get(json_object_get(object, "load"), "loop")),
                        "open");
    assert_int_equal(number(object, "counts", "refused"), 0);           /* there is no contention */
    assert_true(json_is_null(json_object_get(object, "great_recall"))); /* nor was one asked for */
    json_decref(object);
}

static void several_processes(void **state)
{
    static const char *const arguments[] = {
        "contracts",      "--json",      "--no-baseline", "--tasks=11",      "--warmup=10ms",
        "--requests=300", "--grace=60s", "--processes=3", "--outstanding=7", NULL};
    json_t *object = bench_object(arguments);
    const json_t *cores = json_object_get(json_object_get(object, "load"), "cores_tasks");
    const json_t *core;
    size_t i;

    (void)state;
    check(object, 300);
    assert_int_equal(number(object, "load", "processes"), 3);
    assert_int_equal(json_array_size(cores), 3);
    json_array_foreach(cores, i, core) assert_true(json_integer_value(core) >= 0);
    json_decref(object);
}

static void overcommitted(void **state)
{
    static const char *const arguments[] = {"contracts",
                                            "--json",
                                            "--no-baseline",
                                            "--tasks=40",
                                            "--warmup=0s",
                                            "--requests=1000",
                                            "--frames=256",
                                            "--contention=4",
                                            "--grace=60s",
                                            "--mix=propose=2,release=1,allocate=4",
                                            NULL};
    json_t *object = bench_object(arguments);

    (void)state;
    check(object, 1000);
    assert_true(number(object, "counts", "refused") + number(object, "counts", "countered") > 0);
    assert_true(real(object, "use", "utilisation") > 0);
    assert_true(json_is_null(json_object_get(object, "arbiter"))); /* physmem's own */
    json_decref(object);
}

/* Slow tasks answer when most of the grace is over; here that is after the end. Tasks that wait for
 * their frames wait on, and no task is revoked. */
static void slow_tasks(void **state)
{
    static const char *const arguments[] = {
        "contracts", "--json",       "--no-baseline",  "--tasks=12",  "--warmup=0s",
        "--slow=3",  "--frames=128", "--contention=3", "--grace=60s", "--duration=200ms",
        NULL};
    json_t *object = bench_object(arguments);

    (void)state;
    check(object, 0);
    json_decref(object);
}

/* Silent tasks lose everything, come back, and the books are right all the same. Nobody else is
 * revoked: only they have a short grace. */
static void silent_tasks(void **state)
{
    static const char *const arguments[] = {
        "contracts",    "--json",         "--no-baseline",
        "--tasks=12",   "--warmup=0s",    "--silent=11",
        "--frames=128", "--contention=3", "--silent-grace=200ms",
        "--grace=60s",  "--duration=1s",  NULL};
    json_t *object = bench_object(arguments);

    (void)state;
    check(object, 0);
    json_decref(object);
}

/* Demands that change, weights, bids and priorities; the last task holds what it does not use. */
static void demands_weights_and_idle_tasks(void **state)
{
    static const char *const arguments[] = {
        "contracts",       "--json",          "--no-baseline",    "--tasks=6",
        "--warmup=0s",     "--grace=60s",     "--contention=2",   "--frames=600",
        "--demand=phases", "--weights=1,2,4", "--bids=5,3",       "--priorities=0,1",
        "--idle=1",        "--arbiter=esx",   "--duration=300ms", NULL};
    json_t *object = bench_object(arguments);
    const json_t *tasks = json_object_get(json_object_get(object, "use"), "tasks");
    const json_t *last = json_array_get(tasks, 5);

    (void)state;
    check(object, 0);
    assert_int_equal(json_integer_value(json_object_get(last, "weight")), 4);
    assert_int_equal(json_integer_value(json_object_get(last, "bid")), 3);
    assert_int_equal(json_integer_value(json_object_get(last, "priority")), 1);
    assert_true(json_is_true(json_object_get(last, "idle")));
    assert_int_equal(sample_of(last, "demand", 0), 0);
    assert_true(real(object, "use", "utilisation") > 0);
    json_decref(object);
}

/* What was asked for is in the output: the same run can be made again. */
static void settings_are_told(void **state)
{
    static const char *const arguments[] = {"contracts",
                                            "--json",
                                            "--no-baseline",
                                            "--tasks=4",
                                            "--warmup=10ms",
                                            "--duration=20ms",
                                            "--grace=61s",
                                            "--frames=600",
                                            "--demand=bursts",
                                            "--weights=1,2",
                                            "--priorities=3",
                                            "--idle=1",
                                            "--slow-after=3s",
                                            "--silent-grace=7s",
                                            "--order=1",
                                            "--kinds=timed=5",
                                            "--mix=allocate=9,renew=2",
                                            NULL};
    json_t *object = bench_object(arguments);
    const json_t *load = json_object_get(object, "load");

    (void)state;
    assert_string_equal(json_string_value(json_object_get(load, "demand")), "bursts");
    assert_int_equal(json_array_size(json_object_get(load, "weights")), 2);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(load, "weights"), 1)), 2);
    assert_int_equal(json_array_size(json_object_get(load, "bids")), 0);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(load, "priorities"), 0)), 3);
    assert_int_equal(number(object, "load", "idle"), 1);
    assert_int_equal(number(object, "load", "order"), 1);
    assert_int_equal(number(object, "load", "warmup_ns"), 10000000);
    assert_int_equal(number(object, "load", "grace_ns"), 61000000000);
    assert_int_equal(number(object, "load", "silent_grace_ns"), 7000000000);
    assert_int_equal(number(object, "load", "slow_after_ns"), 3000000000);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(load, "kinds"), "timed")),
                     5);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(load, "mix"), "allocate")),
                     9);
    json_decref(object);
}

/* Parameters of one policy are not taken for names of others. */
static void arbiters_side_by_side(void **state)
{
    static const char *const arguments[] = {
        "contracts",      "--json",      "--no-baseline",  "--tasks=8",
        "--warmup=0s",    "--grace=60s", "--contention=2", "--compare=fcfs,esx:tax=0.5",
        "--requests=100", NULL};
    static const char *const names[] = {"fcfs", "esx:tax=0.5"};
    json_t *object = bench_object(arguments);
    const json_t *runs = json_object_get(object, "runs");
    const json_t *run;
    size_t i;

    (void)state;
    assert_int_equal(json_array_size(runs), 2);
    json_array_foreach(runs, i, run)
    {
        check(run, 100);
        assert_string_equal(json_string_value(json_object_get(run, "arbiter")), names[i]);
    }
    json_decref(object);
}

static void table(void **state)
{
    const char *const arguments[] = {"contracts",
                                     "--tasks=4",
                                     "--warmup=0s",
                                     "--duration=50ms",
                                     "--requests=100",
                                     "--grace=60s",
                                     "--recall=20/2",
                                     RUNNING_ON_VALGRIND ? "--no-baseline" : NULL,
                                     NULL};
    char *output, *errors;

    (void)state;
    bench(0, arguments, &output, &errors);
    assert_non_null(strstr(output, "propose "));
    assert_non_null(strstr(output, "p99.99"));
    if (!RUNNING_ON_VALGRIND) {
        assert_non_null(strstr(output, "bare socket"));
        assert_non_null(strstr(output, "as late as it may"));
    }
    assert_non_null(strstr(output, "Recall of 20 frames from 2 tasks"));
    assert_non_null(strstr(output, "tasks in this process on core"));
    assert_non_null(strstr(output, "the books are right"));
    free(output);
    free(errors);
}

static void no_such_bench(void **state)
{
    char *output, *errors;

    (void)state;
    bench(2, (const char *[]){"nothing", NULL}, &output, &errors);
    assert_string_equal(output, "");
    assert_non_null(strstr(errors, "unknown command nothing (see selfpage bench --help)"));
    free(output);
    free(errors);
}

/* What an attack costs the server is measured, and not only judged. */
static void an_attack_that_takes_memory_and_descriptors_shows_both(void **state)
{
    static const char *const arguments[] = {"hostile", "--short",   "--bound=60s", "--only=extents",
                                            "--json",  "--seed=11", NULL};
    json_t *object = bench_object(arguments);
    const json_t *attack = json_array_get(json_object_get(object, "attacks"), 0);

    (void)state;
    assert_int_equal(json_integer_value(json_object_get(object, "seed")), 11);
    assert_string_equal(json_string_value(json_object_get(attack, "attack")), "extents");
    assert_true(json_integer_value(json_object_get(attack, "memory_bytes")) > 0);
    assert_true(json_integer_value(json_object_get(attack, "descriptors")) > 100);
    assert_true(json_integer_value(json_object_get(attack, "served")) > 0);
    assert_int_equal(json_array_size(json_object_get(attack, "rounds_ns")),
                     1); /* it held at once */
    assert_int_equal(number(object, "control", "served") > 0, 1);
    assert_int_equal(json_integer_value(json_object_get(object, "rounds")), 5);
    json_decref(object);
}

/* A directory of programs in which physmem is slow when much arrives at once; remove_slow_programs. */
static char *slow_programs(void)
{
    char *directory = strdup("/tmp/selfpage-slow-XXXXXX"), path[128];
    FILE *script;

    assert_non_null(directory);
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/selfpage-swap", directory);
    assert_int_equal(symlink(TEST_BINDIR "/selfpage-swap", path), 0);
    snprintf(path, sizeof(path), "%s/selfpage-physmem", directory);
    script = fopen(path, "w");
    assert_non_null(script);
    fprintf(script,
            "#!/bin/sh\n"
            "export ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0\n"
            "LD_PRELOAD=%s exec %s/selfpage-physmem \"$@\"\n",
            TEST_SLOW, TEST_BINDIR);
    assert_int_equal(fchmod(fileno(script), 0755), 0);
    assert_int_equal(fclose(script), 0);
    return directory;
}

static void remove_slow_programs(char *directory)
{
    static const char *const names[] = {"selfpage-swap", "selfpage-physmem"};
    char path[128];

    for (unsigned i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(directory), 0);
    free(directory);
}

/* A server that an attack holds for 8 ms, whatever the machine does besides, is found in each round. */
static void a_wait_that_an_attack_causes_is_found_in_each_round(void **state)
{
    static const char *const arguments[] = {
        "hostile", "--only=allocate", "--short", "--duration=300ms", "--rounds=2", "--json", NULL};
    char *directory, *output, *errors;
    json_t *object, *rounds;
    const json_t *attack;

    (void)state;
    if (RUNNING_ON_VALGRIND || getenv("SELFPAGE_EMULATED") != NULL)
        skip(); /* those are what would be preloaded */
    directory = slow_programs();
    assert_int_equal(setenv("SELFPAGE_BINDIR", directory, 1), 0);
    bench(1, arguments, &output, &errors);
    assert_int_equal(unsetenv("SELFPAGE_BINDIR"), 0);
    remove_slow_programs(directory);
    object = json_loads(output, JSON_REJECT_DUPLICATES, NULL);
    attack = json_array_get(json_object_get(object, "attacks"), 0);
    rounds = json_object_get(attack, "rounds_ns");
    assert_true(json_is_false(json_object_get(attack, "held")));
    assert_true(json_is_true(json_object_get(attack, "books")));
    assert_int_equal(json_array_size(rounds), 2);
    for (size_t i = 0; i < 2; i++)
        assert_true(json_integer_value(json_array_get(rounds, i)) > 5000000);
    json_decref(object);
    free(output);
    free(errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_loop_with_baselines),
        cmocka_unit_test(an_attack_that_takes_memory_and_descriptors_shows_both),
        cmocka_unit_test(a_wait_that_an_attack_causes_is_found_in_each_round),
        cmocka_unit_test(open_loop),
        cmocka_unit_test(several_processes),
        cmocka_unit_test(overcommitted),
        cmocka_unit_test(slow_tasks),
        cmocka_unit_test(silent_tasks),
        cmocka_unit_test(demands_weights_and_idle_tasks),
        cmocka_unit_test(settings_are_told),
        cmocka_unit_test(arbiters_side_by_side),
        cmocka_unit_test(table),
        cmocka_unit_test(no_such_bench),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
