/* The command line of `selfpage bench contracts`: what is wrong is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "selfpage/bench/bench.h"

/* What is left out has a default, and what is given is taken. */
static void defaults(void **state)
{
    char *few[] = {"contracts", NULL};
    char *many[] = {"contracts",
                    "--tasks=9",
                    "--processes=3",
                    "--rate=50",
                    "--order=0",
                    "--kinds=timed=2",
                    "--mix=recall=3,resize=1",
                    "--recall=8/4",
                    "--compare=a,b:x=1",
                    "--no-baseline",
                    NULL};
    struct bench_options options;
    struct sp_error error;

    (void)state;
    assert_int_equal(bench_options_parse(1, few, &options, &error), OPTIONS_RUN);
    assert_int_equal(options.tasks, 64);
    assert_int_equal(options.all, 64);
    assert_int_equal(options.outstanding, 8);
    assert_int_equal(options.recall_frames, 100000);
    assert_int_equal(options.recall_tasks, 1000);
    assert_int_equal(options.silent_grace_ns, options.grace_ns);
    strings_fini(&options.arbiters);

    assert_int_equal(bench_options_parse(10, many, &options, &error), OPTIONS_RUN);
    assert_int_equal(options.processes, 3);
    assert_int_equal(options.outstanding, 0);
    assert_int_equal(options.order, 0);
    assert_int_equal(options.kinds[SP_TIMED], 2);
    assert_int_equal(options.kinds[SP_GUARANTEED], 0);
    assert_int_equal(options.mix[BENCH_RECALL], 3);
    assert_int_equal(options.mix[BENCH_RESIZE], 1);
    assert_int_equal(options.mix[BENCH_PROPOSE], 0);
    assert_int_equal(options.recall_frames, 8);
    assert_int_equal(options.recall_tasks, 4);
    assert_int_equal(options.arbiters.count, 2);
    assert_false(options.baseline);
    strings_fini(&options.arbiters);
}

static void bad_options(void **state)
{
    static struct {
        char *arguments[5];
        const char *text;
    } cases[] = {
        {{"contracts", "--tasks=0"}, "not a number from 1"},
        {{"contracts", "--rate=5", "--outstanding=1"}, "open loop"},
        {{"contracts", "--tasks=3", "--outstanding=4"}, "one request outstanding at most"},
        {{"contracts", "--mix=propose=0"}, "all shares are 0"},
        {{"contracts", "--mix=buy=1"}, "there is no kind \"buy\""},
        {{"contracts", "--mix=propose"}, "is not KIND=N"},
        {{"contracts", "--contention=5"}, "from 0 to 4"},
        {{"contracts", "--contention=nan"}, "from 0 to 4"},
        {{"contracts", "--duration=forever"}, "is no time"},
        {{"contracts", "--cores=some"}, "neither same nor different"},
        {{"contracts", "--picture=a.gif"}, ".svg"},
        {{"contracts", "--tasks=2", "--slow=2", "--silent=1"}, "more slow and silent tasks"},
        {{"contracts", "--compare=a,,b"}, "names with commas"},
        {{"contracts", "--compare=a,b", "--picture=a.svg"}, "draws one run"},
        {{"contracts", "--colour"}, "unknown option --colour"},
        {{"contracts", "--seed"}, "needs a value"},
        {{"contracts", "--kinds=timed=0"}, "all shares are 0"},
        {{"contracts", "--kinds=timed=1,"}, "\"\" is not KIND=N"},
        {{"contracts", "--kinds=owned=1"}, "there is no kind \"owned\""},
        {{"contracts", "--order=11"}, "from 0 to 10"},
        {{"contracts", "--recall=7"}, "is not FRAMES/TASKS"},
        {{"contracts", "--recall=5/6"}, "at least one frame for each task"},
        {{"contracts", "--tasks=2", "--processes=3"}, "more processes than"},
        {{"contracts", "--tasks=8", "--processes=4", "--outstanding=3"}, "needs one"},
        {{"contracts", "--weights=0"}, "from 1"},
        {{"contracts", "--bids=1,,2"}, "bids"},
        {{"contracts", "--bids=1,2,"}, "bids"},
        {{"contracts", "--demand=none"}, "neither constant, bursts nor phases"},
        {{"contracts", "--idle=1"}, "--idle needs --demand"},
        {{"contracts", "--tasks=5000", "--priorities=1"}, "4096 limits"},
        {{"contracts", "more"}, "unexpected argument \"more\""},
    };
    struct bench_options options;
    struct sp_error error;

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char **argv = cases[i].arguments;
        int argc = 0;

        while (argv[argc] != NULL)
            argc++;
        assert_int_equal(bench_options_parse(argc, argv, &options, &error), OPTIONS_BAD);
        strings_fini(&options.arbiters);
        if (strstr(error.text, cases[i].text) == NULL)
            fail_msg("case %u: \"%s\" is not in: %s", i, cases[i].text, error.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(bad_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
