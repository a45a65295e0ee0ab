/* A live task through the installed package: a policy of our own, pages that do not fit, a server
 * that is killed and one that counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <selfpage/selfpage.h>
#include <selfpage/testing.h>

#define PAGES 64

/* Last in, first out, from the comments of selfpage/policy.h alone. */
struct lifo {
    struct sp_list stack;
    struct sp_link links[];
};

static size_t lifo_size(const struct sp_policy_config *config)
{
    return sizeof(struct lifo) + (size_t)config->pages * sizeof(struct sp_link);
}

static void lifo_insert(void *self, sp_page page, enum sp_access access)
{
    struct lifo *lifo = self;

    (void)access;
    sp_list_push_front(&lifo->stack, lifo->links, page);
}

static sp_page lifo_victim(void *self, sp_page in)
{
    const struct lifo *lifo = self;

    (void)in;
    return sp_list_front(&lifo->stack);
}

static void lifo_remove(void *self, sp_page page, enum sp_removal why)
{
    struct lifo *lifo = self;

    (void)why;
    sp_list_remove(&lifo->stack, lifo->links, page);
}

static const struct sp_policy lifo_policy = {.abi = SP_POLICY_ABI,
                                             .name = "lifo",
                                             .flags = SP_POLICY_LIVE,
                                             .size = lifo_size,
                                             .insert = lifo_insert,
                                             .victim = lifo_victim,
                                             .remove = lifo_remove};

/* Write a number to every page and read all of them back: 0 if they were there. */
static int use_pages(const struct sp_policy *policy)
{
    struct sp_attach_options options = {.policy_ops = policy};
    struct sp_region_options region = {.pages = PAGES, .kind = SP_PRECIOUS};
    struct sp_task *task;
    struct sp_error error;
    uint32_t *words;
    void *base;
    int wrong = 0;

    if (sp_attach(&task, &options, &error) != 0 ||
        sp_region_create(task, &region, &base, &error) != 0) {
        fprintf(stderr, "%s\n", error.text);
        return 2;
    }
    words = base;
    for (uint32_t i = 0; i < PAGES; i++)
        words[i * (SP_PAGE_SIZE / 4)] = i + 1;
    for (uint32_t i = 0; i < PAGES; i++)
        wrong += words[i * (SP_PAGE_SIZE / 4)] != i + 1;
    sp_detach(&task);
    return wrong != 0;
}

static int task_with_builtin_policy(void *arg)
{
    (void)arg;
    return use_pages(NULL);
}

static int task_with_own_policy(void *arg)
{
    return use_pages(arg);
}

static void run(void **state, const char *policy, int (*function)(void *), void *arg)
{
    struct sp_testing_result result;
    struct sp_error error;

    if (sp_testing_run(*state, "guaranteed=16", policy, function, arg, &result, &error) != 0)
        fail_msg("%s", error.text);
    assert_int_equal(result.exit_status, 0);
    assert_true(result.stats.faults >= PAGES);
    assert_true(result.stats.swapped_out >= PAGES - 16);
    assert_true(result.stats.swapped_in > 0);
}

static void pages_that_do_not_fit_come_back(void **state)
{
    struct sp_testing_physmem physmem;
    struct sp_error error;

    run(state, "clock", task_with_builtin_policy, NULL);
    if (sp_testing_physmem_status(*state, &physmem, &error) != 0)
        fail_msg("%s", error.text);
    assert_true(physmem.allocated >= 16);
}

static void a_policy_of_our_own_runs(void **state)
{
    run(state, NULL, task_with_own_policy, (void *)&lifo_policy);
}

static void a_task_without_physmem_is_told_so(void **state)
{
    struct sp_testing_result result;
    struct sp_error error;

    assert_int_equal(sp_testing_kill(*state, SP_TESTING_PHYSMEM), 0);
    if (sp_testing_run(*state, "guaranteed=16", NULL, task_with_builtin_policy, NULL, &result,
                       &error) != 0)
        fail_msg("%s", error.text);
    assert_int_equal(result.exit_status, 2);
    assert_true(result.output[0] != '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pages_that_do_not_fit_come_back, sp_testing_setup,
                                        sp_testing_teardown),
        cmocka_unit_test_setup_teardown(a_policy_of_our_own_runs, sp_testing_setup,
                                        sp_testing_teardown),
        cmocka_unit_test_setup_teardown(a_task_without_physmem_is_told_so, sp_testing_setup,
                                        sp_testing_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
