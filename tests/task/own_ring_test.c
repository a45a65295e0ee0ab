/* Rings of threads: when they are used, and when not. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "task/effects/own_ring.h"

/* ThreadSanitizer runs handlers of signals late: not in a thread that sleeps in the kernel's ring. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SIGNALS_COME false
#endif
#elif defined(__SANITIZE_THREAD__)
#define SIGNALS_COME false
#endif
#if !defined(SIGNALS_COME)
#define SIGNALS_COME true
#endif

static uint64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* A read of one byte, which somebody has to write. */
struct slow_read {
    int ends[2];
    uint64_t from, after_ns;
};

static void *write_late(void *arg)
{
    const struct slow_read *read = arg;

    while (now() - read->from < read->after_ns)
        continue;
    assert_int_equal(write(read->ends[1], "x", 1), 1);
    return NULL;
}

/* Read by the ring, as of a disk that takes so long. */
static void read_after(int number, uint64_t after_ns)
{
    struct read_ring *ring = &own_ring_at(number)->ring;
    struct slow_read read = {.after_ns = after_ns};
    char byte = 0;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    pthread_t writer;
    uint32_t tag;

    assert_int_equal(pipe(read.ends), 0);
    ring_read(ring, read.ends[0], &part, 1, -1, 5);
    assert_int_equal(ring_submit(ring), 1);
    read.from = now();
    if (after_ns == 0)
        write_late(&read);
    else
        assert_int_equal(pthread_create(&writer, NULL, write_late, &read), 0);
    assert_int_equal(own_ring_wait(own_ring_at(number), 1, &tag), 1);
    assert_int_equal(tag, 5);
    assert_int_equal(byte, 'x');
    if (after_ns != 0)
        pthread_join(writer, NULL);
    close(read.ends[0]);
    close(read.ends[1]);
}

/* False: there are none here. */
static bool have_ring(int *numberp)
{
    own_ring_permit();
    *numberp = own_ring_mine();
    if (*numberp < 0)
        print_message("no ring here\n");
    return *numberp >= 0;
}

static void *has_no_ring(void *arg)
{
    *(bool *)arg = own_ring_mine() < 0;
    own_ring_leave();
    return NULL;
}

/* Loads that go without a ring until there is one again. */
static uint32_t without(int *numberp)
{
    uint32_t loads = 0;

    while ((*numberp = own_ring_mine()) < 0 && loads < 1u << 20)
        loads++;
    return loads;
}

/* Somebody else has the processor for 2 ms, twice more while the thread is awake, and then the read ends. */
static volatile sig_atomic_t came;
static int read_end;

static void take_processor(int signal_number)
{
    const struct itimerval soon = {.it_value = {.tv_usec = 40}};
    uint64_t from = now();

    (void)signal_number;
    while (now() - from < 2000000)
        continue;
    if (++came < 3)
        (void)setitimer(ITIMER_REAL, &soon, NULL);
    else if (write(read_end, "x", 1) != 1)
        abort();
}

static void read_interrupted(int number)
{
    const struct sigaction action = {.sa_handler = take_processor};
    struct read_ring *ring = &own_ring_at(number)->ring;
    char byte = 0;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    uint32_t tag;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    came = 0;
    read_end = ends[1];
    ring_read(ring, ends[0], &part, 1, -1, 5);
    assert_int_equal(ring_submit(ring), 1);
    assert_int_equal(raise(SIGALRM), 0);
    assert_int_equal(own_ring_wait(own_ring_at(number), 1, &tag), 1);
    assert_int_equal(byte, 'x');
    close(ends[0]);
    close(ends[1]);
}

/* Reads that end at once, for as long as all are waited for asleep, and then have the thread lose the processor until
 * that is noticed. Returns for how many loads there are no rings then. */
static uint32_t lose(int *numberp)
{
    for (unsigned i = 0; i < 700; i++) {
        if (i < 200)
            read_after(*numberp, 0);
        else
            read_interrupted(*numberp);
        if (own_ring_mine() < 0)
            return without(numberp);
    }
    fail_msg("a thread that loses the processor goes on by the ring");
    return 0;
}

static void a_thread_that_loses_the_processor_has_all_threads_read_without(void **state)
{
    uint32_t first;
    int number;

    (void)state;
    if (!SIGNALS_COME || !have_ring(&number))
        return;
    first = lose(&number);
    assert_in_range(first, 500, 20000);
    /* The next ones are waited for asleep; then it tries again, and finds the same. */
    assert_true(lose(&number) >= first);
    own_ring_leave();
}

static void that_holds_for_a_thread_that_comes_later(void **state)
{
    pthread_t other;
    bool none = false;
    int number;

    (void)state;
    if (!SIGNALS_COME || !have_ring(&number))
        return;
    for (unsigned i = 0; own_ring_mine() >= 0 && i < 500; i++)
        read_interrupted(number);
    assert_int_equal(pthread_create(&other, NULL, has_no_ring, &none), 0);
    pthread_join(other, NULL);
    assert_true(none);
    (void)without(&number);
    own_ring_leave();
}

/* Where others do want the processor the thread may lose it in any read, and rings go: but not time and again. */
static void a_disk_that_is_slow_takes_nobodys_ring(void **state)
{
    unsigned reads = 0;
    int number;

    (void)state;
    if (!have_ring(&number))
        return;
    for (unsigned i = 0; i < 50 && reads < 20; i++) {
        (void)without(&number);
        for (reads = 0; reads < 20 && own_ring_mine() >= 0; reads++)
            read_after(number, 3000000);
    }
    assert_int_equal(reads, 20);
    own_ring_leave();
}

static void a_ring_is_not_used_where_it_is_not_wanted(void **state)
{
    (void)state;
    assert_int_equal(setenv("SELFPAGE_RING", "off", 1), 0);
    own_ring_permit();
    assert_int_equal(own_ring_mine(), -1);
    own_ring_leave();
    assert_int_equal(unsetenv("SELFPAGE_RING"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_that_loses_the_processor_has_all_threads_read_without),
        cmocka_unit_test(that_holds_for_a_thread_that_comes_later),
        cmocka_unit_test(a_disk_that_is_slow_takes_nobodys_ring),
        cmocka_unit_test(a_ring_is_not_used_where_it_is_not_wanted),
    };

    return cmocka_run_group_tests_name("task_own_ring", tests, NULL, NULL);
}
