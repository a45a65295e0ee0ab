/* selfpage-sort against LC_ALL=C sort, with real servers: hard inputs, and every policy while
 * physmem unmaps at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <selfpage/selfpage.h>

#include "common.h"
#include "scale.h"
#include "task_fixture.h"

#define CONTRACT "guaranteed=24"

/* What the machine's own sort makes of a file. */
static void reference_sort(const char *input, const char *output)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        setenv("LC_ALL", "C", 1);
        execl("/usr/bin/sort", "sort", "-o", output, input, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static struct sp_testing_result check_sort_under(struct sp_testing *fixture, const char *contract,
                                                 const char *policy, const char *input,
                                                 const char *run_pages)
{
    const char *expected = private_path(fixture, "expected");
    const char *output = private_path(fixture, "output");
    const char *argv[] = {"selfpage-sort", "--run-pages", run_pages, "--fan-in", "4",
                          input,           output,        NULL};
    struct sp_testing_result result;

    unlink(output);
    reference_sort(input, expected);
    result = run_task(fixture, contract, policy, argv, 0);
    assert_same_file(expected, output);
    return result;
}

static struct sp_testing_result check_sort(struct sp_testing *fixture, const char *policy,
                                           const char *input, const char *run_pages)
{
    return check_sort_under(fixture, CONTRACT, policy, input, run_pages);
}

static void test_small_inputs(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } inputs[] = {
        {"", 0},       {"\n", 1},           {"x", 1},
        {"b\na", 3},   {"\n\n\n", 3},       {"a\0b\na\n", 6},
        {"\0\n\0", 3}, {"\x80\n\x7f\n", 4}, {"ab\na\nabc\na", 10},
    };

    for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i += scale_is_slow() ? 4 : 1)
        check_sort(*state, NULL, private_file(*state, "input", inputs[i].bytes, inputs[i].size),
                   "4");
}

/* Far more than the contract has frames, so that most of it goes to swap and back, several times.
 */
static void test_large_input(void **state)
{
    size_t size = 600000;
    char *text = some_text(size, 1);
    const char *input = private_file(*state, "input", text, size);
    struct sp_testing_result result = check_sort(*state, NULL, input, "6");

    assert_true(result.stats.swapped_out > 0 && result.stats.swapped_in > 0);
    assert_true(result.stats.resident <= 24);
    free(text);
}

/* Lines longer than a run, and longer than the contract; no newline at the end. */
static void test_long_lines(void **state)
{
    size_t size = 400000;
    char *text = malloc(size);

    assert_non_null(text);
    memset(text, 'y', size);
    text[150000] = '\n';
    text[150001] = 'x';
    text[300000] = '\n';
    text[300005] = '\n';
    check_sort(*state, NULL, private_file(*state, "input", text, size), "4");
    free(text);
}

/* One byte and no byte a line: the index is much larger than the text. */
static void test_short_lines(void **state)
{
    size_t size = 60000;
    char *text = malloc(size);
    struct generator random = {3};

    assert_non_null(text);
    for (size_t i = 0; i < size; i++)
        text[i] = (char)(generator_below(&random, 2) ? '\n' : (int)generator_below(&random, 256));
    check_sort(*state, NULL, private_file(*state, "input", text, size), "8");
    free(text);
}

/* The promise: whatever the policy, and whatever physmem unmaps meanwhile, the same bytes. */
static void test_every_policy_under_chaos(void **state)
{
    const struct sp_policy *policy;
    size_t size = scale_is_slow() ? 120000 : 250000;
    char *text = some_text(size, 2);
    uint64_t unmaps = 0;

    for (size_t i = 0; (policy = sp_builtin_policy(i)) != NULL; i++)
        if ((policy->flags & SP_POLICY_LIVE) && scale_has_turn(i, 2))
            unmaps +=
                check_sort(*state, policy->name, private_file(*state, "input", text, size), "6")
                    .stats.pages_unmapped;
    assert_true(unmaps > 0);
    free(text);
}

/* A task whose pages are larger sorts as well, with fewer faults. */
static void test_page_sizes_under_chaos(void **state)
{
    static const char *const contracts[] = {"guaranteed=32", "guaranteed=32,order=2",
                                            "guaranteed=64,order=3"};
    size_t size = scale_is_slow() ? 120000 : 250000;
    char *text = some_text(size, 2);
    uint64_t faults[3];

    for (size_t i = 0; i < 3; i++)
        faults[i] = check_sort_under(*state, contracts[i], NULL,
                                     private_file(*state, "input", text, size), "6")
                        .stats.faults;
    assert_true(faults[1] < faults[0] && faults[2] < faults[0]);
    free(text);
}

static void test_bad_input(void **state)
{
    const char *output = private_path(*state, "output");
    const char *missing[] = {"selfpage-sort", "/nonexistent/input", output, NULL};
    const char *nowhere[] = {"selfpage-sort", private_file(*state, "input", "a\n", 2),
                             "/nonexistent/output", NULL};
    struct sp_testing_result result = run_task(*state, CONTRACT, NULL, missing, 2);

    assert_non_null(strstr(result.output, "'/nonexistent/input': No such file"));
    assert_int_not_equal(access(output, F_OK), 0);
    result = run_task(*state, CONTRACT, NULL, nowhere, 2);
    assert_non_null(strstr(result.output, "'/nonexistent/output': No such file"));
}

/* Two regions of the file's size must fit into swap, and a task that cannot have them is told at
 * once. */
static void test_too_large_for_swap(void **state)
{
    size_t size = 300000;
    char *text = some_text(size, 2);
    const char *output = private_path(*state, "output");
    const char *argv[] = {"selfpage-sort", private_file(*state, "input", text, size), output, NULL};
    struct sp_testing_result result = run_task(*state, CONTRACT, NULL, argv, 2);

    assert_int_not_equal(access(output, F_OK), 0);
    assert_true(result.output[0] != '\0');
    free(text);
}

int main(void)
{
    struct sp_testing_options small_swap = calm;
    struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate_setup_teardown(test_small_inputs, sp_testing_setup,
                                                 sp_testing_teardown, &calm),
        cmocka_unit_test_prestate_setup_teardown(test_large_input, sp_testing_setup,
                                                 sp_testing_teardown, &calm),
        cmocka_unit_test_prestate_setup_teardown(test_long_lines, sp_testing_setup,
                                                 sp_testing_teardown, &calm),
        cmocka_unit_test_prestate_setup_teardown(test_short_lines, sp_testing_setup,
                                                 sp_testing_teardown, &calm),
        cmocka_unit_test_prestate_setup_teardown(test_every_policy_under_chaos, sp_testing_setup,
                                                 sp_testing_teardown, &chaotic),
        cmocka_unit_test_prestate_setup_teardown(test_page_sizes_under_chaos, sp_testing_setup,
                                                 sp_testing_teardown, &chaotic),
        cmocka_unit_test_prestate_setup_teardown(test_bad_input, sp_testing_setup,
                                                 sp_testing_teardown, &calm),
        cmocka_unit_test_prestate_setup_teardown(test_too_large_for_swap, sp_testing_setup,
                                                 sp_testing_teardown, &small_swap),
    };

    small_swap.swap_slots = 100;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
