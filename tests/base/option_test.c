/* Values of options: what is taken, and that the rest is refused by name. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "base/option.h"

static void test_numbers(void **state)
{
    static const char *const wrong[] = {"",   "x",   "4x", "-1", "+4",
                                        " 4", "0x4", "1",  "11", "99999999999999999999999"};
    struct sp_error error;
    uint64_t number;

    (void)state;
    assert_int_equal(option_number("frames", "2", 2, 10, &number, NULL), 0);
    assert_int_equal(number, 2);
    assert_int_equal(option_number("frames", "10", 2, 10, &number, NULL), 0);
    assert_int_equal(option_number("seed", "18446744073709551615", 0, UINT64_MAX, &number, NULL),
                     0);
    assert_true(number == UINT64_MAX);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(option_number("frames", wrong[i], 2, 10, &number, &error), -EINVAL);
        assert_non_null(strstr(error.text, "--frames"));
        assert_non_null(strstr(error.text, "from 2 to 10"));
    }
}

static void test_rates(void **state)
{
    static const char *const wrong[] = {"", "x", "0.5x", "-0.1", "1.5", "nan"};
    struct sp_error error;
    double rate;

    (void)state;
    assert_int_equal(option_rate("fail-reads", "0.25", 1, &rate, NULL), 0);
    assert_true(rate > 0.2499 && rate < 0.2501);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(option_rate("fail-reads", wrong[i], 1, &rate, &error), -EINVAL);
        assert_non_null(strstr(error.text, "--fail-reads"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_rates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
