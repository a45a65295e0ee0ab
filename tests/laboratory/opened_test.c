/* Opening traces: from files, from bytes, from arrays. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <selfpage/replay.h>

#include "scratch.h"

static const char text[] = "7\n8\n7\n9\n8\n7\n"; /* one id a line */
static const uint64_t ids[] = {7, 8, 7, 9, 8, 7};

static uint64_t misses(struct sp_trace *trace, struct sp_replay_size size, int expected)
{
    const char *const policies[] = {"lru"};
    const struct sp_replay_options options = {.version = SP_REPLAY_VERSION,
                                              .policies = policies,
                                              .policy_count = 1,
                                              .sizes = &size,
                                              .size_count = 1};
    struct sp_replay *replay;
    struct sp_error error = {0};
    uint64_t count = 0;

    assert_int_equal(sp_replay_run(&replay, trace, &options, &error), expected);
    if (expected == 0) {
        assert_int_equal(sp_replay_result(replay, 0)->references, 6);
        count = sp_replay_result(replay, 0)->misses;
    } else {
        assert_null(replay);
        assert_non_null(strstr(error.text, "shares of its pages"));
    }
    sp_replay_free(&replay);
    return count;
}

static void test_every_way_to_open_gives_the_same(void **state)
{
    const struct sp_replay_size two = {.frames = 2};
    struct scratch scratch;
    struct sp_trace *trace;
    FILE *file;

    (void)state;
    scratch_init(&scratch);
    file = fopen(scratch_path(&scratch, "ids.txt"), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);

    assert_int_equal(sp_trace_open(&trace, scratch.path, NULL, NULL), 0);
    assert_true(sp_trace_rereadable(trace));
    assert_int_equal(misses(trace, two, 0), 5); /* only the third is a hit */
    assert_int_equal(misses(trace, two, 0), 5); /* read anew */
    sp_trace_close(&trace);
    assert_null(trace);

    assert_int_equal(sp_trace_from_bytes(&trace, text, sizeof(text) - 1, NULL, NULL), 0);
    assert_int_equal(misses(trace, two, 0), 5);
    sp_trace_close(&trace);

    assert_int_equal(sp_trace_from_ids(&trace, ids, NULL, 6, NULL), 0);
    assert_int_equal(misses(trace, two, 0), 5);
    assert_int_equal(misses(trace, two, 0), 5);
    sp_trace_close(&trace);
    unlink(scratch.path);
    scratch_fini(&scratch);
}

/* Frames as a share need a count of pages first, and a pipe cannot be read twice. */
static void test_a_pipe_is_read_once(void **state)
{
    char path[32];
    struct sp_trace *trace;
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], text, sizeof(text) - 1), sizeof(text) - 1);
    close(ends[1]);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
    assert_int_equal(sp_trace_open(&trace, path, NULL, NULL), 0);
    assert_false(sp_trace_rereadable(trace));
    misses(trace, (struct sp_replay_size){.share = 0.5}, -ESPIPE);
    sp_trace_close(&trace);
    close(ends[0]);
}

static void test_what_is_wrong_is_said(void **state)
{
    struct sp_trace_options options = {.version = SP_REPLAY_VERSION, .format = "nonsense"};
    struct sp_trace *trace;
    struct sp_error error;

    (void)state;
    assert_int_equal(sp_trace_open(&trace, "/nonexistent/trace", NULL, &error), -ENOENT);
    assert_null(trace);
    assert_non_null(strstr(error.text, "/nonexistent/trace"));
    assert_int_equal(sp_trace_from_bytes(&trace, text, 12, &options, &error), -EINVAL);
    assert_non_null(strstr(error.text, "nonsense"));
    assert_int_equal(sp_trace_from_ids(&trace, NULL, NULL, 3, &error), -EINVAL);
    assert_int_equal(sp_trace_from_bytes(&trace, NULL, 3, NULL, &error), -EINVAL);
    options = (struct sp_trace_options){.format = NULL};
    assert_int_equal(sp_trace_from_bytes(&trace, text, 12, &options, &error), -EPROTO);
    options.version = SP_REPLAY_VERSION + 1;
    assert_int_equal(sp_trace_from_bytes(&trace, text, 12, &options, &error), -EPROTO);
    assert_null(trace);
    sp_trace_close(&trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_way_to_open_gives_the_same),
        cmocka_unit_test(test_a_pipe_is_read_once),
        cmocka_unit_test(test_what_is_wrong_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
