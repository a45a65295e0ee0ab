/* Expectations: the parser and what it evaluates to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "expression/expression.h"

/* sort.faults 10, sort.exit_status 0, physmem.free 7; sum(tasks.faults) 30. */
static int look_up(void *arg, bool all, const char *object, const char *field, double *value)
{
    (void)arg;
    if (all ? strcmp(object, "tasks") != 0
            : strcmp(object, "sort") != 0 && strcmp(object, "physmem") != 0)
        return -ENOENT;
    if (strcmp(field, "faults") == 0)
        *value = all ? 30 : 10;
    else if (strcmp(field, "exit_status") == 0)
        *value = 0;
    else if (strcmp(field, "free") == 0)
        *value = 7;
    else
        return -EINVAL;
    return 0;
}

/* What a mistyped name may have meant. */
static const char *nearest(void *arg, const char *object, const char *field)
{
    (void)arg;
    if (field == NULL)
        return strcmp(object, "sore") == 0 ? "sort" : NULL;
    return strcmp(field, "fault") == 0 ? "faults" : NULL;
}

static const struct expression_names names = {.look_up = look_up, .nearest = nearest};

static void expressions_hold_or_do_not(void **state)
{
    static const struct {
        const char *text;
        int holds;
    } cases[] = {
        {"1 == 1", 1},
        {"1==2", 0},
        {"1 != 2", 1},
        {"2 < 2", 0},
        {"2 <= 2", 1},
        {"3 > 2", 1},
        {"2 >= 3", 0},
        {"true", 1},
        {"false", 0},
        {"0", 0},
        {"0.5", 1},
        {"false == 0", 1},
        {"true == 1", 1},
        {"1 + 2 * 3 == 7", 1},
        {"(1 + 2) * 3 == 9", 1},
        {"10 - 2 - 3 == 5", 1},
        {"12 / 2 / 3 == 2", 1},
        {"-2 * -3 == 6", 1},
        {"--1 == 1", 1},
        {"- (1 + 2) == -3", 1},
        {"2*-1 < 0", 1},
        {"1e3 == 1000", 1},
        {"sort.faults == 10", 1},
        {" sort . faults\t>\n9 ", 1},
        {"sort.exit_status", 0},
        {"sort.exit_status == false", 1},
        {"sum(tasks.faults) == 3 * sort.faults", 1},
        {"physmem.free < sort.faults", 1},
        {"18446744073709551616 > 1", 1},
        {"true - 1", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sp_error error = {0};
        int holds = expression_evaluate(cases[i].text, &names, false, NULL, &error);

        if (holds != cases[i].holds)
            fail_msg("\"%s\": %d (%s)", cases[i].text, holds, error.text);
        assert_int_equal(expression_evaluate(cases[i].text, &names, true, NULL, &error), 0);
    }
}

static void mistakes_are_named_with_their_position(void **state)
{
    static const struct {
        const char *text;
        const char *position;
        const char *what;
    } cases[] = {
        {"", "position 1:", "a number or a name is missing"},
        {"   ", "position 4:", "a number or a name is missing"},
        {"1 ==", "position 5:", "a number or a name is missing"},
        {"1 = 1", "position 3:", "an operator is missing before '='"},
        {"1 == 1 == 1", "position 8:", "an operator is missing before '='"},
        {"1 + + 1", "position 5:", "before '+'"},
        {"(1", "position 3:", "')' is missing"},
        {"1)", "position 2:", "before ')'"},
        {"sort", "position 5:", "'.' is missing"},
        {"sort.", "position 6:", "a name is missing"},
        {"sort.speed > 1", "position 1:", "sort has no speed"},
        {"sort.fault > 1", "position 1:", "sort has no fault; did you mean faults?"},
        {"1 + rogue.faults", "position 5:", "there is no rogue"},
        {"1 + sore.faults", "position 5:", "there is no sore; did you mean sort?"},
        {"sum(tasks.fault)", "position 5:", "tasks has no fault; did you mean faults?"},
        {"sum(sort.faults)", "position 5:", "sum() takes tasks.FIELD, not sort"},
        {"sum(tasks.speed)", "position 5:", "tasks has no speed"},
        {"sum(tasks.faults", "position 17:", "')' is missing"},
        {"tasks.faults", "position 1:", "there is no tasks"},
        {"12abc", "position 3:", "'a' follows a number"},
        {"1 / 0", "position 3:", "division by zero"},
        {"1 & 2", "position 3:", "before '&'"},
        {"1 \x01", "position 3:", "before byte 0x01"},
        {"sort.faults \xc3\xa9", "position 13:", "before byte 0xc3"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sp_error error = {0};

        assert_int_equal(expression_evaluate(cases[i].text, &names, false, NULL, &error), -EINVAL);
        if (strstr(error.text, cases[i].position) == NULL ||
            strstr(error.text, cases[i].what) == NULL)
            fail_msg("\"%s\": %s", cases[i].text, error.text);
        assert_int_equal(expression_evaluate(cases[i].text, &names, false, NULL, NULL), -EINVAL);
    }
}

static void the_sides_are_told(void **state)
{
    struct expression_sides sides;

    (void)state;
    assert_int_equal(expression_evaluate("sort.faults * 2 < 3", &names, false, &sides, NULL), 0);
    assert_true(sides.left == 20 && sides.right == 3);
    assert_int_equal(expression_evaluate("sort.exit_status", &names, false, &sides, NULL), 0);
    assert_true(sides.left == 0 && sides.right == 0);
}

static void checking_does_not_divide(void **state)
{
    (void)state;
    assert_int_equal(expression_evaluate("1 / sort.exit_status > 0", &names, true, NULL, NULL), 0);
    assert_int_equal(expression_evaluate("1 / sort.exit_status > 0", &names, false, NULL, NULL),
                     -EINVAL);
}

static void depth_has_a_limit(void **state)
{
    char text[100001];
    struct sp_error error;

    (void)state;
    memset(text, '(', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(expression_evaluate(text, &names, false, NULL, &error), -EINVAL);
    assert_non_null(strstr(error.text, "nested more than 64 deep"));
    memset(text, '-', sizeof text - 1);
    assert_int_equal(expression_evaluate(text, &names, false, NULL, &error), -EINVAL);
    memset(text, 'x', sizeof text - 1);
    assert_int_equal(expression_evaluate(text, &names, false, NULL, &error), -EINVAL);
    assert_non_null(strstr(error.text, "a name has at most"));
}

/* A random expression of whole numbers, and its value by another route: built from the inside. */
static double build(struct random_source *random, int depth, char *text, size_t size)
{
    char left[2048], right[2048];
    double a, b;

    if (depth == 0) {
        a = random_below(random, 9);
        snprintf(text, size, "%g", a);
        return a;
    }
    a = build(random, depth - 1, left, sizeof left);
    b = build(random, depth - 1, right, sizeof right);
    switch (random_below(random, 3)) {
    case 0:
        snprintf(text, size, "(%.900s + %.900s)", left, right);
        return a + b;
    case 1:
        snprintf(text, size, "(%.900s-%.900s)", left, right);
        return a - b;
    default:
        snprintf(text, size, "(%.900s *%.900s)", left, right);
        return a * b;
    }
}

static void random_sums_come_out_right(void **state)
{
    struct random_source random = random_seeded(7);
    char text[2048];

    (void)state;
    for (int i = 0; i < 2000; i++) {
        struct expression_sides sides;
        double value = build(&random, (int)random_below(&random, 6), text, sizeof text);

        assert_true(expression_evaluate(text, &names, false, &sides, NULL) >= 0);
        if (sides.left != value)
            fail_msg("seed 7, step %d: %s is %g, not %g", i, text, value, sides.left);
    }
}

/* Random bytes of the alphabet of expressions: no outcome is wrong, but each must be one. */
static void random_bytes_do_no_harm(void **state)
{
    static const char alphabet[] = "0123456789.()+-*/<>=! \tsumtrefalkw_\x80\xff";
    struct random_source random = random_seeded(11);
    char text[64];

    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint32_t length = random_below(&random, sizeof text);
        struct sp_error error = {0};
        int result;

        for (uint32_t j = 0; j < length; j++)
            text[j] = alphabet[random_below(&random, sizeof alphabet - 1)];
        text[length] = '\0';
        result = expression_evaluate(text, &names, false, NULL, &error);
        assert_true(result == 0 || result == 1 || (result == -EINVAL && error.text[0] != '\0'));
    }
}

/* A value is a sum: a comparison is none, and without names there are only numbers. */
static void sums_have_values(void **state)
{
    static const struct {
        const char *text;
        const struct expression_names *names;
        int result;
        double value;
    } cases[] = {
        {"sort.faults / 4 - 1", &names, 0, 1.5},
        {"2 * (1 + 3)", NULL, 0, 8},
        {"sort.faults", NULL, -EINVAL, 0},
        {"1 < 2", &names, -EINVAL, 0},
        {"1 / 0", NULL, -EINVAL, 0},
        {"", NULL, -EINVAL, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sp_error error = {0};
        double value;

        assert_int_equal(expression_value(cases[i].text, cases[i].names, false, &value, &error),
                         cases[i].result);
        if (cases[i].result == 0)
            assert_true(value == cases[i].value);
        else
            assert_true(error.text[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_have_values),
        cmocka_unit_test(expressions_hold_or_do_not),
        cmocka_unit_test(mistakes_are_named_with_their_position),
        cmocka_unit_test(the_sides_are_told),
        cmocka_unit_test(checking_does_not_divide),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(random_sums_come_out_right),
        cmocka_unit_test(random_bytes_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
