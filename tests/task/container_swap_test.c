/* sp_swap and sp_swap_in between real processes: physmem stores pages of containers with a swap server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include <selfpage/testing.h>

#include "fixture.h"
#include "live.h"

#define PAGE  ((size_t)SP_PAGE_SIZE)
#define PAGES 4u
#define TASKS 3u

/* Longest wait of physmem for the swap server, where it stands still. */
#define PATIENCE    "1s"
#define PATIENCE_NS UINT64_C(1000000000)

static struct sp_testing_physmem physmem_of(struct sp_testing *fixture)
{
    struct sp_testing_physmem status;
    struct sp_error error;

    if (sp_testing_physmem_status(fixture, &status, &error) != 0)
        fail_msg("%s", error.text);
    return status;
}

static struct sp_testing_swap swap_of(struct sp_testing *fixture)
{
    struct sp_testing_swap status;
    struct sp_error error;

    if (sp_testing_swap_status(fixture, &status, &error) != 0)
        fail_msg("%s", error.text);
    return status;
}

static void expect(struct sp_testing *fixture, const char *expectation)
{
    struct sp_error error;

    if (sp_testing_await(fixture, expectation, &error) != 0)
        fail_msg("%s\n%s", error.text, sp_testing_said(fixture));
}

/* A container of PAGES pages, each of which is full of one letter. */
static sp_container filled(struct sp_task *task, uint32_t pages, char **memoryp)
{
    struct sp_error error = {0};
    sp_container container;
    void *memory;

    if (sp_container_create_with(task, pages, 0, &container, &error) != 0 ||
        sp_container_map(task, container, 0, pages, SP_MAP_WRITE, &memory, &error) != 0) {
        fprintf(stderr, "container: %s\n", error.text);
        exit(1);
    }
    for (uint32_t i = 0; i < pages; i++)
        memset((char *)memory + i * PAGE, 'a' + (int)(i % 26), PAGE);
    *memoryp = memory;
    return container;
}

/* Read a byte that another process writes, or write one. */
static void hear(int fd)
{
    char byte;

    CHECK(read(fd, &byte, 1) == 1);
}

static void say(int fd)
{
    CHECK(write(fd, "x", 1) == 1);
}

/* ---- One task ---- */

static int go_and_come_back(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    sp_swapped numbers[100], wrong[2] = {4711, 0};
    struct sp_error error = {0};
    char *memory;
    sp_container container = filled(task, 100, &memory);

    (void)arg;
    CHECK(sp_swap_in(task, container, 0, 2, 0, wrong, &error) == -ENOENT);
    CHECK(sp_swap(task, container, 90, 11, numbers, &error) == -EINVAL);
    CHECK(sp_swap(task, container, 0, 100, numbers, &error) == 100);
    /* What is inactive comes back without a load; of the rest the frames are gone. */
    CHECK(sp_container_deallocate(task, container, 50, 50, NULL) == 0);
    CHECK(sp_swap_in(task, container, 0, 100, 0, numbers, &error) == 100);
    for (uint32_t i = 0; i < 100; i++)
        CHECK(numbers[i] == 0 && memory[i * PAGE] == 'a' + (int)(i % 26) &&
              memory[i * PAGE + PAGE - 1] == 'a' + (int)(i % 26));
    /* They can be written as before. */
    memory[7 * PAGE] = '7';
    memory[77 * PAGE] = '8';
    CHECK(memory[7 * PAGE] == '7' && memory[77 * PAGE] == '8' && memory[77 * PAGE + 1] == 'z');
    /* A page of zeros, and one that is given up. */
    memset(memory, 0, PAGE);
    CHECK(sp_swap(task, container, 0, 2, numbers, NULL) == 2);
    CHECK(sp_swap_drop(task, numbers + 1, 1, NULL) == 1 && numbers[1] == 0);
    CHECK(sp_container_deallocate(task, container, 0, 2, NULL) == 0);
    CHECK(sp_swap_in(task, container, 0, 1, 0, numbers, NULL) == 1);
    CHECK(memory[0] == 0 && memory[PAGE - 1] == 0);
    return sp_detach(&task);
}

static void test_pages_go_to_swap_and_come_back(void **state)
{
    struct sp_testing_physmem status;

    expect_success(begin(*state, "swapper", "guaranteed=200", go_and_come_back, NULL));
    status = physmem_of(*state);
    assert_int_equal(status.swapped, 102);
    assert_int_equal(status.swap_stored, 102);
    assert_int_equal(status.swap_recovered, 50);
    assert_int_equal(status.swap_loaded, 51);
    expect(*state, "physmem.swap_pages == 0");
    expect(*state, "swap.reserved == 0");
}

/* Two mappings show the same slots, all that the container has. */
static int swap_what_is_mapped_twice(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    sp_swapped numbers[PAGES];
    char *first;
    sp_container container = filled(task, PAGES, &first), copy;
    void *second;

    (void)arg;
    CHECK(sp_container_map(task, container, 0, PAGES, SP_MAP_WRITE, &second, NULL) == 0);
    CHECK(memcmp(first, second, PAGES * PAGE) == 0);
    CHECK(sp_swap(task, container, 0, PAGES, numbers, NULL) == PAGES);
    CHECK(sp_swap_in(task, container, 0, PAGES, 0, numbers, NULL) == PAGES);
    CHECK(first[0] == 'a' && *(char *)second == 'a' && first[PAGE] == 'b');
    CHECK(sp_container_unmap(task, first, NULL) == 0 &&
          sp_container_unmap(task, second, NULL) == 0);
    CHECK(sp_container_create_from(task, container, 0, PAGES, &copy, NULL) == 0);
    CHECK(sp_container_map(task, copy, 0, PAGES, 0, (void **)&first, NULL) == 0);
    CHECK(sp_container_map(task, copy, 0, PAGES, 0, &second, NULL) == 0);
    CHECK(memcmp(first, second, PAGES * PAGE) == 0);
    CHECK(sp_container_orphan(task, copy, 0, PAGES, NULL) == PAGES);
    return sp_detach(&task);
}

static void test_pages_that_are_mapped_twice_go_to_swap(void **state)
{
    expect_success(begin(*state, "twice", "guaranteed=20", swap_what_is_mapped_twice, NULL));
}

/* Numbers that are wrong cost nothing: no slot gets a frame, and what was released stays as it was. */
static int ask_for_what_is_not_there(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    sp_swapped numbers[2] = {0, 4711};
    struct sp_error error = {0};
    char *memory;
    sp_container container = filled(task, PAGES, &memory);

    (void)arg;
    CHECK(sp_swap(task, container, 0, 1, numbers, NULL) == 1);
    CHECK(sp_container_deallocate(task, container, 0, 1, NULL) == 0);
    CHECK(sp_container_release(task, container, 1, 1, NULL) == 1);
    CHECK(sp_swap_in(task, container, 0, 2, 0, numbers, &error) == -ENOENT);
    CHECK(strstr(error.text, "number") != NULL && numbers[0] != 0 && numbers[1] == 4711);
    CHECK(sp_container_recover(task, container, 0, 1, NULL) == -ENOENT);
    CHECK(sp_container_recover(task, container, 1, 1, NULL) == 1 && memory[PAGE] == 'b');
    CHECK(sp_swap_in(task, container, 0, 1, 0, numbers, NULL) == 1 && memory[0] == 'a');
    return sp_detach(&task);
}

static void test_wrong_numbers_cost_nothing(void **state)
{
    expect_success(begin(*state, "wrong", "guaranteed=20", ask_for_what_is_not_there, NULL));
}

/* ---- Three tasks ---- */

/* A ring of pipes: each task waits for the one before it. */
struct ring {
    int read[TASKS];
    int write[TASKS];
    int share[TASKS][2]; /* a weak reference for each */
};

struct place {
    const struct ring *ring;
    unsigned number;
};

/* Have something done by the tasks one after the other, beginning with the first. */
#define IN_TURN(place, what)                                                                       \
    do {                                                                                           \
        if ((place)->number > 0)                                                                   \
            hear((place)->ring->read[(place)->number]);                                            \
        what;                                                                                      \
        say((place)->ring->write[(place)->number]);                                                \
        if ((place)->number == 0)                                                                  \
            hear((place)->ring->read[0]);                                                          \
    } while (0)

static sp_container copy_of_first(struct sp_task *task, const struct place *place, char **memoryp)
{
    struct sp_share share;
    struct sp_weak weak;
    sp_container container;
    void *memory;

    CHECK(read(place->ring->share[place->number][0], &share, sizeof(share)) == sizeof(share));
    CHECK(sp_container_adopt(task, share.container, share.token, &weak, NULL) == 0);
    CHECK(sp_container_create_from(task, weak.container, 0, PAGES, &container, NULL) == 0);
    CHECK(sp_container_map(task, container, 0, PAGES, SP_MAP_WRITE, &memory, NULL) == 0);
    *memoryp = memory;
    return container;
}

static void share_with_others(struct sp_task *task, const struct place *place,
                              sp_container container)
{
    const struct sp_share_options options = {.rights = SP_SHARE_READ};

    for (unsigned i = 1; i < TASKS; i++) {
        struct sp_share share;

        CHECK(sp_container_share(task, container, &options, &share, NULL) == 0);
        CHECK(write(place->ring->share[i][1], &share, sizeof(share)) == sizeof(share));
    }
}

static int share_and_swap(void *arg)
{
    const struct place *place = arg;
    struct sp_task *task = attach_or_exit(NULL);
    sp_swapped numbers[PAGES];
    sp_container container;
    char *memory;

    if (place->number == 0) {
        container = filled(task, PAGES, &memory);
        CHECK(sp_container_unmap(task, memory, NULL) == 0); /* what is mapped is not copied */
        share_with_others(task, place, container);
    } else {
        container = copy_of_first(task, place, &memory);
    }
    IN_TURN(place, );
    if (place->number == 0)
        CHECK(sp_container_map(task, container, 0, PAGES, SP_MAP_WRITE, (void **)&memory, NULL) ==
              0);
    IN_TURN(place, CHECK(sp_swap(task, container, 0, PAGES, numbers, NULL) == PAGES));
    IN_TURN(place, CHECK(sp_container_deallocate(task, container, 0, PAGES, NULL) == 0));
    IN_TURN(place, CHECK(sp_swap_in(task, container, 0, PAGES, 0, numbers, NULL) == PAGES));
    for (uint32_t i = 0; i < PAGES; i++)
        CHECK(memory[i * PAGE] == 'a' + (int)i && memory[i * PAGE + PAGE - 1] == 'a' + (int)i);
    IN_TURN(place, memory[0] = '0' + (char)place->number);
    CHECK(memory[0] == '0' + (char)place->number && memory[1] == 'a');
    IN_TURN(place, );
    return sp_detach(&task);
}

static void test_a_frame_of_three_tasks_is_written_once_and_comes_back_shared(void **state)
{
    struct sp_testing_task *task[TASKS];
    struct sp_testing_physmem status;
    struct place place[TASKS];
    struct ring ring;
    int fds[2];

    for (unsigned i = 0; i < TASKS; i++) {
        assert_int_equal(pipe(fds), 0);
        ring.read[(i + 1) % TASKS] = fds[0];
        ring.write[i] = fds[1];
        assert_int_equal(pipe(ring.share[i]), 0);
    }
    for (unsigned i = 0; i < TASKS; i++) {
        place[i] = (struct place){&ring, i};
        task[i] = begin(*state,
                        i == 0   ? "first"
                        : i == 1 ? "second"
                                 : "third",
                        "guaranteed=40", share_and_swap, &place[i]);
    }
    for (unsigned i = 0; i < TASKS; i++)
        expect_success(task[i]);
    status = physmem_of(*state);
    assert_int_equal(status.swapped, TASKS * PAGES);
    assert_int_equal(status.swap_stored, PAGES);
    assert_int_equal(status.swap_shared, (TASKS - 1) * PAGES);
    assert_int_equal(status.swap_loaded, PAGES);
    assert_int_equal(status.swap_shown, (TASKS - 1) * PAGES);
    assert_int_equal(swap_of(*state).stores, PAGES);
    assert_int_equal(swap_of(*state).loads, PAGES);
    expect(*state, "physmem.swap_pages == 0");
    for (unsigned i = 0; i < TASKS; i++) {
        close(ring.read[i]);
        close(ring.write[i]);
        close(ring.share[i][0]);
        close(ring.share[i][1]);
    }
}

/* ---- Things end ---- */

struct line {
    int to_task[2];
    int to_test[2];
};

/* The string of a variable that a task no longer has: else it is a leak. */
const char *kept_from_memcheck;

static int lose_the_server(void *arg)
{
    const struct line *line = arg;
    struct sp_task *task;
    sp_swapped numbers[PAGES];
    sp_container container;
    char *memory;

    /* It has no regions in swap, which it would lose with the server. */
    kept_from_memcheck = getenv("SELFPAGE_SWAP");
    CHECK(kept_from_memcheck != NULL);
    kept_from_memcheck -= sizeof("SELFPAGE_SWAP=") - 1;
    CHECK(unsetenv("SELFPAGE_SWAP") == 0);
    task = attach_or_exit(NULL);
    container = filled(task, PAGES, &memory);
    CHECK(sp_swap(task, container, 0, PAGES, numbers, NULL) == PAGES);
    CHECK(sp_container_deallocate(task, container, 0, 1, NULL) == 0);
    say(line->to_test[1]);
    hear(line->to_task[0]);
    CHECK(sp_swap_in(task, container, 0, 1, 0, numbers, NULL) == -EIO && numbers[0] != 0);
    CHECK(sp_swap_in(task, container, 1, 3, 0, numbers + 1, NULL) == 3);
    CHECK(memory[1 * PAGE] == 'b' && memory[3 * PAGE] == 'd');
    CHECK(sp_swap(task, container, 1, 1, numbers + 1, NULL) == -EPIPE);
    CHECK(memory[1 * PAGE] == 'b');
    return 0;
}

static void test_what_a_killed_swap_server_had_is_lost_and_nothing_else(void **state)
{
    struct sp_testing_task *task;
    struct line line;

    assert_int_equal(pipe(line.to_task), 0);
    assert_int_equal(pipe(line.to_test), 0);
    task = begin(*state, "loser", "guaranteed=20", lose_the_server, &line);
    hear(line.to_test[0]);
    assert_int_equal(sp_testing_kill(*state, SP_TESTING_SWAP), 0);
    while (physmem_of(*state).swap_lost < PAGES)
        continue;
    say(line.to_task[1]);
    expect_success(task);
    close(line.to_task[0]);
    close(line.to_task[1]);
    close(line.to_test[0]);
    close(line.to_test[1]);
}

static int store_for_ever(void *arg)
{
    const struct line *line = arg;
    struct sp_task *task = attach_or_exit(NULL);
    sp_swapped numbers[PAGES];
    pid_t self = getpid();
    char *memory;
    sp_container container = filled(task, PAGES, &memory);

    CHECK(write(line->to_test[1], &self, sizeof(self)) == sizeof(self));
    hear(line->to_task[0]);
    sp_swap(task, container, 0, PAGES, numbers, NULL);
    return 0;
}

static void test_a_task_that_dies_while_its_pages_are_stored_leaves_nothing(void **state)
{
    struct sp_testing_result result;
    struct sp_testing_task *task;
    struct line line;
    pid_t swap = sp_testing_pid(*state, SP_TESTING_SWAP), asker;

    assert_int_equal(pipe(line.to_task), 0);
    assert_int_equal(pipe(line.to_test), 0);
    task = begin(*state, "asker", "guaranteed=20", store_for_ever, &line);
    assert_int_equal(read(line.to_test[0], &asker, sizeof(asker)), sizeof(asker));
    assert_int_equal(kill(swap, SIGSTOP), 0);
    say(line.to_task[1]);
    /* Physmem answers others meanwhile. */
    while (physmem_of(*state).swap_pages < PAGES)
        continue;
    assert_int_equal(kill(asker, SIGKILL), 0);
    sp_testing_wait(&task, &result);
    assert_int_equal(result.signal, SIGKILL);
    assert_int_equal(kill(swap, SIGCONT), 0);
    expect(*state, "physmem.swap_pages == 0");
    expect(*state, "swap.reserved == 0");
    expect(*state, "swap.used == 0");
    close(line.to_task[0]);
    close(line.to_task[1]);
    close(line.to_test[0]);
    close(line.to_test[1]);
}

static void begin_line(struct line *line)
{
    assert_int_equal(pipe(line->to_task), 0);
    assert_int_equal(pipe(line->to_test), 0);
}

static void end_line(const struct line *line)
{
    close(line->to_task[0]);
    close(line->to_task[1]);
    close(line->to_test[0]);
    close(line->to_test[1]);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The server stands still while pages are to be stored, and again while they are to come back. */
static int outwait_the_server(void *arg)
{
    const struct line *line = arg;
    struct sp_task *task = attach_or_exit(NULL);
    sp_swapped numbers[PAGES];
    struct sp_error error;
    char *memory;
    sp_container container = filled(task, 2 * PAGES, &memory);
    uint64_t start;

    say(line->to_test[1]);
    hear(line->to_task[0]);
    CHECK(sp_swap(task, container, 0, PAGES, numbers, &error) == -ETIMEDOUT);
    CHECK(strstr(error.text, "does not answer") != NULL);
    CHECK(memory[0] == 'a' && memory[3 * PAGE] == 'd');
    start = now_ns();
    CHECK(sp_swap(task, container, PAGES, PAGES, numbers, &error) == -ETIMEDOUT);
    CHECK(now_ns() - start < PATIENCE_NS); /* it is known by now */
    say(line->to_test[1]);
    hear(line->to_task[0]);
    CHECK(sp_swap(task, container, 0, PAGES, numbers, &error) == PAGES);
    CHECK(sp_container_deallocate(task, container, 0, PAGES, NULL) == 0);
    say(line->to_test[1]);
    hear(line->to_task[0]);
    CHECK(sp_swap_in(task, container, 0, PAGES, 0, numbers, &error) == -ETIMEDOUT);
    CHECK(numbers[0] != 0 && numbers[3] != 0);
    say(line->to_test[1]);
    hear(line->to_task[0]);
    while (sp_swap_in(task, container, 0, PAGES, 0, numbers, &error) == -ETIMEDOUT)
        continue; /* until the answer has come that was not waited for */
    CHECK(memory[0] == 'a' && memory[3 * PAGE] == 'd' && memory[7 * PAGE] == 'h');
    return sp_detach(&task);
}

static void test_a_swap_server_that_stands_still_is_not_waited_for(void **state)
{
    const struct sp_testing_options options = {
        .physmem_args = (const char *const[]){"--swap-patience", PATIENCE, NULL}};
    struct sp_testing *fixture;
    struct sp_testing_task *task;
    struct sp_error error;
    struct line line;
    pid_t swap;

    (void)state;
    if (sp_testing_start(&fixture, &options, &error) != 0)
        fail_msg("%s", error.text);
    swap = sp_testing_pid(fixture, SP_TESTING_SWAP);
    begin_line(&line);
    task = begin(fixture, "outwaits", "guaranteed=20", outwait_the_server, &line);
    for (unsigned i = 0; i < 2; i++) {
        hear(line.to_test[0]);
        assert_int_equal(kill(swap, SIGSTOP), 0);
        say(line.to_task[1]);
        hear(line.to_test[0]);
        assert_int_equal(kill(swap, SIGCONT), 0);
        /* What it stores too late, and the room for that, come back. */
        if (i == 0) {
            expect(fixture, "swap.reserved == 0");
        }
        say(line.to_task[1]);
    }
    expect_success(task);
    expect(fixture, "swap.reserved == 0");
    end_line(&line);
    assert_int_equal(sp_testing_stop(&fixture, &error), 0);
}

/* ---- Quotas ---- */

static int spend(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    sp_swapped numbers[2 * PAGES];
    char *memory;
    sp_container container = filled(task, 2 * PAGES, &memory);

    (void)arg;
    CHECK(sp_swap(task, container, 0, 2 * PAGES, numbers, NULL) == -EDQUOT);
    CHECK(memory[7 * PAGE] == 'h');
    CHECK(sp_swap(task, container, 0, PAGES, numbers, NULL) == PAGES);
    CHECK(sp_swap(task, container, PAGES, PAGES, numbers + PAGES, NULL) == -EDQUOT);
    CHECK(sp_swap_in(task, container, 0, PAGES, 0, numbers, NULL) == PAGES);
    CHECK(sp_swap(task, container, PAGES, PAGES, numbers + PAGES, NULL) == PAGES);
    CHECK(memory[0] == 'a');
    return sp_detach(&task);
}

static void test_a_task_whose_slots_are_spent_keeps_its_memory(void **state)
{
    const struct sp_testing_options options = {.swap_slots = PAGES + PAGES / 2};
    struct sp_testing *fixture;
    struct sp_error error;

    (void)state;
    if (sp_testing_start(&fixture, &options, &error) != 0)
        fail_msg("%s", error.text);
    expect_success(begin(fixture, "spender", "guaranteed=20", spend, NULL));
    assert_int_equal(sp_testing_stop(&fixture, &error), 0);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, sp_testing_setup, sp_testing_teardown)
    const struct CMUnitTest tests[] = {
        STORY(test_pages_go_to_swap_and_come_back),
        STORY(test_pages_that_are_mapped_twice_go_to_swap),
        STORY(test_wrong_numbers_cost_nothing),
        STORY(test_a_frame_of_three_tasks_is_written_once_and_comes_back_shared),
        STORY(test_what_a_killed_swap_server_had_is_lost_and_nothing_else),
        STORY(test_a_task_that_dies_while_its_pages_are_stored_leaves_nothing),
        cmocka_unit_test(test_a_swap_server_that_stands_still_is_not_waited_for),
        cmocka_unit_test(test_a_task_whose_slots_are_spent_keeps_its_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
