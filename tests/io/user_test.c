/* Users and their shares: whichever users came before, something is left. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/allotment.h"
#include "io/user.h"

static void test_a_user_lives_as_long_as_somebody_refers_to_it(void **state)
{
    struct users users = {0};
    struct user *one, *other;

    (void)state;
    one = user_take(&users, 1000);
    other = user_take(&users, 1000 + USER_BUCKETS);
    assert_ptr_not_equal(one, other);
    assert_ptr_equal(user_take(&users, 1000), one);
    user_release(&users, one);
    assert_ptr_equal(user_take(&users, 1000), one);
    user_release(&users, one);
    user_release(&users, one);
    user_release(&users, other);
    assert_null(users.bucket[1000 % USER_BUCKETS]);
}

/* Each of `users` takes as much of `most` as it may, in turn. Returns what is left. */
static uint64_t left_by(unsigned users, uint64_t most, unsigned factor, uint64_t taken_by[])
{
    uint64_t taken = 0;

    for (unsigned i = 0; i < users; i++)
        taken_by[i] = 0;
    for (unsigned refused = 0, i = 0; refused < users; i = (i + 1) % users) {
        if (allotment_may(taken_by[i], 1, taken, most, factor)) {
            taken_by[i]++;
            taken++;
            refused = 0;
        } else {
            refused++;
        }
    }
    return most - taken;
}

static void test_one_user_alone_leaves_something(void **state)
{
    uint64_t taken[3];

    (void)state;
    assert_in_range(left_by(1, 900, 8, taken), 99, 101);
    assert_in_range(left_by(1, 900, 1, taken), 449, 451);
    assert_int_equal(left_by(1, 1, 8, taken), 0); /* the only one there is can be had */
}

static void test_several_get_the_same_and_leave_something(void **state)
{
    uint64_t taken[3];

    (void)state;
    assert_in_range(left_by(3, 2500, 8, taken), 99, 101);
    assert_in_range(taken[0], 799, 801);
    assert_in_range(taken[1], 799, 801);
    assert_in_range(taken[2], 799, 801);
}

static void test_nobody_takes_more_than_there_is(void **state)
{
    (void)state;
    assert_false(allotment_may(0, 1, 10, 10, 8));
    assert_false(allotment_may(0, 11, 0, 10, 8));
    assert_true(allotment_may(0, 10, 0, 10, 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_user_lives_as_long_as_somebody_refers_to_it),
        cmocka_unit_test(test_one_user_alone_leaves_something),
        cmocka_unit_test(test_several_get_the_same_and_leave_something),
        cmocka_unit_test(test_nobody_takes_more_than_there_is),
    };

    return cmocka_run_group_tests_name("io/user", tests, NULL, NULL);
}
