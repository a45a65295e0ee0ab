/* Scenarios: what is read, and how each kind of mistake is reported. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "selfpage/scenario/help.h"
#include "selfpage/scenario/scenario.h"

/* Load a text as a scenario, from a memory file. */
static int load(const char *text, size_t size, struct scenario **scenariop, struct sp_error *error)
{
    struct yaml_index positions = {0};
    int fd = memfd_create("scenario", MFD_CLOEXEC), result;
    char path[40];

    assert_int_equal(write(fd, text, size), size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    result = scenario_load(path, NULL, scenariop, &positions, error);
    close(fd);
    yaml_index_fini(&positions);
    return result;
}

static void everything_is_read(void **state)
{
    static const char text[] =
        "physmem: {frames: 512, reserve: 12, chaos_unmap: 0.5, seed: 9,\n"
        "  args: [--verbose]}\n"
        "swap: {slots: 1000, file: /x/y, keep: yes, buffered: true,\n"
        "  fail_writes: 0.25}\n"
        "tasks:\n"
        "- name: one\n"
        "  program: sort\n"
        "  arguments: [a, \"b c\", '3']\n"
        "  policy: fifo\n"
        "  contract: guaranteed=100,term=10s;extra=5,drop=200ms\n"
        "  start: 1500ms\n"
        "  stop_after: 2s\n"
        "  pager_thread: true\n"
        "- {name: two_2, program: ./x, contract: guaranteed=400, expect_exit: "
        "135}\n"
        "- {name: three, program: ./x, contract: guaranteed=60, part_of: one}\n"
        "events:\n"
        "- {at: 0s, signal: SIGUSR1, task: two_2}\n"
        "- {at: 1m, recall: 7, task: one}\n"
        "- {at: 2m, kill: swap}\n"
        "- {at: 3m, restart: swap}\n"
        "- {at: 3m, stop: physmem}\n"
        "timeout: 10m\n"
        "expect: [one.faults > 0, sum(tasks.held) <= physmem.frames]\n"
        "check:\n"
        "- {command: \"true\", text: nothing}\n";
    struct scenario *scenario;
    struct sp_error error;

    (void)state;
    if (load(text, sizeof text - 1, &scenario, &error) != 0)
        fail_msg("%s", error.text);
    assert_int_equal(scenario->physmem.frames, 512);
    assert_int_equal(scenario->physmem.reserve, 12);
    assert_int_equal(scenario->physmem.seed, 9);
    assert_true(scenario->physmem.chaos_unmap == 0.5);
    assert_string_equal(scenario->physmem.args[0], "--verbose");
    assert_string_equal(scenario->swap->file, "/x/y");
    assert_true(scenario->swap->keep && scenario->swap->buffered);
    assert_int_equal(scenario->tasks_count, 3); /* the last one's frames are those of the first */
    assert_string_equal(scenario->tasks[2].part_of, "one");
    assert_string_equal(scenario->tasks[0].arguments[1], "b c");
    assert_int_equal(scenario->tasks[0].arguments_count, 3);
    assert_int_equal(scenario->tasks[0].start_ns, 1500000000);
    assert_int_equal(scenario->tasks[0].stop_ns, 2000000000);
    assert_true(scenario->tasks[0].pager_thread);
    assert_int_equal(scenario->tasks[0].expected_exit, -1);
    assert_int_equal(scenario->tasks[1].expected_exit, 135);
    assert_null(scenario->tasks[1].policy);
    assert_int_equal(scenario->events[0].action, SCENARIO_SIGNAL);
    assert_int_equal(scenario->events[0].signal_number, SIGUSR1);
    assert_int_equal(scenario->events[0].target, 1);
    assert_int_equal(scenario->events[1].action, SCENARIO_RECALL);
    assert_int_equal(scenario->events[1].at_ns, 60000000000);
    assert_int_equal(scenario->events[2].action, SCENARIO_KILL);
    assert_int_equal(scenario->events[2].target, SCENARIO_SWAP);
    assert_int_equal(scenario->events[4].action, SCENARIO_STOP);
    assert_int_equal(scenario->events[4].target, SCENARIO_PHYSMEM);
    assert_int_equal(scenario->timeout_ns, 600000000000);
    assert_int_equal(scenario->expect_count, 2);
    assert_string_equal(scenario->check[0].text, "nothing");
    scenario_free(&scenario);
    assert_null(scenario);
}

static void a_workload_is_one_text_in_the_end(void **state)
{
    static const char text[] =
        "physmem: {frames: 9}\n"
        "tasks:\n"
        "- {name: a, contract: guaranteed=1, copies: 3,\n"
        "   workload: {pages: 100, zipf: 1.0, writes: 0.2}}\n"
        "- name: b\n"
        "  program: sort\n"
        "  contract: guaranteed=2\n"
        "  workload: {pages: 9, kind: discardable, phases: [{scan: 1}, {idle: 2s}], rounds: 4}\n"
        "events: [{at: 1s, recall: 1, task: a_3}]\n"
        "expect: [a_2.faults > 0, b.faults > 0]\n";
    struct scenario *scenario;
    struct sp_error error;

    (void)state;
    if (load(text, sizeof text - 1, &scenario, &error) != 0)
        fail_msg("%s", error.text);
    assert_int_equal(scenario->tasks_count, 4);
    assert_string_equal(scenario->tasks[0].name, "a_1");
    assert_string_equal(scenario->tasks[2].name, "a_3");
    assert_string_equal(scenario->tasks[2].load, "pages=100,;zipf=1.0,writes=0.2,");
    assert_string_equal(scenario->tasks[2].contract, "guaranteed=1");
    assert_null(scenario->tasks[2].program);
    assert_string_equal(scenario->tasks[3].load,
                        "pages=9,kind=discardable,rounds=4,;scan=1,;idle=2s,");
    assert_int_equal(scenario->events[0].target, 2);
    scenario_free(&scenario);
}

/* Each copy is freed, and changed by --vary, by itself. */
static void copies_have_texts_of_their_own(void **state)
{
    static const char text[] =
        "physmem: {frames: 99}\n"
        "physmems: [{name: above, contract: guaranteed=30}]\n"
        "swap: {slots: 9, bandwidth: 9}\n"
        "tasks:\n"
        "- {name: a, program: b, arguments: [x], contract: guaranteed=1, copies: 2, policy: fifo,\n"
        "   bandwidth: rate=4, start: 1s, stop_after: 2s, expect_exit: 3, physmem: above}\n"
        "- {name: c, contract: guaranteed=1, copies: 2, workload: {pages: 9, scan: 1}}\n";
    struct scenario *scenario;
    struct sp_error error;

    (void)state;
    if (load(text, sizeof text - 1, &scenario, &error) != 0)
        fail_msg("%s", error.text);
    assert_int_equal(scenario->tasks_count, 4);

#define OWN(first, field)                                                                          \
    assert_string_equal(scenario->tasks[first].field, scenario->tasks[(first) + 1].field);         \
    assert_ptr_not_equal(scenario->tasks[first].field, scenario->tasks[(first) + 1].field)

    OWN(0, program);
    OWN(0, arguments[0]);
    OWN(0, contract);
    OWN(0, policy);
    OWN(0, bandwidth);
    OWN(0, start);
    OWN(0, stop_after);
    OWN(0, expect_exit);
    OWN(0, physmem);
    OWN(2, load);
#undef OWN
    scenario_free(&scenario);
}

/* So that one task more or less changes nothing for the others. */
static void a_seed_depends_on_the_name_alone(void **state)
{
    (void)state;
    assert_int_equal(scenario_task_seed(1, "a"), scenario_task_seed(1, "a"));
    assert_int_not_equal(scenario_task_seed(1, "a"), scenario_task_seed(1, "b"));
    assert_int_not_equal(scenario_task_seed(1, "a"), scenario_task_seed(2, "a"));
}

static void little_is_enough(void **state)
{
    static const char text[] = "physmem: {frames: 1}\n"
                               "tasks: [{name: a, program: b, contract: guaranteed=1}]\n";
    struct scenario *scenario;

    (void)state;
    assert_int_equal(load(text, sizeof text - 1, &scenario, NULL), 0);
    assert_null(scenario->swap);
    assert_int_equal(scenario->tasks[0].expected_exit, 0);
    assert_int_equal(scenario->timeout_ns, 300000000000);
    scenario_free(&scenario);
}

/* Lines 1 to 6 of most scenarios below; what is put in begins at line 7. */
#define HEAD                                                                                       \
    "physmem:\n"                                                                                   \
    "  frames: 100\n"                                                                              \
    "tasks:\n"                                                                                     \
    "- name: a\n"                                                                                  \
    "  program: b\n"                                                                               \
    "  contract: guaranteed=10\n"

static void mistakes_are_reported_with_line_and_field(void **state)
{
    static const struct {
        const char *text;
        unsigned line;
        const char *field; /* "" where the file as a whole is wrong */
        const char *what;
    } cases[] = {
        /* Not YAML, or not a scenario. */
        {"", 1, "", "empty"},
        {"# nothing\n", 1, "", "empty"},
        {"physmem: [1\ntasks: x\n", 2, "", "not YAML"},
        {HEAD "\tx: 1\n", 7, "", "not YAML"},
        {HEAD "---\n" HEAD, 7, "", "a second YAML document"},
        {"---\n" HEAD "...\n---\n", 9, "", "a second YAML document"},
        {"- a\n- b\n", 1, "", "expected fields, each as NAME: VALUE, not a list"},
        {"just text\n", 1, "", "empty"},
        {HEAD "  policy: \"x\n", 8, "", "not YAML"},
        /* Fields that are unknown, missing, twice there, or of another type. */
        {HEAD "  polcy: fifo\n", 7, "tasks[1].polcy", "unknown field"},
        {HEAD "framess: 3\n", 7, "framess", "unknown field"},
        {"physmem:\n  frames: 3\n  size: 4\ntasks: []\n", 3, "physmem.size", "unknown field"},
        {"physmem:\n  frame: 3\ntasks: []\n", 2, "physmem.frame",
         "unknown field; did you mean frames?"},
        {"physmem: {frames: 3}\nexpects: []\n", 2, "expects",
         "unknown field; did you mean expect?"},
        {"physmem: {frames: 5}\ntasks:\n- {name: a, program: b, contract: 'timed=1,term=10'}\n", 3,
         "tasks[1].contract", "'term=10' lacks a unit: term=10s, or ns, us, ms, m or h"},
        {"physmem: {frames: 5}\ntasks:\n- {name: a, program: b, contract: 'garanteed=1'}\n", 3,
         "tasks[1].contract", "did you mean guaranteed=?"},
        {"physmem: {frames: 5}\ntasks:\n- {name: a, program: b, contract: extra=1, policy: cart.so}\n",
         3, "tasks[1].policy", "the path of a shared object has a slash in it: ./cart.so"},
        {HEAD "events:\n- at: 1s\n  recal: 3\n", 9, "events[1].recal", "unknown field"},
        {HEAD "check:\n- command: x\n", 8, "check[1].text", "missing"},
        {HEAD "- name: c\n  contract: extra=1\n", 7, "tasks[2]",
         "neither a program nor a workload"},
        {HEAD "  workload: {zipf: 1}\n", 7, "tasks[1].workload", "pages is missing"},
        {HEAD "  workload: {pages: 9}\n", 7, "tasks[1].workload", "no pattern"},
        {HEAD "  workload: {pages: 9, zipf: '1,loop=3'}\n", 7, "tasks[1].workload",
         "is not a value"},
        {HEAD "  workload: {pages: 9, zipf: 1, phases: [{scan: 1}]}\n", 7, "tasks[1].workload",
         "stands in these"},
        {HEAD "  workload: {pages: 9, zips: 1}\n", 7, "tasks[1].workload.zips", "unknown field"},
        {HEAD "  copies: 100001\n", 7, "tasks[1].copies", "more than 100000 tasks"},
        {HEAD "- {name: c, contract: extra=1, workload: {pages: 1, scan: 1}, arguments: [x]}\n", 7,
         "tasks[2].arguments", "without a program there are no arguments"},
        {HEAD "  copies: 11\n", 6, "tasks[1].contract", "tasks that start together want 110"},
        {"tasks: [{name: a, program: b, contract: extra=1}]\n", 1, "physmem", "missing"},
        {"physmem: {reserve: 1}\ntasks: []\n", 1, "physmem.frames", "missing"},
        {HEAD "  bandwidth: rate=3\n", 7, "tasks[1].bandwidth", "give swap a bandwidth, too"},
        {HEAD "  bandwidth: rate\nswap: {slots: 4, bandwidth: 9}\n", 7, "tasks[1].bandwidth",
         "is none of shares=N"},
        {HEAD "  bandwidth: shares=65\nswap: {slots: 4, bandwidth: 9}\n", 7, "tasks[1].bandwidth",
         "at most 64 shares"},
        {HEAD "  bandwidth: rate=10\nswap: {slots: 4, bandwidth: 9}\n", 7, "tasks[1].bandwidth",
         "9 pages a second for all contracts"},
        {HEAD "swap: {file: x}\n", 7, "swap.slots", "missing"},
        {HEAD "  name: a\n", 7, "tasks[1].name", "twice"},
        {HEAD "physmem: {frames: 3}\n", 7, "physmem", "twice"},
        {"physmem: {frames: many}\ntasks: []\n", 1, "physmem.frames", "many"},
        {"physmem:\n  frames: -5\ntasks: []\n", 2, "physmem.frames", "-5"},
        {"physmem:\n  frames: 99999999999\ntasks: []\n", 2, "physmem.frames",
         "a whole number from 0 to 4294967295, not \"99999999999\""},
        {"physmem: {frames: 1, seed: 0x10000000000000000}\ntasks: []\n", 1, "physmem.seed",
         "from 0 to 18446744073709551615"},
        {"physmem: {frames: 1, chaos_unmap: 1e999}\ntasks: []\n", 1, "physmem.chaos_unmap",
         "expected a number, not"},
        {"physmem: {frames: [1]}\ntasks: []\n", 1, "physmem.frames",
         "expected a whole number, not a list"},
        {"physmem: 7\ntasks: []\n", 1, "physmem",
         "expected fields, each as NAME: VALUE, not a single value"},
        {"physmem:\n  frames: 2M\ntasks: []\n", 2, "physmem.frames",
         "a whole number from 0 to 4294967295, not \"2M\""},
        {"physmem:\n  frames: 1.5\ntasks: []\n", 2, "physmem.frames", "a whole number"},
        {"physmem:\n  frames: 010\ntasks: []\n", 2, "physmem.frames", "a whole number"},
        {"physmem:\n  frames:\ntasks: []\n", 2, "physmem.frames", "a whole number"},
        {"physmem: {frames: 5, seed: 7x}\ntasks: []\n", 1, "physmem.seed", "a whole number"},
        {HEAD "swap: {slots: 4k}\n", 7, "swap.slots", "a whole number"},
        {HEAD "swap:\n  slots: 4\n  fail_writes: 0.0x\n", 9, "swap.fail_writes", "a number, not"},
        {HEAD "events:\n- at: 1s\n  recall: 5 \n  task: a\n- {at: 1s, recall: 5f, task: a}\n", 11,
         "events[2].recall", "a whole number"},
        {HEAD "  arguments: x\n", 7, "tasks[1].arguments", "expected a list, not a single value"},
        {HEAD "  policy: [x]\n", 7, "tasks[1].policy", "expected a text, not a list"},
        {HEAD "  policy:\n", 7, "tasks[1].policy", "expected a text, but the value is missing"},
        {HEAD "  arguments: *x\n", 7, "tasks[1].arguments", "*x stands for what &x marks"},
        {HEAD "  ? [a]\n  : b\n", 7, "", "the name of a field is not a plain word"},
        {HEAD "  pager_thread: perhaps\n", 7, "tasks[1].pager_thread",
         "expected yes or no, not \"perhaps\""},
        {"physmem: {frames: 5}\ntasks: []\n", 2, "tasks",
         "has 0 entries, and must have at least 1"},
        {HEAD "- name: a_name_that_is_longer_than_thirty_one\n", 7, "tasks[2].name",
         "longer than 31 characters"},
        /* Values. */
        {"physmem: {frames: 0}\ntasks: [{name: a, program: b, contract: extra=1}]\n", 1,
         "physmem.frames", "at least one"},
        {"physmem:\n  frames: 5\n  reserve: 5\ntasks: [{name: a, program: b, contract: extra=1}]\n",
         3, "physmem.reserve", "a reserve of 5 leaves nothing of 5"},
        {"physmem:\n  frames: 5\n  chaos_unmap: -1.5\n"
         "tasks: [{name: a, program: b, contract: extra=1}]\n",
         3, "physmem.chaos_unmap", "-1.5"},
        {HEAD "swap:\n  slots: 0\n", 8, "swap.slots", "at least one"},
        {HEAD "swap:\n  slots: 1\n  file: x\n  device: 'mem:'\n", 10, "swap.device", "exclude"},
        {HEAD "swap:\n  slots: 1\n  fail_writes: -1\n", 9, "swap.fail_writes", "-1"},
        {HEAD "- {name: a, program: b, contract: extra=1}\n", 7, "tasks[2].name",
         "\"a\" is the name of task 1"},
        {HEAD "- {name: a-b, program: b, contract: extra=1}\n", 7, "tasks[2].name", "a-b"},
        {HEAD "- {name: swap, program: b, contract: extra=1}\n", 7, "tasks[2].name", "swap"},
        {HEAD "- {name: 1st, program: b, contract: extra=1}\n", 7, "tasks[2].name", "1st"},
        {HEAD "- {name: é, program: b, contract: extra=1}\n", 7, "tasks[2].name", "é"},
        {HEAD "  policy: best\n", 7, "tasks[1].policy", "best"},
        {HEAD "  policy: belady\n", 7, "tasks[1].policy", "cannot run live"},
        {HEAD "  policy: clock:speed=2\n", 7, "tasks[1].policy", "speed"},
        {HEAD "  start: soon\n", 7, "tasks[1].start", "\"soon\" is no time"},
        {HEAD "  start: 5\n", 7, "tasks[1].start", "\"5\" is no time"},
        {HEAD "  stop_after: 2000h\n", 7, "tasks[1].stop_after", "1000h"},
        {HEAD "  expect_exit: 256\n", 7, "tasks[1].expect_exit", "256"},
        {HEAD "  expect_exit: good\n", 7, "tasks[1].expect_exit", "good"},
        {HEAD "timeout: never\n", 7, "timeout", "never"},
        /* Arbiters. */
        {"physmem: {frames: 5, arbiter: maxmi}\ntasks: [{name: a, program: b, contract: extra=1}]\n",
         1, "physmem.arbiter", "there is no arbiter 'maxmi': did you mean maxmin?"},
        {"physmem:\n  frames: 5\n  arbiter: esx:tex=1\n"
         "tasks: [{name: a, program: b, contract: extra=1}]\n",
         3, "physmem.arbiter", "no parameter 'tex'"},
        {HEAD "physmems: [{name: x, contract: extra=1, arbiter: best}]\n", 7, "physmems[1].arbiter",
         "no arbiter 'best'"},
        {HEAD "policyserver:\n  arbiter: best\n", 8, "policyserver.arbiter", "no arbiter 'best'"},
        /* Contracts. */
        {HEAD "- name: c\n  program: d\n  contract: guarantee=5\n", 9, "tasks[2].contract",
         "guarantee"},
        {HEAD "- name: c\n  program: d\n  contract: extra=5,term=0s\n", 9, "tasks[2].contract",
         "a term of zero"},
        {HEAD "- name: c\n  program: d\n  contract: extra=0\n", 9, "tasks[2].contract",
         "at least one frame"},
        {HEAD "- name: c\n  program: d\n  contract: extra=5,min=6\n", 9, "tasks[2].contract",
         "min is above"},
        {HEAD "- name: c\n  program: d\n  contract: guaranteed=101\n", 9, "tasks[2].contract",
         "task c wants 101 guaranteed frames, and physmem has 100"},
        {HEAD "- name: c\n  program: d\n  contract: guaranteed=91\n", 9, "tasks[2].contract",
         "with the 91 of task c, tasks that start together want 101 guaranteed frames, and "
         "physmem has 100"},
        /* Parts of contracts. */
        {HEAD "- {name: c, program: d, contract: guaranteed=5, part_of: z}\n", 7,
         "tasks[2].part_of", "there is no task \"z\""},
        {HEAD "- {name: c, program: d, contract: extra=5, part_of: a}\n", 7, "tasks[2].part_of",
         "task a has no extra contract"},
        {HEAD "- {name: c, program: d, contract: 'guaranteed=5,term=1s', part_of: a}\n", 7,
         "tasks[2].contract", "KIND=FRAMES alone"},
        {HEAD "- {name: c, program: d, contract: guaranteed=10, part_of: a}\n", 7,
         "tasks[2].contract", "which has guaranteed=10, no frame of its own"},
        {HEAD "- {name: c, program: d, copies: 2, contract: guaranteed=5, part_of: a}\n", 7,
         "tasks[2].contract", "parts of 10 frames in all"},
        {HEAD "- {name: c, program: d, contract: guaranteed=5, part_of: e}\n"
              "- {name: e, program: d, contract: guaranteed=6, part_of: c}\n",
         7, "tasks[2].part_of", "never round in a circle"},
        {HEAD "- {name: c, program: d, contract: guaranteed=5, part_of: a}\n"
              "- {name: e, program: d, contract: guaranteed=5, part_of: c}\n",
         8, "tasks[3].contract", "which has guaranteed=5, no frame of its own"},
        {HEAD "- {name: c, program: d, contract: guaranteed=5, part_of: a, physmem: x}\n"
              "physmems: [{name: x, contract: extra=1}]\n",
         7, "tasks[2].part_of", "another physmem"},
        {HEAD "- {name: c, program: d, contract: 'guaranteed=16,order=2'}\n"
              "- {name: e, program: d, contract: guaranteed=4, part_of: c}\n",
         8, "tasks[3].part_of", "larger pages (order=2)"},
        {HEAD "- {name: c, program: d, contract: guaranteed=40}\n"
              "- {name: e, program: d, copies: 33, contract: guaranteed=1, part_of: c}\n",
         8, "tasks[3].contract", "33 tasks live from parts of task c"},
        /* Physmems on physmems. */
        {HEAD "physmems:\n- {name: x, upstream: y, contract: extra=1}\n", 8, "physmems[1].upstream",
         "no physmem \"y\" before"},
        {HEAD "physmems:\n- {name: x, upstream: x, contract: extra=1}\n", 8, "physmems[1].upstream",
         "no physmem \"x\" before"},
        {HEAD "physmems:\n- {name: swap, contract: extra=1}\n", 8, "physmems[1].name", "swap"},
        {HEAD "physmems:\n- {name: x, contract: extra=1}\n- {name: x, contract: extra=1}\n", 9,
         "physmems[2].name", "another physmem"},
        {HEAD "physmems:\n- {name: a, contract: extra=1}\n", 4, "tasks[1].name",
         "the name of a physmem"},
        {HEAD "physmems:\n- {name: x, contract: much}\n", 8, "physmems[1].contract", "much"},
        {HEAD "physmems:\n- {name: x}\n", 8, "physmems[1].contract", "missing"},
        {HEAD "  physmem: x\n", 7, "tasks[1].physmem", "no physmem \"x\""},
        /* Events. */
        {HEAD "events:\n- {at: 1s, task: a}\n", 8, "events[1]", "exactly one"},
        {HEAD "events:\n- {at: 1s, task: a, recall: 5, signal: INT}\n", 8, "events[1]", "not 2"},
        {HEAD "events:\n- at: 1s\n  recall: 5\n", 8, "events[1]", "task is missing"},
        {HEAD "events:\n- at: 1s\n  recall: 5\n  task: z\n", 10, "events[1].task", "\"z\""},
        {HEAD "events:\n- {at: 1s, signal: SIGNONE, task: a}\n", 8, "events[1].signal", "SIGNONE"},
        {HEAD "events:\n- {at: 1s, kill: fileserver}\n", 8, "events[1].kill", "fileserver"},
        {HEAD "events:\n- {at: 1s, stop: swap}\n", 8, "events[1].stop", "swap"},
        {HEAD "events:\n- {at: late, stop: physmem}\n", 8, "events[1].at", "late"},
        /* Expectations. */
        {HEAD "expect:\n- a.faults > 0\n- a.speed > 0\n", 9, "expect[2]", "a has no speed"},
        {HEAD "expect: [\"1 +\"]\n", 7, "expect[1]", "position 4"},
        {HEAD "expect: [swap.stores > 0]\n", 7, "expect[1]", "there is no swap"},
        {HEAD "  trace: x\n", 7, "tasks[1].trace", "it stands under workload:"},
        {HEAD "slots: 5\n", 7, "slots", "it stands under swap:"},
        {HEAD "expect: [a.fault > 0]\n", 7, "expect[1]", "a has no fault; did you mean faults?"},
        {HEAD "expect: [physmem.fre > 0]\n", 7, "expect[1]", "did you mean free?"},
        {HEAD "expect: [physmen.free > 0]\n", 7, "expect[1]", "did you mean physmem?"},
        {HEAD "expect: [sum(tasks.eviction) > 0]\n", 7, "expect[1]", "did you mean evictions?"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scenario *scenario = NULL;
        struct sp_error error = {0};
        char place[128];
        const char *found;

        if (load(cases[i].text, strlen(cases[i].text), &scenario, &error) != -EINVAL)
            fail_msg("case %zu was not refused as invalid: %s", i, error.text);
        assert_null(scenario);
        snprintf(place, sizeof place, ":%u: %s%s", cases[i].line, cases[i].field,
                 *cases[i].field != '\0' ? ": " : "");
        found = strstr(error.text, place);
        if (found == NULL || strstr(found, cases[i].what) == NULL)
            fail_msg("case %zu: wanted \"%s ... %s\", got \"%s\"", i, place, cases[i].what,
                     error.text);
    }
}

static void files_that_cannot_be_read_are_named(void **state)
{
    struct yaml_index positions;
    struct scenario *scenario = NULL;
    struct sp_error error;

    (void)state;
    assert_int_equal(scenario_load("/nonexistent.yaml", NULL, &scenario, &positions, &error),
                     -ENOENT);
    assert_non_null(strstr(error.text, "/nonexistent.yaml"));
    assert_int_equal(scenario_load("/", NULL, &scenario, &positions, &error), -EISDIR);
    assert_int_equal(scenario_load("/dev/zero", NULL, &scenario, &positions, &error), -EFBIG);
}

static void deep_nesting_is_refused(void **state)
{
    char text[4096];
    struct scenario *scenario = NULL;
    struct sp_error error;

    (void)state;
    memset(text, '[', sizeof text);
    assert_int_equal(load(text, sizeof text, &scenario, &error), -EINVAL);
    assert_non_null(strstr(error.text, ":1: "));
}

/* Each field of the mapping, and of those in it, stands in the help with a colon. */
static void expect_explained(const char *help, const cyaml_schema_value_t *schema)
{
    char words[80];

    while (schema->type == CYAML_SEQUENCE)
        schema = schema->sequence.entry;
    if (schema->type != CYAML_MAPPING)
        return;
    for (const cyaml_schema_field_t *field = schema->mapping.fields; field->key != NULL; field++) {
        snprintf(words, sizeof(words), "%s:", field->key);
        if (strstr(help, words) == NULL)
            fail_msg("selfpage run --help does not explain the field %s", words);
        expect_explained(help, &field->value);
    }
}

static void the_help_explains_each_field(void **state)
{
    char *help = NULL;
    size_t size;
    FILE *out = open_memstream(&help, &size);

    (void)state;
    assert_non_null(out);
    help_print(out);
    assert_int_equal(fclose(out), 0);
    expect_explained(help, scenario_syntax.schema);
    free(help);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_help_explains_each_field),
        cmocka_unit_test(everything_is_read),
        cmocka_unit_test(a_workload_is_one_text_in_the_end),
        cmocka_unit_test(copies_have_texts_of_their_own),
        cmocka_unit_test(a_seed_depends_on_the_name_alone),
        cmocka_unit_test(little_is_enough),
        cmocka_unit_test(mistakes_are_reported_with_line_and_field),
        cmocka_unit_test(files_that_cannot_be_read_are_named),
        cmocka_unit_test(deep_nesting_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
