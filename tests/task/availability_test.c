/* What a task learns of the memory it could have, and what it may do about it before the library
 * evicts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>

#include <selfpage/testing.h>

#include "awaiting.h"
#include "fixture.h"
#include "live.h"

/* ---- Asking ---- */

static int ask(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    volatile char *memory = region_or_exit(task, &(struct sp_region_options){.pages = 10});
    struct sp_availability now;
    struct sp_error error;

    (void)arg;
    CHECK(sp_get_availability(task, &now, &error) == 0);
    CHECK(now.available == 150 && now.promised == 50 && now.held == 0 && now.pressure == 0);
    memory[0] = 1;
    CHECK(sp_get_availability(task, &now, &error) == 0);
    CHECK(now.available == 150 && now.promised == 50 && now.held > 0 && now.pressure == 0);
    return sp_detach(&task);
}

static void test_a_task_can_ask(void **state)
{
    expect_success(begin(*state, NULL, "guaranteed=50;extra=100", ask, NULL));
}

/* ---- Watching ---- */

struct watcher {
    _Atomic uint32_t available;
    _Atomic uint32_t calls;
    int event;
};

static void changed(void *arg, const struct sp_availability *availability)
{
    struct watcher *watcher = arg;

    atomic_store(&watcher->available, availability->available);
    atomic_fetch_add(&watcher->calls, 1);
    CHECK(eventfd_write(watcher->event, 1) == 0);
}

static void sleep_until_told(struct watcher *watcher)
{
    struct pollfd event = {.fd = watcher->event, .events = POLLIN};
    eventfd_t count;

    CHECK(poll(&event, 1, -1) == 1);
    CHECK(eventfd_read(watcher->event, &count) == 0);
}

static int watch(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    volatile char *memory = region_or_exit(task, &(struct sp_region_options){.pages = 10});
    struct watcher watcher = {.event = eventfd(0, EFD_CLOEXEC)};
    struct sp_error error;
    uint32_t before;

    (void)arg;
    CHECK(watcher.event >= 0);
    CHECK(sp_watch_availability(task, 100, changed, &watcher, &error) == 0);
    CHECK(watcher.calls == 1); /* with the present figures */
    sleep_until_told(&watcher);
    before = watcher.available;
    memory[0] = 1; /* now let the other take its part */
    while (watcher.available + 200 > before)
        sleep_until_told(&watcher);
    CHECK(watcher.calls <= 4);
    memory[SP_PAGE_SIZE] = 1; /* and return it */
    while (watcher.available + 100 < before)
        sleep_until_told(&watcher);
    CHECK(sp_watch_availability(task, 0, NULL, NULL, &error) == 0);
    return sp_detach(&task);
}

static int hold_300(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    volatile char *memory =
        region_or_exit(task, &(struct sp_region_options){.pages = 300, .kind = SP_DISCARDABLE});

    (void)arg;
    for (unsigned i = 0; i < 300; i++)
        memory[i * SP_PAGE_SIZE] = 1;
    for (;;)
        poll(NULL, 0, -1);
    return 0;
}

static void test_a_task_is_told_of_changes(void **state)
{
    struct sp_testing_task *watcher = begin(*state, "watcher", "extra=1000", watch, NULL), *other;

    AWAIT(watcher, awaiting_resident(watcher) >= 1); /* pages touched say how far it is */
    other = begin(*state, "other", "extra=300", hold_300, NULL);
    AWAIT(watcher, awaiting_resident(watcher) >= 2);
    kill(sp_testing_task_pid(other), SIGKILL);
    sp_testing_wait(&other, NULL);
    expect_success(watcher);
}

/* ---- Pressure ---- */

#define PRECIOUS 40u
#define CHEAP    60u

struct adaptive {
    struct sp_task *task;
    void *cheap;
    _Atomic uint32_t frames; /* that the library wanted */
    _Atomic uint32_t calls;
};

/* Drop what is cheap, though part of it may be on its way to swap just now. */
static void on_pressure(void *arg, const struct sp_pressure *pressure)
{
    struct adaptive *adaptive = arg;

    CHECK(pressure->frames > 0);
    if (!pressure->recalled)
        return;
    adaptive->frames = pressure->frames;
    adaptive->calls++;
    CHECK(sp_discard(adaptive->task, adaptive->cheap, CHEAP) >= 0);
}

static int adapt(void *arg)
{
    static struct adaptive adaptive; /* outlives the attachment */
    struct sp_task *task;
    struct sp_stats stats;
    char *precious;

    (void)arg;
    task = attach_or_exit(
        &(struct sp_attach_options){.on_pressure = on_pressure, .on_pressure_arg = &adaptive});
    adaptive.task = task;
    precious = region_or_exit(task, &(struct sp_region_options){.pages = PRECIOUS});
    adaptive.cheap = region_or_exit(task, &(struct sp_region_options){.pages = CHEAP});
    for (unsigned i = 0; i < PRECIOUS; i++)
        memset(precious + i * SP_PAGE_SIZE, (int)i + 1, SP_PAGE_SIZE);
    for (unsigned i = 0; i < CHEAP; i++)
        memset((char *)adaptive.cheap + i * SP_PAGE_SIZE, 1, SP_PAGE_SIZE);
    do {
        poll(NULL, 0, 1);
        sp_get_stats(task, &stats);
    } while (stats.recalls_answered == 0);
    CHECK(adaptive.calls == 1 && adaptive.frames <= 40);
    for (unsigned i = 0; i < PRECIOUS; i++)
        CHECK(precious[i * SP_PAGE_SIZE] == (char)(i + 1) &&
              precious[(i + 1) * SP_PAGE_SIZE - 1] == (char)(i + 1));
    sp_get_stats(task, &stats);
    CHECK(stats.swapped_in == 0); /* nothing of it had gone */
    CHECK(*(char *)adaptive.cheap == 0);
    return sp_detach(&task);
}

static void test_what_is_cheap_goes_first(void **state)
{
    struct sp_testing_task *task =
        begin(*state, "adaptive", "guaranteed=50;extra=100", adapt, NULL);
    struct sp_error error;

    AWAIT(task, awaiting_resident(task) >= PRECIOUS + CHEAP);
    assert_int_equal(sp_testing_recall(*state, "adaptive", 40, &error), 0);
    expect_success(task);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_task_can_ask, sp_testing_setup, sp_testing_teardown),
        cmocka_unit_test_setup_teardown(test_a_task_is_told_of_changes, sp_testing_setup,
                                        sp_testing_teardown),
        cmocka_unit_test_setup_teardown(test_what_is_cheap_goes_first, sp_testing_setup,
                                        sp_testing_teardown),
    };

    /* Whatever frames are free, recalls must be messages. */
    setenv("SELFPAGE_FRAME_STACK", "0", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
