/* Against the miss counts of libCacheSim, over its sample of a real trace and over synthetic ones:
 * equal where there is one right answer, near where papers leave room. The folder of traces is
 * $SELFPAGE_TRACES, or shared/traces beside the sources; without it the test is skipped. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <valgrind/valgrind.h>

#include "policy/registry.h"
#include "replay/engine.h"
#include "replay/pass.h"
#include "scratch.h"

#define ROWS      128u
#define TOLERANCE 0.005 /* of the miss ratio */

struct row {
    char trace[64], policy[16];
    unsigned frames;
    unsigned long long references, misses;
};

static struct row rows[ROWS];
static struct engine engines[ROWS];
static struct pool_job jobs[ROWS];

static const char *folder(void)
{
    const char *given = getenv("SELFPAGE_TRACES");

    return given != NULL && *given != '\0' ? given : TEST_TRACES;
}

/* The rows of expected.csv about `trace`. */
static size_t load_rows(const char *trace)
{
    char path[1024], line[256];
    size_t count = 0;
    FILE *file;

    snprintf(path, sizeof(path), "%s/expected.csv", folder());
    file = fopen(path, "r");
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof(line), file) != NULL && count < ROWS) {
        struct row *row = &rows[count];

        if (sscanf(line, "%63[^,],%15[^,],%u,%llu,%llu", row->trace, row->policy, &row->frames,
                   &row->references, &row->misses) == 5 &&
            strcmp(row->trace, trace) == 0)
            count++;
    }
    fclose(file);
    return count;
}

static bool is_exact(const char *policy)
{
    static const char *const exact[] = {"fifo", "lru", "clock", "sieve", "belady"};

    for (size_t i = 0; i < sizeof(exact) / sizeof(exact[0]); i++)
        if (strcmp(policy, exact[i]) == 0)
            return true;
    return false;
}

static void run_engine(void *context, const struct batch *batch)
{
    engine_run(context, batch->references, batch->next, batch->count);
}

static unsigned judge(const struct row *row, const struct engine *engine)
{
    double difference = (double)engine->counts.misses - (double)row->misses;
    double ratio = difference / (double)row->references;

    assert_int_equal(engine->counts.references, row->references);
    assert_int_equal(engine->counts.policy_errors, 0);
    if (difference == 0 || (!is_exact(row->policy) && ratio < TOLERANCE && ratio > -TOLERANCE))
        return 0;
    print_error("%s: %s at %u frames: %llu misses, libCacheSim has %llu (%+.2f %%)\n", row->trace,
                row->policy, row->frames, (unsigned long long)engine->counts.misses, row->misses,
                100 * ratio);
    return 1;
}

static void run_rows(const char *path, size_t count)
{
    struct trace_options options = {NULL, 0, 0};
    struct sp_error error;
    static struct trace trace;
    struct page_table table;
    struct future future;
    struct pass pass = {.trace = &trace, .table = &table, .future = &future};
    unsigned bad = 0;
    uint32_t most;

    if (trace_open(&trace, path, &options, &error) != 0)
        fail_msg("%s", error.text);
    most = pass_pages_most(&trace, PASS_PAGES_MOST);
    assert_int_equal(page_table_init(&table, most), 0);
    assert_int_equal(future_init(&future, false, most, &error), 0);
    assert_int_equal(pass_scan(&pass, &error), 0);
    assert_int_equal(trace_rewind(&trace, &error), 0);
    for (size_t i = 0; i < count; i++) {
        struct policy_choice choice;

        if (policy_params_choose(&choice, rows[i].policy, &error) != 0 ||
            engine_init(&engines[i], &choice, rows[i].frames, most, 1, true, &error) != 0)
            fail_msg("%s", error.text);
        jobs[i] = (struct pool_job){.run = run_engine, .context = &engines[i]};
    }
    if (pass_run(&pass, jobs, count, 2, &error) != 0)
        fail_msg("%s", error.text);
    for (size_t i = 0; i < count; i++) {
        bad += judge(&rows[i], &engines[i]);
        engine_fini(&engines[i]);
    }
    future_fini(&future);
    page_table_fini(&table);
    trace_fini(&trace);
    assert_int_equal(bad, 0);
}

static void test_real(void **state)
{
    size_t count = load_rows("cloudphysics");
    char path[1024];

    (void)state;
    if (count == 0 || RUNNING_ON_VALGRIND) {
        print_message("skipped: no traces in %s, or under valgrind\n", folder());
        skip();
    }
    snprintf(path, sizeof(path), "%s/cloudphysics.oracleGeneral", folder());
    run_rows(path, count);
}

static void run_generated(const char *arguments)
{
    size_t count = load_rows(arguments);
    struct scratch scratch;
    char command[2048];

    if (count == 0 || RUNNING_ON_VALGRIND || system("python3 -c '' 2> /dev/null") != 0) {
        print_message("skipped: no traces in %s, or no python3, or under valgrind\n", folder());
        skip();
    }
    scratch_init(&scratch);
    snprintf(command, sizeof(command), "python3 '%s/gen.py' %s > %s", folder(), arguments,
             scratch_path(&scratch, "trace.txt"));
    assert_int_equal(system(command), 0);
    run_rows(scratch.path, count);
    assert_int_equal(unlink(scratch.path), 0);
    scratch_fini(&scratch);
}

static void test_zipf(void **state)
{
    (void)state;
    run_generated("zipf 1000000 100000 1");
}

static void test_loopscan(void **state)
{
    (void)state;
    run_generated("loopscan 1000000 100000 1");
}

static void test_phases(void **state)
{
    (void)state;
    run_generated("phases 1000000 100000 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real),
        cmocka_unit_test(test_zipf),
        cmocka_unit_test(test_loopscan),
        cmocka_unit_test(test_phases),
    };

    return cmocka_run_group_tests_name("replay/known", tests, NULL, NULL);
}
