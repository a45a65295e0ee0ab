/* Regions backed by files of a file server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <valgrind/valgrind.h>

#include "base/random.h"
#include "live.h"
#include "scale.h"
#include "stage.h"

#define TASKS 10u
#define SIZE  (PAGES * PAGE - 100) /* of the file "large" */

static void *open_region(struct sp_task *task, const struct sp_file_region_options *options,
                         struct sp_file_region **regionp)
{
    struct sp_error error = {0};
    void *base;

    if (sp_file_region_create(task, options, regionp, &base, &error) != 0) {
        fprintf(stderr, "region: %s\n", error.text);
        exit(1);
    }
    return base;
}

static void expect_large(const char *bytes, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        CHECK(bytes[i] == (i < SIZE ? stage_byte(i) : '\0'));
}

/* ---- Sharing ---- */

struct barrier {
    int ready[2]; /* a byte of each task that has read all */
    int go[2];    /* closed when they may end */
};

static int read_and_hold(void *arg)
{
    const struct barrier *barrier = arg;
    struct sp_task *task = attach_or_exit(NULL);
    struct sp_file_region *region;
    const char *bytes = open_region(
        task, &(struct sp_file_region_options){.path = "large", .frames = PAGES}, &region);
    char byte;

    close(barrier->go[1]);
    CHECK(sp_file_region_size(region) == SIZE);
    expect_large(bytes, 0, PAGES * PAGE);
    CHECK(write(barrier->ready[1], "", 1) == 1);
    CHECK(read(barrier->go[0], &byte, 1) == 0);
    expect_large(bytes, 0, PAGES * PAGE);
    sp_file_region_destroy(&region);
    return sp_detach(&task);
}

static struct sp_testing_task *begin_with(const struct stage *stage, const char *contract,
                                          int (*function)(void *), void *arg)
{
    struct sp_testing_task *task;
    struct sp_error error;

    if (sp_testing_begin(stage->fixture, "reader", contract, NULL, function, arg, &task, &error) !=
        0)
        fail_msg("%s", error.text);
    return task;
}

static void test_ten_tasks_that_map_one_file_hold_one_frame_a_page(void **state)
{
    const struct stage *stage = *state;
    struct sp_testing_task *task[TASKS];
    struct sp_testing_physmem status;
    struct barrier barrier;
    char byte;

    assert_int_equal(pipe(barrier.ready) | pipe(barrier.go), 0);
    for (unsigned i = 0; i < TASKS; i++)
        task[i] = begin_with(stage, "guaranteed=50", read_and_hold, &barrier);
    for (unsigned i = 0; i < TASKS; i++)
        assert_int_equal(read(barrier.ready[0], &byte, 1), 1);
    assert_int_equal(sp_testing_physmem_status(stage->fixture, &status, NULL), 0);
    assert_int_equal(status.shared, PAGES); /* each with eleven slots: the cache's is one */
    assert_int_equal(status.moved, PAGES);  /* once, to where all can read them */
    assert_true(status.copies >= TASKS * PAGES);
    assert_int_equal(status.broken, 0);
    close(barrier.go[1]);
    for (unsigned i = 0; i < TASKS; i++)
        stage_expect_success(task[i]);
    close(barrier.go[0]);
    close(barrier.ready[0]);
    close(barrier.ready[1]);
}

/* ---- Writing ---- */

static int write_privately(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    struct sp_files *files = stage_connect(task);
    const struct sp_file_region_options own = {.path = "large", .flags = SP_FILE_PRIVATE},
                                        shared = {.path = "large", .offset = 65536, .pages = 17};
    struct sp_file_region *one, *other, *third;
    char *written = open_region(task, &own, &one);
    const char *fresh = open_region(task, &own, &other);
    const char *part = open_region(task, &shared, &third);
    struct sp_file_info info;
    char byte;

    (void)arg;
    CHECK(sp_file_region_size(third) == 17 * PAGE);
    for (size_t i = 0; i < PAGES; i += 3)
        written[i * PAGE + i] = '!';
    for (size_t i = 0; i < PAGES * PAGE; i++)
        CHECK(written[i] == (i / PAGE % 3 == 0 && i % PAGE == i / PAGE ? '!'
                             : i < SIZE                                ? stage_byte(i)
                                                                       : '\0'));
    expect_large(fresh, 0, PAGES * PAGE);
    for (size_t i = 0; i < 17 * PAGE; i++)
        CHECK(part[i] == stage_byte(65536 + i));
    CHECK(sp_file_open(files, "large", &info, NULL) == 0);
    CHECK(sp_file_read(files, info.file, 0, &byte, 1, NULL) == 1 && byte == stage_byte(0));
    sp_file_region_destroy(&one);
    sp_file_region_destroy(&one);
    expect_large(fresh, 0, PAGES * PAGE);
    sp_file_region_destroy(&other);
    sp_file_region_destroy(&third);
    sp_files_disconnect(&files);
    return sp_detach(&task);
}

static void test_a_write_to_a_private_region_is_seen_by_nobody_else(void **state)
{
    stage_expect_success(begin_with(*state, "guaranteed=200", write_privately, NULL));
}

static int write_to_shared(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    struct sp_file_region *region;
    char *bytes = open_region(task, &(struct sp_file_region_options){.path = "large"}, &region);

    (void)arg;
    expect_large(bytes, 0, 1);
    bytes[0] = '!';
    return sp_detach(&task);
}

static void expect_segv(struct sp_testing_task *task, const char *words)
{
    struct sp_testing_result result;

    sp_testing_wait(&task, &result);
    assert_int_equal(result.signal, SIGSEGV);
    if (strstr(result.output, words) == NULL)
        fail_msg("'%s' is not in: %s", words, result.output);
}

static void test_a_shared_region_is_read_only(void **state)
{
    expect_segv(begin_with(*state, "guaranteed=24", write_to_shared, NULL), "");
}

/* ---- Few frames ---- */

static int read_at_random(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    struct random_source random = random_seeded(11);
    struct sp_file_region *region;
    const char *bytes =
        open_region(task, &(struct sp_file_region_options){.path = "large", .frames = 6}, &region);

    (void)arg;
    for (unsigned i = 0; i < (RUNNING_ON_VALGRIND ? 60u : 3000u); i++) {
        size_t at = random_below(&random, SIZE);

        CHECK(bytes[at] == stage_byte(at));
    }
    sp_file_region_destroy(&region);
    return sp_detach(&task);
}

static void test_a_file_larger_than_the_contract_is_read_through_a_few_frames(void **state)
{
    stage_expect_success(begin_with(*state, "guaranteed=8", read_at_random, NULL));
}

/* ---- Programs ---- */

static void run_program(const struct stage *stage, const char *contract, const char *const *argv)
{
    struct sp_testing_result result;
    struct sp_error error;

    if (sp_testing_run_program(stage->fixture, contract, NULL, argv, &result, &error) != 0)
        fail_msg("%s", error.text);
    if (result.exit_status != 0)
        fail_msg("%s ended with %d: %s", argv[0], result.exit_status, result.output);
}

static void expect_same(const char *command)
{
    char output[16];

    stage_shell(output, sizeof(output), command);
    assert_string_equal(output, "same\n");
}

static void test_programs_on_files_of_a_server_give_the_same_bytes(void **state)
{
    const struct stage *stage = *state;
    struct sp_testing_physmem status;
    char command[1200], one[512], other[512];
    const char *sort[] = {"selfpage-sort", "--served", "large", one, NULL};
    const char *cache[] = {"selfpage-pagecache", "--served", "--reads", "200", "large", NULL};
    const char *operations = scale_is_slow() ? "100" : "2000";
    const char *store[] = {"selfpage-kvstore", "--records", "100", "--operations", operations,
                           "--dump",           one,         NULL,  NULL,           NULL};

    snprintf(one, sizeof(one), "%s/one", sp_testing_directory(stage->fixture));
    snprintf(other, sizeof(other), "%s/other", sp_testing_directory(stage->fixture));
    run_program(stage, "guaranteed=60", sort);
    snprintf(command, sizeof(command), "LC_ALL=C sort %s/large | cmp - %s && echo same",
             stage->root, one);
    expect_same(command);
    run_program(stage, "guaranteed=24", cache); /* it compares by itself */
    run_program(stage, "guaranteed=60", store);
    store[6] = other;
    store[7] = "--served";
    store[8] = "large";
    run_program(stage, "guaranteed=24", store); /* what it writes goes to swap */
    snprintf(command, sizeof(command), "cmp %s %s && echo same", one, other);
    expect_same(command);
    assert_int_equal(sp_testing_physmem_status(stage->fixture, &status, NULL), 0);
    assert_true(status.swapped > 0);
}

/* ---- What goes wrong ---- */

static int create_wrongly(void *arg)
{
    static const struct {
        struct sp_file_region_options options;
        int error;
    } cases[] = {
        {{.path = NULL}, -EINVAL},
        {{.path = "large", .flags = 2}, -EINVAL},
        {{.path = "large", .offset = 4096}, -EINVAL},
        {{.path = "large", .offset = 65536u * 3}, -ENXIO},
        {{.path = "large", .pages = PAGES + 1}, -ENXIO},
        {{.path = "nothing"}, -ENXIO},
        {{.path = "absent"}, -ENOENT},
        {{.path = "../root/x"}, -EXDEV},
        {{.path = "d"}, -EISDIR},
        {{.path = "x", .server = "/nowhere"}, -ENOENT},
    };
    struct sp_task *task = attach_or_exit(NULL);

    (void)arg;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sp_file_region *region = NULL;
        struct sp_error error;
        void *base;
        int result = sp_file_region_create(task, &cases[i].options, &region, &base, &error);

        if (result != cases[i].error || region != NULL) {
            fprintf(stderr, "case %zu: %d\n", i, result);
            return 1;
        }
    }
    return sp_detach(&task);
}

static void test_a_region_that_cannot_be_is_refused(void **state)
{
    stage_expect_success(begin_with(*state, "guaranteed=24", create_wrongly, NULL));
}

/* Reads the first chunk of the file, lets the test do its worst, and reads on. */
static int read_on(void *arg)
{
    const struct barrier *barrier = arg;
    struct sp_task *task = attach_or_exit(NULL);
    struct sp_file_region *region;
    const char *bytes = open_region(
        task, &(struct sp_file_region_options){.path = "large", .frames = PAGES}, &region);
    char byte;

    close(barrier->go[1]);
    expect_large(bytes, 0, 65536);
    CHECK(write(barrier->ready[1], "", 1) == 1);
    CHECK(read(barrier->go[0], &byte, 1) == 0);
    expect_large(bytes, 0, 65536); /* what is there stays */
    expect_large(bytes, 65536, 65537);
    return sp_detach(&task);
}

static struct sp_testing_task *begin_reading_on(const struct stage *stage, struct barrier *barrier)
{
    struct sp_testing_task *task;
    char byte;

    assert_int_equal(pipe(barrier->ready) | pipe(barrier->go), 0);
    task = begin_with(stage, "guaranteed=50", read_on, barrier);
    assert_int_equal(read(barrier->ready[0], &byte, 1), 1);
    return task;
}

static void end_barrier(struct barrier *barrier)
{
    close(barrier->go[0]);
    close(barrier->ready[0]);
    close(barrier->ready[1]);
}

static void test_what_a_file_no_longer_has_cannot_be_touched(void **state)
{
    const struct stage *stage = *state;
    struct barrier barrier;
    struct sp_testing_task *task = begin_reading_on(stage, &barrier);

    stage_write_text(stage, "large", "short");
    close(barrier.go[1]);
    expect_segv(task, "cannot be filled");
    end_barrier(&barrier);
}

static void test_pages_that_are_there_outlive_the_server(void **state)
{
    struct stage *stage = *state;
    struct barrier barrier;
    struct sp_testing_task *task = begin_reading_on(stage, &barrier);

    assert_int_equal(kill(sp_testing_task_pid(stage->server), SIGKILL), 0);
    stage->killed = true;
    close(barrier.go[1]);
    expect_segv(task, "cannot be filled");
    end_barrier(&barrier);
}

static void test_a_server_that_ends_with_physmem_leaves_no_socket(void **state)
{
    struct stage *stage = *state;
    struct sp_testing_result result;

    assert_int_equal(access(stage->socket, F_OK), 0);
    assert_int_equal(sp_testing_kill(stage->fixture, SP_TESTING_PHYSMEM), 0);
    sp_testing_wait(&stage->server, &result);
    stage->over = true;
    assert_int_equal(result.exit_status, 2);
    assert_non_null(strstr(result.output, "physmem is gone"));
    assert_int_equal(access(stage->socket, F_OK), -1);
}

#define SMALL 16u /* frames of the region below */

/* Writes to all pages of a region that has frames for fewer. */
static int write_under_pressure(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    struct sp_file_region *region;
    char *bytes = open_region(task,
                              &(struct sp_file_region_options){
                                  .path = "large", .flags = SP_FILE_PRIVATE, .frames = SMALL},
                              &region);
    struct sp_availability availability;

    (void)arg;
    for (unsigned round = 0; round < 2; round++)
        for (size_t i = 0; i < PAGES; i++) {
            CHECK(bytes[i * PAGE + 1] == stage_byte(i * PAGE + 1));
            CHECK(bytes[i * PAGE] == (round == 0 ? stage_byte(i * PAGE) : '!'));
            bytes[i * PAGE] = '!';
        }
    CHECK(sp_get_availability(task, &availability, NULL) == 0 && availability.held <= SMALL);
    sp_file_region_destroy(&region);
    return sp_detach(&task);
}

static void test_what_is_written_to_a_private_region_goes_to_swap(void **state)
{
    const struct stage *stage = *state;
    struct sp_testing_physmem status;
    struct sp_error error;

    stage_expect_success(begin_with(stage, "guaranteed=24", write_under_pressure, NULL));
    assert_int_equal(sp_testing_physmem_status(stage->fixture, &status, NULL), 0);
    assert_true(status.swapped >= PAGES);
    if (sp_testing_await(stage->fixture, "physmem.swap_pages == 0", &error) != 0)
        fail_msg("%s", error.text);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, stage_setup, stage_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_ten_tasks_that_map_one_file_hold_one_frame_a_page),
        TEST(test_a_write_to_a_private_region_is_seen_by_nobody_else),
        TEST(test_a_shared_region_is_read_only),
        TEST(test_a_file_larger_than_the_contract_is_read_through_a_few_frames),
        TEST(test_programs_on_files_of_a_server_give_the_same_bytes),
        TEST(test_a_region_that_cannot_be_is_refused),
        TEST(test_what_a_file_no_longer_has_cannot_be_touched),
        TEST(test_pages_that_are_there_outlive_the_server),
        TEST(test_a_server_that_ends_with_physmem_leaves_no_socket),
        TEST(test_what_is_written_to_a_private_region_goes_to_swap),
    };

    return cmocka_run_group_tests_name("sim/fileserver/fileserver_region", tests, NULL, NULL);
}
