/* sp_container_copy_locked: lock, copy, unlock and compare versions in one round trip. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <selfpage/testing.h>

#include "live.h"

#define PAGE  ((size_t)SP_PAGE_SIZE)
#define PAGES 20u
#define MS    UINT64_C(1000000)

/* What an owner shares with a locker, each with the other's end of two pipes. */
static struct {
    int tokens[2]; /* struct sp_share */
    int done[2];   /* closed by the locker */
    unsigned rights;
    uint64_t lock_ns;
} shared;

static sp_container make(struct sp_task *task, uint32_t pages, char mark)
{
    struct sp_error error = {0};
    sp_container container;
    void *memory;

    if (sp_container_create_with(task, pages, 0, &container, &error) != 0 ||
        sp_container_map(task, container, 0, pages, SP_MAP_WRITE, &memory, &error) != 0) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    memset(memory, mark, pages * PAGE);
    CHECK(sp_container_unmap(task, memory, NULL) == 0);
    return container;
}

static void expect_mark(struct sp_task *task, sp_container container, uint32_t slot, char mark)
{
    void *memory;

    CHECK(sp_container_map(task, container, slot, 1, 0, &memory, NULL) == 0);
    CHECK(((char *)memory)[0] == mark && ((char *)memory)[PAGE - 1] == mark);
    CHECK(sp_container_unmap(task, memory, NULL) == 0);
}

/* Shares a container of its own, and looks at it when the other has done with it. */
static int own(void *arg)
{
    const char *expected = arg; /* a mark a slot */
    const struct sp_share_options options = {.rights = shared.rights, .lock_ns = shared.lock_ns};
    struct sp_task *task = attach_or_exit(NULL);
    sp_container container = make(task, PAGES, 'o');
    struct sp_share share;
    char byte;

    CHECK(sp_container_share(task, container, &options, &share, NULL) == 0);
    CHECK(write(shared.tokens[1], &share, sizeof(share)) == sizeof(share));
    close(shared.done[1]);
    CHECK(read(shared.done[0], &byte, 1) == 0);
    for (uint32_t i = 0; expected[i] != '\0'; i++)
        expect_mark(task, container, i, expected[i]);
    return sp_detach(&task);
}

static sp_container adopt(struct sp_task *task)
{
    struct sp_share share;
    struct sp_weak weak;

    CHECK(read(shared.tokens[0], &share, sizeof(share)) == sizeof(share));
    CHECK(sp_container_adopt(task, share.container, share.token, &weak, NULL) == 0);
    return weak.container;
}

static int copy_both_ways(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    sp_container mine = make(task, PAGES, 'l'), theirs = adopt(task);
    struct sp_locked_copy to = {theirs, mine, theirs, 0, 1, 2, 1000 * MS};
    struct sp_locked_copy from = {theirs, theirs, mine, 0, 4, 4, 1000 * MS};
    struct sp_container_state before, after;

    (void)arg;
    for (unsigned round = 0; round < 3; round++) { /* the first time, bytes have to move */
        CHECK(sp_container_state(task, theirs, &before, NULL) == 0);
        CHECK(sp_container_copy_locked(task, &to, NULL) == 0);
        CHECK(sp_container_copy_locked(task, &from, NULL) == 0);
        CHECK(sp_container_state(task, theirs, &after, NULL) == 0);
        CHECK(after.locker == 0);
        CHECK(after.version >= before.version + 5); /* two locks, two unlocks, one copy to it */
    }
    expect_mark(task, mine, 3, 'l');
    expect_mark(task, mine, 4, 'o');
    expect_mark(task, mine, 5, 'l');
    expect_mark(task, mine, 7, 'o');
    return sp_detach(&task);
}

static int copy_wrongly(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    sp_container mine = make(task, PAGES, 'l'), theirs = adopt(task), holes;
    const struct sp_locked_copy good = {theirs, mine, theirs, 0, 0, 1, 1000 * MS};
    struct sp_locked_copy copy = good;
    struct sp_container_state state;
    struct sp_error error;

    (void)arg;
    CHECK(sp_container_create(task, PAGES, &holes, NULL) == 0);
    copy.count = 0;
    CHECK(sp_container_copy_locked(task, &copy, &error) == -EINVAL);
    copy.count = 257;
    CHECK(sp_container_copy_locked(task, &copy, &error) == -EINVAL);
    copy = good;
    copy.locked = 4711;
    CHECK(sp_container_copy_locked(task, &copy, &error) == -EINVAL);
    copy = good;
    copy.locked = mine; /* one's own is not locked */
    CHECK(sp_container_copy_locked(task, &copy, &error) < 0);
    copy = good;
    copy.lock_ns = 0;
    CHECK(sp_container_copy_locked(task, &copy, &error) == -EINVAL);
    copy = good;
    copy.to_first = PAGES;
    CHECK(sp_container_copy_locked(task, &copy, &error) == -EINVAL);
    copy = good;
    copy.from = holes;
    CHECK(sp_container_copy_locked(task, &copy, &error) == -ENOENT);
    copy = (struct sp_locked_copy){theirs, theirs, mine, 0, 0, 1, 1000 * MS};
    CHECK(sp_container_copy_locked(task, &copy, &error) == -EPERM); /* it may not be read */
    CHECK(sp_container_lock(task, theirs, 1000 * MS, 0, NULL, NULL) == 0);
    CHECK(sp_container_copy_locked(task, &good, &error) == -EALREADY);
    /* That unlocked it, too: nothing stays locked whatever failed. */
    CHECK(sp_container_state(task, theirs, &state, NULL) == 0 && state.locker == 0);
    CHECK(sp_container_copy_locked(task, &good, &error) == 0);
    return sp_detach(&task);
}

static int copy_without_lock(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    sp_container mine = make(task, PAGES, 'l'), theirs = adopt(task);
    const struct sp_locked_copy copy = {theirs, mine, theirs, 0, 0, 1, 1000 * MS};
    struct sp_error error;

    (void)arg;
    CHECK(sp_container_copy_locked(task, &copy, &error) == -EPERM);
    return sp_detach(&task);
}

static void run(struct sp_testing *fixture, unsigned rights, uint64_t lock_ns,
                int (*locker)(void *), const char *expected)
{
    struct sp_testing_task *task[2];
    struct sp_error error;

    shared.rights = rights;
    shared.lock_ns = lock_ns;
    assert_int_equal(pipe(shared.tokens) | pipe(shared.done), 0);
    if (sp_testing_begin(fixture, "owner", "guaranteed=60", NULL, own, (void *)expected, &task[0],
                         &error) != 0 ||
        sp_testing_begin(fixture, "locker", "guaranteed=60", NULL, locker, NULL, &task[1],
                         &error) != 0)
        fail_msg("%s", error.text);
    close(shared.done[1]);
    for (unsigned i = 2; i-- > 0;) {
        struct sp_testing_result result;

        sp_testing_wait(&task[i], &result);
        if (result.exit_status != 0)
            fail_msg("ended with %d: %s", result.exit_status, result.output);
    }
    close(shared.done[0]);
    close(shared.tokens[0]);
    close(shared.tokens[1]);
}

static void test_a_copy_goes_to_a_locked_container_and_from_it(void **state)
{
    run(*state, SP_SHARE_READ | SP_SHARE_WRITE, 1000 * MS, copy_both_ways, "ollo");
}

static void test_what_is_wrong_is_refused_and_leaves_nothing_locked(void **state)
{
    run(*state, SP_SHARE_WRITE, 1000 * MS, copy_wrongly, "lo");
}

static void test_without_leave_to_lock_the_call_fails(void **state)
{
    run(*state, SP_SHARE_WRITE, 0, copy_without_lock, "");
}

static int setup(void **state)
{
    const struct sp_testing_options options = {.physmem_frames = 256,
                                               .swap_slots = SP_TESTING_NO_SWAP};

    return sp_testing_start((struct sp_testing **)state, &options, NULL);
}

static int teardown(void **state)
{
    return sp_testing_stop((struct sp_testing **)state, NULL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_copy_goes_to_a_locked_container_and_from_it),
        TEST(test_what_is_wrong_is_refused_and_leaves_nothing_locked),
        TEST(test_without_leave_to_lock_the_call_fails),
    };

    return cmocka_run_group_tests_name("task/locked_copy", tests, NULL, NULL);
}
