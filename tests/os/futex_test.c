/* The lock and the wait for signal handlers, the clock, and limits. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include <valgrind/valgrind.h>

#include "os/clock.h"
#include "os/futex.h"
#include "os/limits.h"

#define THREADS 4

static struct futex_lock lock;
static uint64_t counter; /* under the lock */

static void *count_up(void *arg)
{
    int i;

    for (i = 0; i < *(int *)arg; i++) {
        futex_lock_take(&lock);
        counter++;
        if (i % 64 == 0)
            sched_yield(); /* lose the core while others want the lock */
        futex_lock_release(&lock);
    }
    return NULL;
}

static void test_the_lock_excludes(void **state)
{
    int rounds = RUNNING_ON_VALGRIND ? 1000 : 50000;
    pthread_t threads[THREADS];
    int i;

    (void)state;
    for (i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, &rounds), 0);
    for (i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(counter, (uint64_t)THREADS * (uint64_t)rounds);
    assert_int_equal(lock.state, FUTEX_LOCK_FREE);
}

static void test_try_takes_only_a_free_lock(void **state)
{
    struct futex_lock own = {0};

    (void)state;
    assert_true(futex_lock_try(&own));
    assert_false(futex_lock_try(&own));
    futex_lock_release(&own);
    assert_true(futex_lock_try(&own));
    futex_lock_release(&own);
}

static void test_a_wait_ends_by_value_or_by_time(void **state)
{
    uint64_t start_ns = clock_now_ns();
    uint32_t word = 1;

    (void)state;
    assert_int_equal(futex_wait(&word, 0, -1), -EAGAIN);
    assert_int_equal(futex_wait(&word, 1, 3000000), -ETIMEDOUT);
    assert_true(clock_now_ns() - start_ns >= 3000000);
    assert_int_equal(futex_wait(&word, 1, 0), -ETIMEDOUT);
    assert_int_equal(futex_wake(&word, 1), 0);
}

static void *wait_for_word(void *arg)
{
    uint32_t *word = arg;

    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == 0)
        futex_wait(word, 0, -1);
    return NULL;
}

static void test_a_wake_ends_a_wait(void **state)
{
    pthread_t thread;
    uint32_t word = 0;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, wait_for_word, &word), 0);
    __atomic_store_n(&word, 1, __ATOMIC_RELEASE);
    assert_in_range(futex_wake(&word, 1), 0, 1); /* it need not sleep yet */
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_the_clock_does_not_go_back(void **state)
{
    uint64_t before = clock_now_ns(), now;
    int i;

    (void)state;
    for (i = 0; i < 1000; i++, before = now) {
        now = clock_now_ns();
        assert_true(now >= before);
    }
}

static void test_the_limit_of_files_is_raised(void **state)
{
    struct rlimit before, low;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = 32;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_true(limits_raise_files() > 32);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_lock_excludes),
        cmocka_unit_test(test_try_takes_only_a_free_lock),
        cmocka_unit_test(test_a_wait_ends_by_value_or_by_time),
        cmocka_unit_test(test_a_wake_ends_a_wait),
        cmocka_unit_test(test_the_clock_does_not_go_back),
        cmocka_unit_test(test_the_limit_of_files_is_raised),
    };

    return cmocka_run_group_tests_name("os/futex", tests, NULL, NULL);
}
