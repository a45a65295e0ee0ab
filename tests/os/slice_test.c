/* Short turns of the processor. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/slice.h"

/* What the kernel says of the calling thread. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
};

static struct attributes ask(void)
{
    struct attributes attributes = {0};

    (void)syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0);
    return attributes;
}

static void *run_child(void *runtime_ns)
{
    *(uint64_t *)runtime_ns = ask().runtime_ns;
    return NULL;
}

/* In a thread of its own: what it asks for is nobody else's. */
static void *run_short(void *unused)
{
    struct attributes before = ask(), after;
    uint64_t child_ns = 0;
    pthread_t child;

    slice_shorten();
    after = ask();
    assert_int_equal(after.policy, before.policy);
    assert_int_equal(after.nice, before.nice);
    if (before.policy == SCHED_OTHER && before.runtime_ns > 0) { /* the kernel knows of it */
        assert_int_equal(after.runtime_ns, 100000);
        assert_int_equal(pthread_create(&child, NULL, run_child, &child_ns), 0);
        assert_int_equal(pthread_join(child, NULL), 0);
        assert_int_equal(child_ns, 100000);
    }
    return unused;
}

static void test_short_turns_are_for_a_thread_and_those_that_it_starts(void **state)
{
    struct attributes before = ask();
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, run_short, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(ask().runtime_ns, before.runtime_ns);
}

static void *run_batch(void *unused)
{
    const struct sched_param none = {0};
    struct attributes before, after;

    assert_int_equal(sched_setscheduler(0, SCHED_BATCH, &none), 0);
    before = ask();
    slice_shorten();
    after = ask();
    assert_int_equal(after.policy, before.policy);
    assert_int_equal(after.runtime_ns, before.runtime_ns);
    return unused;
}

static void test_another_way_of_scheduling_stands(void **state)
{
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, run_batch, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_turns_are_for_a_thread_and_those_that_it_starts),
        cmocka_unit_test(test_another_way_of_scheduling_stands),
    };

    return cmocka_run_group_tests_name("os/slice", tests, NULL, NULL);
}
