/* Contracts as text: what is understood, and that what is not is named. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "core/contracts/terms_text.h"

static void test_presets(void **state)
{
    struct wanted_contract wanted[TERMS_MAX];

    (void)state;
    assert_int_equal(terms_text_parse("guaranteed=256", wanted, NULL), 1);
    assert_int_equal(wanted[0].terms.kind, SP_GUARANTEED);
    assert_int_equal(wanted[0].terms.frames, 256);
    assert_int_equal(wanted[0].terms.min, 256);
    assert_true(wanted[0].terms.term_ns == SP_FOREVER);
    assert_int_equal(wanted[0].terms.t_clean, 0);
    assert_int_equal(wanted[0].terms.on_breach, SP_BREACH_REVOKE);
}

static void test_everything(void **state)
{
    struct wanted_contract wanted[TERMS_MAX];

    (void)state;
    assert_int_equal(
        terms_text_parse(
            "guaranteed=9,min=3,term=2m,clean=5s,drop=250ms,breach=kill,order=2,weight=7,"
            "bid=11;extra=64,drop=100a;timed=5,term=1500us;",
            wanted, NULL),
        3);
    assert_int_equal(wanted[0].terms.min, 3);
    assert_true(wanted[0].terms.term_ns == UINT64_C(120000000000));
    assert_true(wanted[0].terms.t_clean == UINT64_C(5000000000));
    assert_true(wanted[0].terms.t_drop == 250000000);
    assert_int_equal(wanted[0].terms.on_breach, SP_BREACH_KILL);
    assert_int_equal(wanted[0].terms.order, 2);
    assert_int_equal(wanted[0].terms.weight, 7);
    assert_int_equal(wanted[0].terms.bid, 11);
    assert_int_equal(wanted[1].terms.kind, SP_EXTRA);
    assert_int_equal(wanted[1].terms.grace_unit, SP_GRACE_ALLOCATIONS);
    assert_int_equal(wanted[1].terms.t_drop, 100);
    assert_int_equal(wanted[2].terms.kind, SP_TIMED);
    assert_true(wanted[2].terms.term_ns == 1500000);
}

static void test_zero_term_is_for_physmem_to_refuse(void **state)
{
    struct wanted_contract wanted[TERMS_MAX];

    (void)state;
    assert_int_equal(terms_text_parse("guaranteed=1,term=0s", wanted, NULL), 1);
    assert_true(wanted[0].terms.term_ns == 0);
}

static void test_rungs_and_claims(void **state)
{
    static const char *const rungs[SP_BREACH_ACTIONS] = {
        "extra=1,breach=revoke", "extra=1,breach=kill", "extra=1,breach=warn",
        "extra=1,breach=penalty", "extra=1,breach=repossess"};
    struct wanted_contract wanted[TERMS_MAX];

    (void)state;
    for (unsigned i = 0; i < SP_BREACH_ACTIONS; i++) {
        assert_int_equal(terms_text_parse(rungs[i], wanted, NULL), 1);
        assert_int_equal(wanted[0].terms.on_breach, i);
    }
    assert_int_equal(terms_text_parse("extra=1;claim=18446744073709551614", wanted, NULL), 2);
    assert_int_equal(wanted[0].terms.kind, SP_EXTRA);
    assert_true(wanted[0].token == 0);
    assert_true(wanted[1].token == UINT64_MAX - 1);
}

static void test_mistakes_are_named(void **state)
{
    static const struct {
        const char *text;
        const char *named;
    } cases[] = {
        {"", "''"},
        {";", "''"},
        {"guarantee=5", "guarantee"},
        {"guaranteed", "guaranteed"},
        {"guaranteed=", "guaranteed="},
        {"guaranteed=-1", "-1"},
        {"guaranteed=5000000000", "5000000000"},
        {"guaranteed=99999999999999999999999999", "9999"},
        {"guaranteed=5,", "''"},
        {"guaranteed=5,term=5", "term=5"},
        {"guaranteed=5,term=5d", "5d"},
        {"guaranteed=5,term=99999999999999999h", "term"},
        {"guaranteed=5,drop=0ms", "drop"},
        {"guaranteed=5,drop=10a,clean=1s", "clean"},
        {"guaranteed=5,breach=maybe", "maybe"},
        {"guaranteed=5,order=32", "order=32' is no number from 0 to 31"},
        {"guaranteed=5,weight=4294967295", "from 0 to 4294967294"},
        {"guaranteed=5,bid=high", "'bid=high' is no number from 0 to 18446744073709551614"},
        {"claim=0", "claim"},
        {"claim=abc", "abc"},
        {"claim=5,min=1", "claim"},
        {"guaranteed=5 ,min=1", "5 "},
        {"extra=1;extra=1;extra=1;extra=1;extra=1;extra=1;extra=1;extra=1;extra=1", "more than 8"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wanted_contract wanted[TERMS_MAX];
        struct sp_error error = {0};

        if (terms_text_parse(cases[i].text, wanted, &error) != -EINVAL ||
            (cases[i].named[0] != '\'' && strstr(error.text, cases[i].named) == NULL))
            fail_msg("'%s' gave: %s", cases[i].text, error.text);
        assert_int_equal(error.code, EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_presets),
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_zero_term_is_for_physmem_to_refuse),
        cmocka_unit_test(test_rungs_and_claims),
        cmocka_unit_test(test_mistakes_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
