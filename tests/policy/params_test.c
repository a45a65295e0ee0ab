/* Choosing policies by what users type: presets, values, limits, and what the messages say. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "policy/params.h"
#include "policy/registry.h"

static size_t some_size(const struct sp_policy_config *config)
{
    return config->pages;
}

static void some_insert(void *self, sp_page page, enum sp_access access)
{
    (void)self;
    (void)page;
    (void)access;
}

static sp_page some_victim(void *self, sp_page incoming)
{
    (void)self;
    return incoming;
}

static void some_remove(void *self, sp_page page, enum sp_removal why)
{
    (void)self;
    (void)page;
    (void)why;
}

static const struct sp_policy_param some_params[] = {
    {"small", 0.1, 0.0, 1.0, "share"},
    {"bits", 1, 1, 8, "bits"},
    {"shift", -2, -10.5, 10, "may be negative"},
    {NULL},
};

static const struct sp_policy some_policy = {
    .abi = SP_POLICY_ABI,
    .name = "some-2q",
    .params = some_params,
    .size = some_size,
    .insert = some_insert,
    .victim = some_victim,
    .remove = some_remove,
};

static void expect_text(const struct sp_error *error, int code, const char *part)
{
    assert_int_equal(error->code, code);
    if (strstr(error->text, part) == NULL)
        fail_msg("'%s' is not in '%s'", part, error->text);
}

static void test_builtins(void **state)
{
    const struct sp_policy *policy;
    struct sp_error error;
    size_t count = 0;

    (void)state;
    for (; (policy = policy_registry_builtin(count)) != NULL; count++) {
        if (policy_params_check(policy, &error) != 0)
            fail_msg("%s", error.text);
        assert_non_null(policy->summary);
        assert_non_null(policy->source);
        assert_ptr_equal(policy_registry_find(policy->name, strlen(policy->name)), policy);
    }
    assert_true(count >= 4);
    assert_null(policy_registry_builtin(SIZE_MAX));
    assert_null(policy_registry_find("lr", 2));
    assert_null(policy_registry_find("", 0));
    assert_ptr_equal(policy_registry_find("lru:x", 3), &policy_lru);
}

static void test_choose(void **state)
{
    struct policy_choice choice;
    struct sp_error error;

    (void)state;
    assert_int_equal(policy_params_choose(&choice, "clock", &error), 0);
    assert_ptr_equal(choice.policy, &policy_clock);
    assert_int_equal(policy_params_choose(&choice, "clock:", &error), 0);
    assert_int_equal(policy_params_choose(&choice, "lru:watched=0.5", &error), 0);
    assert_ptr_equal(choice.policy, &policy_lru);
    assert_true(choice.params[0] == 0.5);
    assert_int_equal(policy_params_choose(&choice, "bellady", &error), -ENOENT);
    expect_text(&error, ENOENT,
                "no eviction policy 'bellady': did you mean belady? There are fifo, ");
    assert_int_equal(policy_params_choose(&choice, "siev", &error), -ENOENT);
    expect_text(&error, ENOENT, "no eviction policy 'siev': did you mean sieve? ");
    assert_int_equal(policy_params_choose(&choice, "lowest", &error), -ENOENT);
    expect_text(&error, ENOENT, "no eviction policy 'lowest'; there are fifo, ");
    assert_int_equal(policy_params_choose(&choice, "cart.so:x=1", &error), -ENOENT);
    expect_text(&error, ENOENT, "a shared object has a slash in it: ./cart.so");
    assert_int_equal(policy_params_choose(&choice, "", &error), -ENOENT);
    assert_int_equal(policy_params_choose(&choice, ":watched=1", NULL), -ENOENT);
    assert_int_equal(policy_params_choose(&choice, "fifo:depth=3", &error), -ENOENT);
    expect_text(&error, ENOENT, "'fifo' has no parameters, so no 'depth'");
    assert_int_equal(policy_params_choose(&choice, "lru:depth=3", &error), -ENOENT);
    expect_text(&error, ENOENT, "'lru' has no parameter 'depth'; it has watched");
}

static void test_names_of_other_simulators(void **state)
{
    static const char *const names[][2] = {{"twoq", "called 2q"},
                                           {"Second-Chance:x=1", "called clock"},
                                           {"MIN", "called belady"},
                                           {"LRU", "called lru"}};
    struct policy_choice choice;
    struct sp_error error;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(policy_params_choose(&choice, names[i][0], &error), -ENOENT);
        assert_non_null(strstr(error.text, names[i][1]));
    }
    assert_int_equal(policy_params_choose(&choice, "twoqs", &error), -ENOENT);
    assert_null(strstr(error.text, "called"));
}

static void test_choose_live(void **state)
{
    struct policy_choice choice;
    struct sp_error error;

    (void)state;
    assert_int_equal(policy_params_choose_live(&choice, "clock", &error), 0);
    assert_int_equal(policy_params_choose_live(&choice, "belady", &error), -ENOTSUP);
    assert_int_equal(policy_params_choose_live(&choice, "lowest", &error), -ENOENT);
    for (size_t i = 0; policy_registry_builtin(i) != NULL; i++) {
        const struct sp_policy *policy = policy_registry_builtin(i);
        char name[40];

        snprintf(name, sizeof(name), " %s,", policy->name);
        if ((policy->flags & SP_POLICY_LIVE) == 0 && strstr(error.text, name) != NULL)
            fail_msg("'%s' names %s, which cannot run live", error.text, policy->name);
    }
    expect_text(&error, ENOENT, "there are fifo, ");
}

static int parse(const struct sp_policy *policy, const char *text, double *values,
                 struct sp_error *error)
{
    struct policy_choice choice;
    int result = policy_params_adopt(&choice, policy, text, error);

    memcpy(values, choice.params, sizeof(choice.params));
    return result;
}

static void test_values(void **state)
{
    double values[POLICY_PARAMS_MAX];
    struct sp_error error;

    (void)state;
    assert_int_equal(parse(&some_policy, NULL, values, &error), 0);
    assert_true(values[0] == 0.1 && values[1] == 1 && values[2] == -2 && values[3] == 0);
    assert_int_equal(parse(&some_policy, "shift=-10.5,small=25%", values, &error), 0);
    assert_true(values[0] == 0.25 && values[1] == 1 && values[2] == -10.5);
    assert_int_equal(parse(&some_policy, "small=.3,bits=8,shift=+7.", values, NULL), 0);
    assert_true(values[0] == 0.3 && values[1] == 8 && values[2] == 7);
    assert_int_equal(parse(&some_policy, "small=0.123456789", values, NULL), 0);
    assert_true(values[0] == 0.123456789);
}

static void test_bad_values(void **state)
{
    static const char *const malformed[] = {
        "small",
        "small=",
        "small=x",
        "small=0.1x",
        "small=1e-3",
        "small=nan",
        "small=.",
        "small=-",
        "small=%",
        "small=1..0",
        "small=--1",
        "small=0x1",
        "small= 1",
        "small=0.1,",
        ",small=0.1",
        ",",
        "small=0.1;bits=2",
        "bits=1,,shift=1",
        "small=0.1,small=0.2",
        "small=0.1234567890123456",
    };
    double values[POLICY_PARAMS_MAX];
    struct sp_error error;
    char text[400];

    (void)state;
    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
        if (parse(&some_policy, malformed[i], values, &error) != -EINVAL)
            fail_msg("'%s' is accepted", malformed[i]);
    assert_int_equal(parse(&some_policy, "bits=1,bits=1", values, &error), -EINVAL);
    expect_text(&error, EINVAL, "'bits' is given twice");
    assert_int_equal(parse(&some_policy, "bits=9", values, &error), -ERANGE);
    expect_text(&error, ERANGE, "'some-2q': parameter 'bits' is 9; it must be from 1 to 8");
    assert_int_equal(parse(&some_policy, "shift=-10.6", values, &error), -ERANGE);
    expect_text(&error, ERANGE, "from -10.5 to 10");
    assert_int_equal(parse(&some_policy, "smal=1", values, &error), -ENOENT);
    expect_text(&error, ENOENT, "no parameter 'smal'; it has small, bits, shift");
    assert_int_equal(parse(&some_policy, "=1", values, &error), -ENOENT);

    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(parse(&some_policy, text, values, &error), -EINVAL);
    text[200] = '=';
    assert_int_equal(parse(&some_policy, text, values, &error), -ENOENT);
    text[200] = ':';
    assert_int_equal(policy_params_choose(&(struct policy_choice){0}, text, &error), -ENOENT);
    assert_true(strlen(error.text) < SP_ERROR_TEXT);
}

/* Whatever is typed: an error with a text, or values within their limits. */
static void test_random_texts(void **state)
{
    static const char *const parts[] = {"small", "bits", "shift", "=", "=", ",", ",", ":", ".",
                                        "-",     "+",    "%",     "0", "1", "2", "9", "x", "e"};
    struct random_source random = random_seeded(4);

    (void)state;
    for (int i = 0; i < 20000; i++) {
        double values[POLICY_PARAMS_MAX];
        struct sp_error error = {.text = ""};
        char text[200] = "";

        for (uint32_t n = random_below(&random, 20); n > 0; n--)
            strcat(text, parts[random_below(&random, sizeof(parts) / sizeof(parts[0]))]);
        if (parse(&some_policy, text, values, &error) != 0)
            assert_true(error.code > 0 && error.text[0] != '\0');
        else
            for (int p = 0; some_params[p].name != NULL; p++)
                if (!(values[p] >= some_params[p].least && values[p] <= some_params[p].most))
                    fail_msg("'%s' gives %s = %g", text, some_params[p].name, values[p]);
    }
}

static void test_check(void **state)
{
    struct sp_policy_param params[POLICY_PARAMS_MAX + 2] = {{NULL}};
    struct sp_policy policy = some_policy;
    struct sp_error error;

    (void)state;
    assert_int_equal(policy_params_check(&policy, &error), 0);
    policy.abi = SP_POLICY_ABI + 1;
    assert_int_equal(policy_params_check(&policy, &error), -EPROTO);
    expect_text(&error, EPROTO, "interface version 2, this is 1");
    policy = some_policy;
    policy.name = "Some";
    assert_int_equal(policy_params_check(&policy, &error), -EINVAL);
    policy.name = NULL;
    assert_int_equal(policy_params_check(&policy, &error), -EINVAL);
    policy = some_policy;
    policy.victim = NULL;
    assert_int_equal(policy_params_check(&policy, &error), -EINVAL);
    expect_text(&error, EINVAL, "'some-2q' lacks one of");
    policy = some_policy;
    policy.params = params;
    for (uint32_t i = 0; i < POLICY_PARAMS_MAX; i++)
        params[i] = (struct sp_policy_param){"p", 1, 0, 2, NULL};
    assert_int_equal(policy_params_check(&policy, &error), 0);
    params[POLICY_PARAMS_MAX].name = "p";
    assert_int_equal(policy_params_check(&policy, &error), -EINVAL);
    params[1].name = NULL;
    params[0].preset = 3;
    assert_int_equal(policy_params_check(&policy, &error), -EINVAL);
    expect_text(&error, EINVAL, "preset of 'p', 3, is not from 0 to 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_builtins),
        cmocka_unit_test(test_choose),
        cmocka_unit_test(test_names_of_other_simulators),
        cmocka_unit_test(test_choose_live),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_random_texts),
        cmocka_unit_test(test_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
