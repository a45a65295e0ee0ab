/* How long the loop stays awake for a read, and for the next request. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "awake.h"

#define BEGIN UINT64_C(1000000000)

/* A read begins, and ends only when the loop sleeps. Returns whether the loop was awake for it. */
static bool read_in_vain(struct awake *awake, uint64_t *now)
{
    bool was;

    awake_begin(awake, *now);
    was = awake_is(awake);
    while (awake_look(awake, *now))
        *now += 10000;
    assert_false(awake_is(awake));
    return was;
}

static void it_stays_awake_for_reads_that_end_soon(void **state)
{
    struct awake awake = {.until_ns = 0};
    uint64_t now = BEGIN;

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        awake_begin(&awake, now);
        assert_true(awake_look(&awake, now += 100000));
        awake_begin(&awake, now); /* another one: the time begins anew */
        assert_true(awake_look(&awake, now += 100000));
        awake_end(&awake, now);
        assert_true(awake_look(&awake, now += 40000)); /* for the next request */
    }
    assert_false(awake_look(&awake, now += 20000));
}

static void it_sleeps_for_more_reads_each_time_that_it_was_awake_in_vain(void **state)
{
    struct awake awake = {.until_ns = 0};
    uint64_t now = BEGIN;

    (void)state;
    for (unsigned skip = 2; skip <= 8; skip *= 2) {
        assert_true(read_in_vain(&awake, &now));
        for (unsigned i = 0; i < skip; i++)
            assert_false(read_in_vain(&awake, &now));
    }
    /* One that ends in time makes it forget. */
    awake_begin(&awake, now);
    awake_end(&awake, now);
    while (awake_look(&awake, now))
        now += 10000;
    assert_true(read_in_vain(&awake, &now));
    for (unsigned i = 0; i < 2; i++)
        assert_false(awake_would(&awake));
    assert_true(awake_would(&awake));
}

static void it_does_not_wait_long_for_clients_that_ask_late(void **state)
{
    struct awake awake = {.until_ns = 0};
    uint64_t now = BEGIN;
    unsigned waited = 0;

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        awake_begin(&awake, now);
        awake_end(&awake, now);
        waited += awake_is(&awake);
        while (awake_look(&awake, now))
            now += 10000;
        now += 100000;
    }
    assert_in_range(waited, 2, 10);
}

static void it_sleeps_for_long_once_it_has_lost_the_processor(void **state)
{
    struct awake awake = {.until_ns = 0};
    uint64_t now = BEGIN;

    (void)state;
    awake_begin(&awake, now);
    assert_false(awake_look(&awake, now += AWAKE_LOST_NS));
    for (unsigned i = 0; i < 1000; i++)
        assert_false(read_in_vain(&awake, &now));
    while (!awake_would(&awake))
        continue;
    awake_begin(&awake, now);
    assert_true(awake_look(&awake, now));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_stays_awake_for_reads_that_end_soon),
        cmocka_unit_test(it_sleeps_for_more_reads_each_time_that_it_was_awake_in_vain),
        cmocka_unit_test(it_does_not_wait_long_for_clients_that_ask_late),
        cmocka_unit_test(it_sleeps_for_long_once_it_has_lost_the_processor),
    };

    return cmocka_run_group_tests_name("swap_awake", tests, NULL, NULL);
}
