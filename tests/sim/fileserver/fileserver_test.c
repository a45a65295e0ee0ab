/* A real file server, its clients, and clients that mean it ill. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <selfpage/file.h>
#include <selfpage/testing.h>

#include "awaiting.h"
#include "live.h"
#include "stage.h"
#include "wire_client.h"

/* ---- Reading ---- */

static int read_large(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    struct sp_files *files = stage_connect(task);
    struct sp_file_info info;
    struct sp_error error;
    static char bytes[PAGES * 4096];
    size_t size = PAGES * PAGE - 100;

    (void)arg;
    CHECK(sp_file_open(files, "large", &info, NULL) == 0);
    CHECK(info.form == SP_FILE_REGULAR && info.size == size);
    CHECK(sp_file_read(files, info.file, 0, bytes, sizeof(bytes), NULL) == (int64_t)size);
    for (size_t i = 0; i < size; i++)
        CHECK(bytes[i] == stage_byte(i));
    CHECK(sp_file_read(files, info.file, 70000, bytes, 9, NULL) == 9);
    CHECK(bytes[0] == stage_byte(70000) && bytes[8] == stage_byte(70008));
    CHECK(sp_file_read(files, info.file, 65530, bytes, 12, NULL) == 12);
    CHECK(bytes[5] == stage_byte(65535) && bytes[6] == stage_byte(65536));
    CHECK(sp_file_read(files, info.file, size, bytes, 9, NULL) == 0);
    CHECK(sp_file_read(files, info.file, size - 2, bytes, 9, NULL) == 2);
    CHECK(sp_file_read(files, info.file, UINT64_C(1) << 43, bytes, 9, NULL) == 0);
    CHECK(sp_file_read(files, info.file, UINT64_C(1) << 44, bytes, 9, &error) == -EFBIG);
    CHECK(sp_file_close(files, info.file, NULL) == 0);
    CHECK(sp_file_close(files, info.file, &error) == -EBADF);
    CHECK(sp_file_read(files, info.file, 0, bytes, 9, &error) == -EBADF);
    sp_files_disconnect(&files);
    return sp_detach(&task);
}

static void test_ten_tasks_that_read_one_file_hold_its_pages_once(void **state)
{
    struct stage *stage = *state;
    struct sp_testing_task *task[10];
    struct sp_testing_physmem status;

    for (unsigned i = 0; i < 10; i++)
        task[i] = stage_begin(stage, "reader", read_large, NULL);
    for (unsigned i = 0; i < 10; i++)
        stage_expect_success(task[i]);
    assert_int_equal(sp_testing_physmem_status(stage->fixture, &status, NULL), 0);
    /* Bytes were moved once, into the cache's clean extents. */
    assert_int_equal(status.moved, PAGES);
    assert_true(status.copies > 10 * PAGES);
    assert_true(status.locks >= 10 * 3);
    assert_int_equal(status.locks_expired, 0);
}

/* ---- Round trips ---- */

#define CACHED_READS 50u

static void read_64k(struct sp_files *files, uint32_t file)
{
    static char bytes[65536];

    CHECK(sp_file_read(files, file, 65536, bytes, sizeof(bytes), NULL) == sizeof(bytes));
    CHECK(bytes[0] == stage_byte(65536) && bytes[65535] == stage_byte(2 * 65536 - 1));
}

/* What physmem, and the file server, have counted. */
static void ask_counters(struct wire_client *physmem, struct wire_client *files,
                         struct wire_message *told)
{
    struct wire_message message = {.type = WIRE_STATUS};

    CHECK(wire_client_call(physmem, &message, -1, &told[0]) == 0);
    while (told[0].type != WIRE_PHYSMEM_STATUS)
        CHECK(wire_client_receive(physmem, &told[0], NULL) == 0);
    CHECK(wire_client_call(files, &message, -1, &told[1]) == 0);
}

/* A server handles what was sent together in one pass of its loop, and here only one thing happens
 * at a time: passes are round trips. */
static int count_round_trips(void *arg)
{
    const struct stage *stage = arg;
    const char *path = getenv("SELFPAGE_PHYSMEM");
    struct sp_task *task = attach_or_exit(NULL);
    struct sp_files *files = stage_connect(task);
    struct wire_client physmem, server;
    struct wire_message before[2], after[2];
    struct sp_file_info info;
    uint64_t passes, asked;

    CHECK(wire_client_open(&physmem, path, WIRE_ROLE_OBSERVER, 0, 0, "look", NULL) == 0);
    CHECK(wire_client_open(&server, stage->socket, WIRE_ROLE_OBSERVER, 0, 0, "look", NULL) == 0);
    CHECK(sp_file_open(files, "large", &info, NULL) == 0);
    read_64k(files, info.file);
    read_64k(files, info.file);
    ask_counters(&physmem, &server, before);
    for (unsigned i = 0; i < CACHED_READS; i++)
        read_64k(files, info.file);
    ask_counters(&physmem, &server, after);
    passes = after[0].physmem_status.passes - before[0].physmem_status.passes - 1;
    asked = after[1].files_status.messages - before[1].files_status.messages - 1;
    CHECK(after[1].files_status.hits - before[1].files_status.hits == CACHED_READS);
    CHECK(asked == CACHED_READS);
    if (passes + asked != 4 * CACHED_READS) {
        fprintf(stderr, "%u reads took %u round trips\n", CACHED_READS, (unsigned)(passes + asked));
        exit(1);
    }
    wire_client_close(&server);
    wire_client_close(&physmem);
    sp_files_disconnect(&files);
    return sp_detach(&task);
}

static void test_a_cached_read_of_64_kib_takes_four_round_trips(void **state)
{
    stage_expect_success(stage_begin(*state, "counter", count_round_trips, *state));
}

/* ---- Names ---- */

static int open_what_cannot_be(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    struct sp_files *files = stage_connect(task);
    static char name[2000];
    struct sp_file_info info;
    struct sp_error error;

    (void)arg;
    CHECK(sp_file_open(files, "absent", &info, &error) == -ENOENT);
    CHECK(strcmp(error.text, "the file server cannot open \"absent\": No such file or directory") ==
          0);
    CHECK(sp_file_open(files, "x/y", &info, &error) == -ENOTDIR);
    CHECK(sp_file_open(files, "/etc/passwd", &info, &error) == -EXDEV);
    CHECK(sp_file_open(files, "../root/x", &info, &error) == -EXDEV);
    CHECK(strstr(error.text, "\"../root/x\": it leads out of the directory that is served") !=
          NULL);
    CHECK(sp_file_open(files, "d/../../root/x", &info, &error) == -EXDEV);
    CHECK(sp_file_open(files, "out/passwd", &info, &error) == -EXDEV);
    memset(name, 'a', sizeof(name) - 1);
    CHECK(sp_file_open(files, name, &info, &error) == -ENAMETOOLONG);
    for (unsigned i = 0; i < 4; i++)
        CHECK(sp_file_open(files, "d", &info, NULL) == 0 && info.form == SP_FILE_DIRECTORY);
    CHECK(sp_file_open(files, "", &info, &error) == -EMFILE);
    for (unsigned i = 0; i < 60; i++)
        CHECK(sp_file_open(files, "d/link", &info, NULL) == 0);
    CHECK(sp_file_open(files, "x", &info, &error) == -EMFILE);
    sp_files_disconnect(&files);
    return sp_detach(&task);
}

static void test_no_name_leads_out_of_the_root(void **state)
{
    stage_expect_success(stage_begin(*state, "escaper", open_what_cannot_be, NULL));
}

static int read_twice(void *arg)
{
    const int *ends = arg;
    struct sp_task *task = attach_or_exit(NULL);
    struct sp_files *files = stage_connect(task);
    struct sp_file_info info;
    char bytes[16] = "";

    CHECK(sp_file_open(files, "x", &info, NULL) == 0);
    CHECK(sp_file_read(files, info.file, 0, bytes, 5, NULL) == 5 &&
          memcmp(bytes, "a\nfoo", 5) == 0);
    CHECK(write(ends[1], "", 1) == 1 && read(ends[2], bytes, 1) == 1);
    CHECK(sp_file_read(files, info.file, 0, bytes, 16, NULL) == 3 && memcmp(bytes, "new", 3) == 0);
    sp_files_disconnect(&files);
    return sp_detach(&task);
}

static void test_a_file_that_has_changed_is_read_again(void **state)
{
    struct stage *stage = *state;
    struct sp_testing_task *task;
    int ends[4];
    char byte;

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pipe(ends + 2), 0);
    task = stage_begin(stage, "reader", read_twice, ends);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    stage_write_text(stage, "x", "new");
    assert_int_equal(write(ends[3], "", 1), 1);
    stage_expect_success(task);
    close(ends[0]);
    close(ends[2]);
    close(ends[3]);
}

static uint32_t owed(const struct stage *stage, struct sp_testing_task_status *status)
{
    assert_int_equal(sp_testing_task_status(stage->fixture, "files", status, NULL), 0);
    return status->breached ? 0 : status->owed;
}

/* The cache is recalled, softly released, and recovered or read again. */
static void test_the_cache_gives_its_frames_back_when_they_are_recalled(void **state)
{
    struct stage *stage = *state;
    struct sp_testing_task_status status;
    struct sp_error error;

    for (unsigned round = 0; round < 3; round++) {
        stage_expect_success(stage_begin(stage, "reader", read_large, NULL));
        assert_int_equal(sp_testing_task_status(stage->fixture, "files", &status, NULL), 0);
        assert_true(status.held >= 48);
        if (sp_testing_recall(stage->fixture, "files", 20, &error) != 0)
            fail_msg("%s", error.text);
        AWAIT(stage->server, owed(stage, &status) == 0);
        assert_false(status.breached);
        assert_true(status.soft >= 20);
    }
    assert_int_equal(status.recalls_missed, 0);
    stage_expect_success(stage_begin(stage, "reader", read_large, NULL));
}

/* ---- grep ---- */

static void compare_grep(struct stage *stage, const char *pattern, const char *path,
                         const char *processes)
{
    static char wanted[65536], got[65536];
    char command[2048], file[512];
    const char *argv[] = {"selfpage-grep", "--processes", processes, "--output", file,
                          pattern,         path,          NULL};
    struct sp_testing_result result;
    struct sp_error error;

    snprintf(file, sizeof(file), "%s/found", sp_testing_directory(stage->fixture));
    snprintf(command, sizeof(command),
             "cd %s && LC_ALL=C grep -rnF '%s' '%s' 2>/dev/null | LC_ALL=C sort", stage->root,
             pattern, path);
    stage_shell(wanted, sizeof(wanted), command);
    if (sp_testing_run_program(stage->fixture, "guaranteed=24", NULL, argv, &result, &error) != 0)
        fail_msg("%s", error.text);
    if (result.exit_status > 1)
        fail_msg("grep ended with %d: %s", result.exit_status, result.output);
    snprintf(command, sizeof(command), "cat %s", file);
    stage_shell(got, sizeof(got), command);
    if (strcmp(wanted, got) != 0)
        fail_msg("'%s' in '%s':\n%s\ninstead of:\n%s", pattern, path, got, wanted);
}

static void test_grep_prints_what_grep_prints(void **state)
{
    static const char *const cases[][3] = {
        {"foo", ".", "1"},       {"foo", ".", "3"},     {"foo", "d/", "2"},
        {"foo", "d", "1"},       {"foo", "x", "2"},     {"", "x", "1"},
        {"foo", "d/link", "1"},  {"absent", ".", "1"},  {"\xc3\xa9", ".", "1"},
        {"bar\nzfoo", ".", "1"}, {"foo", "empty", "1"}, {"f.o", ".", "1"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        compare_grep(*state, cases[i][0], cases[i][1], cases[i][2]);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, stage_setup, stage_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_ten_tasks_that_read_one_file_hold_its_pages_once),
        TEST(test_a_cached_read_of_64_kib_takes_four_round_trips),
        TEST(test_no_name_leads_out_of_the_root),
        TEST(test_a_file_that_has_changed_is_read_again),
        TEST(test_the_cache_gives_its_frames_back_when_they_are_recalled),
        TEST(test_grep_prints_what_grep_prints),
    };

    return cmocka_run_group_tests_name("sim/fileserver/fileserver", tests, NULL, NULL);
}
