/* What selfpage run says: about its use, about scenarios that it cannot run, and about policies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <selfpage/stats.h>

#include "run_place.h"
#include "scale.h"

static void usage_is_explained(void **state)
{
    const struct place *place = *state;

    run_expect(place, (const char *[]){"--help", NULL}, 0, "run            start physmem", NULL);
    run_expect(place, (const char *[]){"--version", NULL}, 0, "selfpage ", NULL);
    run_expect(place, (const char *[]){"run", "--help", NULL}, 0, "chaos_unmap", NULL);
    run_expect(place, (const char *[]){NULL}, 2, NULL, "which command?");
    run_expect(place, (const char *[]){"help", "--help", NULL}, 0, "run            start physmem",
               NULL);
    run_expect(place, (const char *[]){"--verion", NULL}, 2, NULL, "unknown option --verion");
    run_expect(place, (const char *[]){"walk", NULL}, 2, NULL, "unknown command walk");
    run_expect(place, (const char *[]){"run", NULL}, 2, NULL, "which SCENARIO?");
    run_expect(place, (const char *[]){"run", "a", "b", NULL}, 2, NULL,
               "unexpected argument \"b\"");
    run_expect(place, (const char *[]){"run", "--fast", "a", NULL}, 2, NULL, "--fast");
    run_expect(place, (const char *[]){"run", "a", "--seed", NULL}, 2, NULL, "--seed needs");
    run_expect(place, (const char *[]){"run", "a", "--seed", "-1", NULL}, 2, NULL, "\"-1\"");
    run_expect(place, (const char *[]){"run", "a", "--chaos-unmap", "x", NULL}, 2, NULL, "\"x\"");
    run_expect(place, (const char *[]){"run", "a", "--policy", "best", NULL}, 2, NULL, "best");
    run_expect(place, (const char *[]){"run", "a", "--define", "x", NULL}, 2, NULL, "\"x\"");
    run_expect(place, (const char *[]){"run", "none.yaml", NULL}, 2, NULL, "none.yaml: No such");
}

/* A region that needs swap, where there is none or too little. */
static void swap_that_is_missing_is_asked_for(void **state)
{
    const struct place *place = *state;

    write_file(place, "without.yaml",
               "physmem: {frames: 256}\n"
               "tasks: [{name: a, program: kvstore, contract: guaranteed=64, expect_exit: 2}]\n");
    run_expect(place, (const char *[]){"run", "without.yaml", NULL}, 0, NULL,
               "a precious region needs a swap server: swap: in the scenario");
    write_file(place, "small.yaml",
               "physmem: {frames: 256}\nswap: {slots: 64}\n"
               "tasks: [{name: a, program: kvstore, contract: guaranteed=64, expect_exit: 2}]\n");
    run_expect(place, (const char *[]){"run", "small.yaml", NULL}, 0, NULL,
               "raise swap: slots: in the scenario");
}

static void contracts_for_bandwidth_are_made_with_swap(void **state)
{
    const struct place *place = *state;

    write_file(
        place, "shared.yaml",
        "physmem: {frames: 256}\nswap: {slots: 4096, buffered: yes, bandwidth: 1000}\n"
        "tasks:\n"
        "- {name: a, contract: guaranteed=64, bandwidth: shares=2, workload: {pages: 128, loop: 128, "
        "references: 512, writes: 0.5}}\n"
        "- {name: b, contract: guaranteed=64, bandwidth: 'rate=900,extra', workload: {pages: 128, "
        "loop: 128, references: 512, writes: 0.5}}\n"
        "expect: [a.swapped_in > 0, b.swapped_in > 0, swap.own_loads == 0]\n");
    run_expect(place, (const char *[]){"run", "shared.yaml", NULL}, 0, NULL, NULL);
    run_expect(place, (const char *[]){"simulate", "shared.yaml", NULL}, 0, NULL, NULL);
    write_file(
        place, "none.yaml",
        "physmem: {frames: 256}\nswap: {slots: 64}\n"
        "tasks: [{name: a, program: kvstore, contract: guaranteed=64, bandwidth: shares=2}]\n");
    run_expect(place, (const char *[]){"run", "none.yaml", NULL}, 2, NULL,
               "tasks[1].bandwidth: swap makes no contracts for it");
    write_file(
        place, "odd.yaml",
        "physmem: {frames: 256}\nswap: {slots: 64, bandwidth: 10}\n"
        "tasks: [{name: a, program: kvstore, contract: guaranteed=64, bandwidth: rate=fast}]\n");
    run_expect(place, (const char *[]){"run", "odd.yaml", NULL}, 2, NULL,
               "tasks[1].bandwidth: \"rate=fast\" is none of shares=N");
    write_file(
        place, "more.yaml",
        "physmem: {frames: 256}\nswap: {slots: 64, bandwidth: 10}\n"
        "tasks: [{name: a, program: kvstore, contract: guaranteed=64, bandwidth: rate=11}]\n");
    run_expect(place, (const char *[]){"run", "more.yaml", NULL}, 2, NULL,
               "tasks[1].bandwidth: swap has 10 pages a second for all contracts together");
    /* Each could be met: swap refuses the one that comes second, whichever it is. The first is there long enough. */
    write_file(
        place, "many.yaml",
        "physmem: {frames: 256}\nswap: {slots: 640, bandwidth: 1000}\ntasks:\n"
        "- {name: a, copies: 2, contract: guaranteed=64, bandwidth: rate=600, expect_exit: any, "
        "workload: {pages: 80, phases: [ {loop: 80, references: 800}, {idle: \"${IDLE}\"} ]}}\n");
    run_expect(place, (const char *[]){"simulate", "many.yaml", "--define", "IDLE=2s", NULL}, 0,
               NULL, NULL);
    run_expect(place,
               (const char *[]){"run", "many.yaml", "--define",
                                scale_is_slow() ? "IDLE=20s" : "IDLE=3s", NULL},
               0, NULL,
               "SELFPAGE_BANDWIDTH=rate=600: swap refuses: less bandwidth is left than this rate");
}

static void a_policy_server_says_what_tasks_have_of_swap(void **state)
{
    const struct place *place = *state;

    write_file(place, "entitled.yaml",
               "defaults: {slots: 300, bandwidth: shares=4}\n"
               "tasks: [{name: a, bandwidth: 'rate=500,extra'}]\n");
    write_file(
        place, "ruled.yaml",
        "physmem: {frames: 256}\nswap: {slots: 640, buffered: yes, bandwidth: 1000}\n"
        "policyserver: {entitlements: entitled.yaml}\n"
        "tasks:\n"
        "- {name: a, contract: guaranteed=64, workload: {pages: 128, loop: 128, references: 512, "
        "writes: 0.5}}\n"
        "- {name: b, contract: guaranteed=64, bandwidth: shares=4, workload: {pages: 128, loop: 128, "
        "references: 512, writes: 0.5}}\n"
        "- {name: c, contract: guaranteed=64, bandwidth: shares=5, expect_exit: 2, "
        "workload: {pages: 80, loop: 80, references: 80}}\n"
        "expect: [a.swapped_in > 0, b.swapped_in > 0]\n");
    run_expect(place, (const char *[]){"run", "ruled.yaml", NULL}, 0, NULL,
               "swap refuses: the policy server allows this client less bandwidth");
    run_expect(place, (const char *[]){"simulate", "ruled.yaml", NULL}, 2, NULL,
               "entitled.yaml speaks of slots or bandwidth of swap");
}

static void what_cannot_run_says_why_and_leaves_nothing(void **state)
{
    const struct place *place = *state;

    write_file(place, "mistake.yaml", HEAD "- name: a\n  program: sort\n  contrakt: extra=1\n");
    run_expect(place, (const char *[]){"run", "mistake.yaml", NULL}, 2, NULL,
               "mistake.yaml:6: tasks[1].contrakt: unknown field");
    write_file(place, "program.yaml", HEAD "- {name: a, program: none, contract: extra=1}\n");
    run_expect(place, (const char *[]){"run", "program.yaml", NULL}, 2, NULL, "selfpage-none");
    write_file(place, "path.yaml", HEAD "- {name: a, program: ./none, contract: extra=1}\n");
    run_expect(place, (const char *[]){"run", "path.yaml", NULL}, 2, NULL, "task a: ./none");
    write_file(place, "name.yaml",
               HEAD "- {name: a, program: sort, arguments: [\"${FILE}\"], contract: extra=1}\n");
    run_expect(place, (const char *[]){"run", "name.yaml", NULL}, 2, NULL,
               "task a: ${FILE} is not defined");
    write_file(place, "server.yaml",
               "physmem: {frames: 9, args: [--wrong]}\n"
               "tasks: [{name: a, program: /bin/true, contract: extra=1}]\n");
    run_expect(place, (const char *[]){"run", "server.yaml", NULL}, 2, NULL,
               "physmem ended with exit status 2 while starting");
    assert_true(only_files_are_left(place));
}

static void a_policy_that_blunders_fails_the_run(void **state)
{
    const struct place *place = *state;
    char text[512];

    snprintf(text, sizeof text,
             HEAD "- name: a\n  program: /bin/sh\n  contract: extra=1\n"
                  "  arguments: [-c, 'printf \"\\001\" | dd bs=1 seek=%zu conv=notrunc"
                  " of=/proc/self/fd/$$SELFPAGE_STATS_FD 2>/dev/null']\n",
             offsetof(struct sp_stats, policy_errors));
    write_file(place, "blunder.yaml", text);
    run_expect(place, (const char *[]){"run", "blunder.yaml", NULL}, 1,
               "FAILED  no eviction policy named a page that was not there", NULL);
    write_file(place, "good.yaml", HEAD "- {name: a, program: /bin/true, contract: extra=1}\n");
    run_expect(place, (const char *[]){"run", "good.yaml", NULL}, 0,
               "passed  no eviction policy named a page that was not there", NULL);
}

static void the_policy_that_ran_is_shown(void **state)
{
    const struct place *place = *state;
    struct run run;
    char *output, *error;
    json_t *object, *task;

    write_file(place, "policies.yaml",
               HEAD "- {name: own, program: kvstore, arguments: [--records, '200', --operations,"
                    " '200'], contract: guaranteed=40, policy: '" TEST_POLICY "'}\n"
                    "- {name: with, program: kvstore, arguments: [--records, '200', --operations,"
                    " '200'], contract: guaranteed=40, policy: 'gclock:bits=3'}\n"
                    "- {name: none, program: /bin/true, contract: extra=1, policy: lru}\n");
    run = run_begin(place, (const char *[]){"run", "policies.yaml", "--json", NULL});
    if (run_end(&run, &output, &error) != 0)
        fail_msg("%s%s", output, error);
    object = json_loads(output, 0, NULL);
    assert_non_null(object);
    task = json_array_get(member(object, "tasks"), 0);
    assert_string_equal(json_string_value(member(task, "policy")), "wrong");
    assert_string_equal(json_string_value(member(task, "asked_policy")), TEST_POLICY);
    task = json_array_get(member(object, "tasks"), 1);
    assert_string_equal(json_string_value(member(task, "policy")), "gclock:bits=3");
    task = json_array_get(member(object, "tasks"), 2);
    assert_true(json_is_null(member(task, "policy")));
    assert_string_equal(json_string_value(member(task, "asked_policy")), "lru");
    assert_non_null(strstr(error, "own      wrong "));
    assert_non_null(strstr(error, "with     gclock:bits=3 "));
    assert_non_null(strstr(error, "none     - "));
    json_decref(object);
    free(output);
    free(error);
}

static void a_policy_that_cannot_be_loaded_is_named(void **state)
{
    const struct place *place = *state;

    write_file(place, "clock.yaml", HEAD "- {name: a, program: /bin/true, contract: extra=1}\n");
    write_file(place, "missing.yaml",
               HEAD "- {name: a, program: /bin/true, contract: extra=1, policy: ./missing.so}\n");
    write_file(place, "text.so", "no object\n");
    run_expect(place, (const char *[]){"run", "missing.yaml", NULL}, 2, NULL,
               "task a: cannot load ./missing.so: ");
    run_expect(place, (const char *[]){"run", "clock.yaml", "--policy", "./text.so", NULL}, 2, NULL,
               "./text.so: ");
    run_expect(place,
               (const char *[]){"run", "clock.yaml", "--policy", TEST_POLICY ":speed=3", NULL}, 2,
               NULL, "speed");
    run_expect(
        place,
        (const char *[]){"run", "clock.yaml", "--policy", "${P}", "--define", "P=belady", NULL}, 2,
        NULL, "task a: policy 'belady' cannot run live");
    /* A shared object, but none of a policy: the test's own arbiter. */
    run_expect(place, (const char *[]){"run", "missing.yaml", "--policy", TEST_ARBITER, NULL}, 2,
               NULL, "exports no `sp_policy_plugin`");
    assert_true(only_files_are_left(place));
}

/* What every run expects anyway is one case, also if the scenario says it, and names the signal. */
static void what_is_expected_twice_is_judged_once(void **state)
{
    const struct place *place = *state;
    char *output, *error, *case_of_a;
    struct run run;

    write_file(
        place, "dies.yaml",
        HEAD
        "- {name: a, program: /bin/sh, arguments: [-c, 'kill -ABRT $$$$'], contract: extra=4}\n"
        "expect: [a.exit_status == 0]\n");
    run = run_begin(place, (const char *[]){"run", "dies.yaml", NULL});
    assert_int_equal(run_end(&run, &output, &error), 1);
    case_of_a = strstr(output, "FAILED  a.exit_status == 0 (it is 134: signal 6 (Aborted))");
    if (case_of_a == NULL || strstr(case_of_a + 10, "a.exit_status == 0") != NULL)
        fail_msg("%s%s", output, error);
    free(output);
    free(error);
}

static void what_the_environment_cannot_do_is_said(void **state)
{
    const struct place *place = *state;
    char *output, *error;
    struct run run;

    write_file(place, "sort.yaml",
               HEAD "- {name: a, program: sort, arguments: [/usr/include/stdio.h, sorted],"
                    " contract: extra=40}\nexpect: [a.extra == 40]\n");
    setenv("SELFPAGE_POLICY", "fifo", 1);
    setenv("SELFPAGE_CONTRACT", "extra=7", 1);
    run = run_begin(place, (const char *[]){"run", "sort.yaml", NULL});
    unsetenv("SELFPAGE_POLICY");
    unsetenv("SELFPAGE_CONTRACT");
    if (run_end(&run, &output, &error) != 0)
        fail_msg("%s%s", output, error);
    assert_non_null(strstr(error, "SELFPAGE_POLICY in the environment has no effect"));
    assert_non_null(strstr(error, "SELFPAGE_CONTRACT in the environment has no effect"));
    assert_null(strstr(error, "SELFPAGE_SEED"));
    assert_non_null(strstr(output, "clock "));
    free(output);
    free(error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_PLACE(usage_is_explained),
        IN_A_PLACE(swap_that_is_missing_is_asked_for),
        IN_A_PLACE(contracts_for_bandwidth_are_made_with_swap),
        IN_A_PLACE(a_policy_server_says_what_tasks_have_of_swap),
        IN_A_PLACE(what_cannot_run_says_why_and_leaves_nothing),
        IN_A_PLACE(a_policy_that_blunders_fails_the_run),
        IN_A_PLACE(the_policy_that_ran_is_shown),
        IN_A_PLACE(a_policy_that_cannot_be_loaded_is_named),
        IN_A_PLACE(what_is_expected_twice_is_judged_once),
        IN_A_PLACE(what_the_environment_cannot_do_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
