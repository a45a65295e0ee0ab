/* The benchmarks run, and what they print can be read. What they measure is not looked at: a test
 * must not depend on how busy the machine is. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MOST 65536

/* Run a benchmark with `options`; returns its exit status, and its standard output in `output`. */
static int run(const char *name, const char *options, char *output)
{
    char command[4096];
    size_t length = 0, got;
    FILE *pipe;
    int status;

    snprintf(command, sizeof(command), "%s/%s %s", TEST_BINDIR, name, options);
    pipe = popen(command, "re");
    assert_non_null(pipe);
    while ((got = fread(output + length, 1, OUTPUT_MOST - 1 - length, pipe)) > 0)
        length += got;
    output[length] = '\0';
    status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void check_row(const json_t *row)
{
    static const char *const sides[] = {"subject", "baseline", "ratio"};

    assert_non_null(json_string_value(json_object_get(row, "name")));
    assert_true(json_is_null(json_object_get(row, "held")));
    if (json_is_real(json_object_get(row, "value")))
        return;
    for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) {
        const json_t *side = json_object_get(row, sides[i]);
        double low = json_real_value(json_object_get(side, "low"));
        double median = json_real_value(json_object_get(side, "median"));

        assert_true(low > 0);
        assert_true(low <= median);
        assert_true(median <= json_real_value(json_object_get(side, "high")));
    }
}

/* One benchmark pins nothing: it lets both sides have all cores. */
static bool pins(const char *name)
{
    return strcmp(name, "bench_kernel_swap") != 0 && strcmp(name, "bench_swap_pair") != 0;
}

static void check_thread(const json_t *thread, bool pinned)
{
    assert_non_null(json_string_value(json_object_get(thread, "process")));
    assert_true(json_integer_value(json_object_get(thread, "pid")) > 0);
    assert_true(json_is_integer(json_object_get(thread, "last_core")));
    assert_int_equal(json_is_integer(json_object_get(thread, "pinned_to")), pinned);
}

static void runs_and_prints_json(void **state)
{
    const char *name = *state;
    char *output = malloc(OUTPUT_MOST);
    json_error_t error;
    const json_t *rows, *threads;
    json_t *root;

    assert_non_null(output);
    assert_int_equal(run(name, "--smoke --json", output), 0);
    root = json_loads(output, 0, &error);
    if (root == NULL)
        fail_msg("%s: %s at line %d of:\n%s", name, error.text, error.line, output);
    assert_string_equal(json_string_value(json_object_get(root, "bench")), name);
    assert_string_equal(json_string_value(json_object_get(root, "cores")), "same");
    assert_true(json_is_null(json_object_get(root, "held")));
    rows = json_object_get(root, "rows");
    assert_true(json_array_size(rows) > 0);
    for (size_t i = 0; i < json_array_size(rows); i++)
        check_row(json_array_get(rows, i));
    threads = json_object_get(root, "threads");
    assert_true(json_array_size(threads) > 0);
    for (size_t i = 0; i < json_array_size(threads); i++)
        check_thread(json_array_get(threads, i), pins(name));
    json_decref(root);
    free(output);
}

static void options_are_checked(void **state)
{
    char *output = malloc(OUTPUT_MOST);

    (void)state;
    assert_non_null(output);
    assert_int_equal(run("bench_soft_fault", "--help", output), 0);
    assert_non_null(strstr(output, "--cores same|different"));
    assert_int_equal(run("bench_soft_fault", "--cores some 2>&1", output), 2);
    assert_non_null(strstr(output, "'some' is neither same nor different"));
    assert_int_equal(run("bench_soft_fault", "--rounds 0 2>&1", output), 2);
    assert_non_null(strstr(output, "\"0\" is not a number from 1 to"));
    assert_int_equal(run("bench_soft_fault", "everything 2>&1", output), 2);
    assert_non_null(strstr(output, "unexpected argument \"everything\""));
    free(output);
}

/* Bars, with their names. */
static void a_picture_is_drawn(void **state)
{
    char *output = malloc(OUTPUT_MOST);
    char path[] = "/tmp/selfpage-bench-XXXXXX.svg", options[200];
    int fd = mkstemps(path, 4);
    size_t length;
    FILE *file;

    (void)state;
    assert_non_null(output);
    assert_true(fd >= 0);
    snprintf(options, sizeof(options), "--smoke --rounds 1 --picture %s", path);
    assert_int_equal(run("bench_regenerate", options, output), 0);
    close(fd); /* the picture is another file, which takes the place of this one */
    file = fopen(path, "re");
    assert_non_null(file);
    length = fread(output, 1, OUTPUT_MOST - 1, file);
    output[length] = '\0';
    fclose(file);
    unlink(path);
    assert_non_null(strstr(output, "<svg"));
    assert_non_null(strstr(output, ">regenerate<"));
    free(output);
}

#define RUNS(name)                                                                                 \
    {                                                                                              \
        name, runs_and_prints_json, NULL, NULL, (void *)name                                       \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(a_picture_is_drawn),
        RUNS("bench_soft_fault"),
        RUNS("bench_first_touch"),
        RUNS("bench_map_round_trip"),
        RUNS("bench_frame_stack"),
        RUNS("bench_stacked"),
        RUNS("bench_logical_copy"),
        RUNS("bench_file_read"),
        RUNS("bench_containers"),
        RUNS("bench_evict_swap"),
        RUNS("bench_swap_devices"),
        RUNS("bench_swap_fio"),
        RUNS("bench_swap_pair"),
        RUNS("bench_kernel_swap"),
        RUNS("bench_memory"),
        RUNS("bench_regenerate"),
        RUNS("bench_fixture_start"),
        RUNS("bench_replay"),
        RUNS("bench_world_events"),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
