/* Workloads as text: what is read, and what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "workload/workload_text.h"

static void what_is_left_out_has_a_value(void **state)
{
    struct workload workload;

    (void)state;
    assert_int_equal(workload_text_parse(&workload, "pages=100;zipf=1", NULL), 0);
    assert_int_equal(workload.pages, 100);
    assert_int_equal(workload.kind, SP_PRECIOUS);
    assert_int_equal(workload.rounds, 1);
    assert_int_equal(workload.phases, 1);
    assert_int_equal(workload.phase[0].pattern, WORKLOAD_ZIPF);
    assert_int_equal(workload.phase[0].exponent, 1000);
    assert_int_equal(workload.phase[0].pages, 100);
    assert_int_equal(workload.phase[0].references, 1000);
    assert_int_equal(
        workload_text_parse(&workload, "pages=100;scan=3,first=10;loop=7;markov=5", NULL), 0);
    assert_int_equal(workload.phase[0].references, 30);
    assert_int_equal(workload.phase[1].references, 70);
    assert_int_equal(workload.phase[2].stay, 500);
}

/* How many pages a trace has is not known before it is read. */
static void traces_need_no_pages(void **state)
{
    struct workload workload;

    (void)state;
    assert_int_equal(
        workload_text_parse(&workload, "kind=discardable;trace=a;idle=1s;trace=b", NULL), 0);
    assert_int_equal(workload.pages, 0);
    assert_int_equal(workload.phases, 3);
    assert_int_equal(workload.phase[0].pages, 0);
}

static void mistakes_are_named(void **state)
{
    static const struct {
        const char *text, *complaint;
    } wrong[] = {
        {"", "pages is missing"},
        {"kind=precious;zipf=1", "pages is missing"},
        {";trace=a;zipf=1", "pages is missing"},
        {";trace=a,first=1", "pages is missing"},
        {";trace=a,pages=1", "pages is missing"},
        {";idle=1s", "pages is missing"},
        {"pages=10", "there is no pattern"},
        {"pages=10;zipf=1,pause=1ms", "a pause without a burst"},
        {"pages=0;zipf=1", "pages=0: not a whole number from 1"},
        {"pages=ten;zipf=1", "pages=ten: not a whole number"},
        {"pages=99999999999999999999;zipf=1", "not a whole number"},
        {"pages=10;zipf=5", "zipf=5: not a decimal number from 0 to 4"},
        {"pages=10;zipf=1.2.3", "not a decimal number"},
        {"pages=10;zipf=.", "not a decimal number"},
        {"pages=10;zipf=-1", "not a decimal number"},
        {"pages=10;zipf=1,loop=3", "a phase has one pattern"},
        {"pages=10;writes=0.5", "phase 1 has no pattern"},
        {"pages=10;zipf=1,writes=2", "writes=2: not a decimal number from 0 to 1"},
        {"pages=10;loop=11", "a set of 11 pages, of 10"},
        {"pages=10;loop=2,first=10", "phase 1 begins at page 10 of 10"},
        {"pages=10;loop=2,first=5,pages=6", "phase 1 has 6 pages from page 5 on, of 10"},
        {"pages=10;idle=5", "idle=5: not a time"},
        {"pages=10;zipf=1,think=9999h", "not a time"},
        {"pages=10;zipf", "zipf=: not a decimal number"},
        {"pages=10;zipf=1,colour=red", "colour=red: no such key: a phase has"},
        {"pages=10,zipf=1", "zipf=1: no such key: the first part has"},
        {"pages=10,kind=nice;zipf=1", "kind=nice: not precious"},
        {"pages=10,recalls=no;zipf=1", "recalls=no: not answer or ignore"},
        {"pages=10;trace=", "trace=: not a path"},
        {"pages=10;trace=a,zipf=1", "a phase has one pattern"},
        {"pages=9;;", "phase 1 has no pattern"},
        {"pages=9;loop=1;loop=1;loop=1;loop=1;loop=1;loop=1;loop=1;loop=1;loop=1;loop=1;loop=1;loop=1;"
         "loop=1;loop=1;loop=1;loop=1;loop=1",
         "more than 16 phases"},
    };
    struct workload workload;
    struct sp_error error;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_not_equal(workload_text_parse(&workload, wrong[i].text, &error), 0);
        if (strstr(error.text, wrong[i].complaint) == NULL)
            fail_msg("%s: %s", wrong[i].text, error.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_out_has_a_value),
        cmocka_unit_test(traces_need_no_pages),
        cmocka_unit_test(mistakes_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
