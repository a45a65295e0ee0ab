/* Traces of live tasks: for every policy that runs live, a task under pressure writes one, and the
 * policy makes the same decisions from it again. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <valgrind/valgrind.h>

#include <selfpage/selfpage.h>
#include <selfpage/testing.h>

#include "base/random.h"
#include "live.h"
#include "scale.h"

#define PAGES 300u

struct run {
    char dir[64];
    char path[96];
    int dies; /* without detaching */
};

/* Everything that a policy hears of: faults, soft faults, pins, discards, hints, recalls. */
static int work(void *arg)
{
    const struct run *run = arg;
    struct sp_region_options options = {.pages = PAGES, .kind = SP_PRECIOUS};
    struct random_source random = random_seeded(1);
    uint32_t steps = scale_is_slow() ? 1000 : 3000;
    struct sp_task *task;
    unsigned char *memory;

    setenv("SELFPAGE_TRACE", run->path, 1);
    task = attach_or_exit(NULL);
    memory = region_or_exit(task, &options);
    for (uint32_t i = 0; i < steps; i++) {
        uint32_t page = random_below(&random, 3) > 0 ? random_below(&random, PAGES / 6)
                                                     : random_below(&random, PAGES);
        unsigned char *at = memory + (size_t)page * SP_PAGE_SIZE;

        if (random_below(&random, 2) == 0)
            at[i % SP_PAGE_SIZE]++;
        else
            CHECK(at[i % SP_PAGE_SIZE] < 255);
        /* Memcheck takes the large frames of these functions, entered after a fault that was
         * handled on another stack, for memory that is no stack: with a trace or without. */
        if (RUNNING_ON_VALGRIND)
            continue;
        if (i % 97 == 0)
            CHECK(sp_pin(task, at, 1, NULL) == 0 && sp_unpin(task, at, 1) == 0);
        if (i % 211 == 0)
            CHECK(sp_discard(task, at, 1) >= 0);
        if (i % 61 == 0)
            sp_advise(task, at, 1, (enum sp_hint)(i % 4));
    }
    return sp_detach(&task);
}

/* Run a command of selfpage; its output in `said`. Returns its exit status. */
static int selfpage(const char *arguments, const char *path, char *said, size_t size)
{
    char command[512];
    size_t length;
    FILE *out;
    int status;

    snprintf(command, sizeof(command), "'%s/selfpage' %s '%s' 2>&1", TEST_BINDIR, arguments, path);
    out = popen(command, "r");
    assert_non_null(out);
    length = fread(said, 1, size - 1, out);
    said[length] = '\0';
    status = pclose(out);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Take the last record away: its last byte, and those before it that say that another follows. */
static void cut_record(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    off_t size = lseek(fd, 0, SEEK_END);
    unsigned char byte = 0x80;

    assert_true(fd >= 0 && size > 1);
    for (size--; size > 0 && byte & 0x80; size--)
        assert_int_equal(pread(fd, &byte, 1, size - 1), 1);
    assert_int_equal(ftruncate(fd, size + 1), 0);
    close(fd);
}

static void check_policy(struct sp_testing *fixture, struct run *run, const char *policy)
{
    struct sp_testing_result result;
    struct sp_error error = {0};
    unsigned long long faults, soft_faults, victims;
    char said[1000];

    snprintf(run->path, sizeof(run->path), "%s/%s.sptrace", run->dir, policy);
    if (sp_testing_run(fixture, "guaranteed=40;extra=30", policy, work, run, &result, &error) != 0)
        fail_msg("%s: %s", policy, error.text);
    if (result.exit_status != 0)
        fail_msg("%s: status %d: %s", policy, result.exit_status, result.output);
    if (selfpage("decisions", run->path, said, sizeof(said)) != 0)
        fail_msg("%s: %s", policy, said);
    assert_int_equal(sscanf(strchr(said, ':'), ": %llu faults, %llu soft faults, %llu evictions",
                            &faults, &soft_faults, &victims),
                     3);
    assert_true(result.stats.evictions > 100);
    assert_true(victims >= result.stats.evictions); /* those that were skipped are named again */
    /* Another policy is found out; and the trace is one of references, too. */
    if (strcmp(policy, "fifo") != 0 && strcmp(policy, "random") != 0)
        assert_int_equal(selfpage("decisions --policy random", run->path, said, sizeof(said)), 1);
    assert_int_equal(
        selfpage("replay --quiet --csv --policy lru --frames 20 ", run->path, said, sizeof(said)),
        0);
    /* A trace that ends at the border of a record, and too early, is not taken for a whole one. */
    cut_record(run->path);
    assert_int_equal(selfpage("decisions", run->path, said, sizeof(said)), 2);
    if (strstr(said, "is cut off behind event") == NULL)
        fail_msg("%s", said);
    unlink(run->path);
}

/* What a file with this text begins with while a task that writes its trace there is attached. */
static int look_at_the_old_trace(void *arg)
{
    const struct run *run = arg;
    struct sp_task *task;
    char text[4] = "";
    FILE *file;

    setenv("SELFPAGE_TRACE", run->path, 1);
    task = attach_or_exit(NULL);
    file = fopen(run->path, "r");
    CHECK(file != NULL && fread(text, 1, 3, file) == 3 && strcmp(text, "old") == 0);
    fclose(file);
    if (run->dies)
        _exit(0);
    return sp_detach(&task);
}

/* An output never destroys an old file before the new one is whole. */
static void test_an_old_trace_stays_until_the_new_one_is_complete(void **state)
{
    struct run run = {.dir = "/tmp/selfpage-trace-XXXXXX"};
    char said[1000];
    FILE *file;

    assert_non_null(mkdtemp(run.dir));
    snprintf(run.path, sizeof(run.path), "%s/trace", run.dir);
    file = fopen(run.path, "w");
    assert_true(file != NULL && fputs("old", file) >= 0);
    fclose(file);
    for (run.dies = 1; run.dies >= 0; run.dies--) {
        struct sp_testing_result result;
        struct sp_error error = {0};

        if (sp_testing_run(*state, "guaranteed=40", NULL, look_at_the_old_trace, &run, &result,
                           &error) != 0)
            fail_msg("%s", error.text);
        if (result.exit_status != 0)
            fail_msg("status %d: %s", result.exit_status, result.output);
    }
    assert_int_equal(selfpage("decisions", run.path, said, sizeof(said)), 0);
    unlink(run.path);
    assert_int_equal(rmdir(run.dir), 0); /* and nothing is left beside it */
}

static void test_decisions(void **state)
{
    struct run run = {.dir = "/tmp/selfpage-trace-XXXXXX"};
    const struct sp_policy *policy;
    uint32_t checked = 0;

    assert_non_null(mkdtemp(run.dir));
    for (size_t i = 0; (policy = sp_builtin_policy(i)) != NULL; i++)
        if ((policy->flags & SP_POLICY_LIVE) != 0) {
            check_policy(*state, &run, policy->name);
            checked++;
        }
    assert_int_equal(rmdir(run.dir), 0);
    assert_true(checked >= 4);
}

/* What cannot be written is said before anything runs. */
static int unwritable(void *arg)
{
    struct sp_task *task;
    struct sp_error error = {0};

    (void)arg;
    setenv("SELFPAGE_TRACE", "/missing/trace", 1);
    CHECK(sp_attach(&task, NULL, &error) == -ENOENT);
    CHECK(strstr(error.text, "SELFPAGE_TRACE: cannot write /missing/trace") != NULL);
    return 0;
}

static void test_unwritable(void **state)
{
    struct sp_testing_result result;
    struct sp_error error = {0};

    if (sp_testing_run(*state, "guaranteed=40", "clock", unwritable, NULL, &result, &error) != 0)
        fail_msg("%s", error.text);
    assert_int_equal(result.exit_status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_decisions, sp_testing_setup, sp_testing_teardown),
        cmocka_unit_test_setup_teardown(test_an_old_trace_stays_until_the_new_one_is_complete,
                                        sp_testing_setup, sp_testing_teardown),
        cmocka_unit_test_setup_teardown(test_unwritable, sp_testing_setup, sp_testing_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
