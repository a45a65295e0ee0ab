/* Excess-proportional recall against its formula. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "arbiter/registry.h"
#include "base/random.h"

#define TASKS 20

static void recall(const uint32_t *recallable, size_t count, uint32_t frames, uint32_t *takes)
{
    struct sp_arbiter_task tasks[TASKS] = {{0}};
    struct sp_arbiter_request request = {.event = SP_ARBITER_SHORT, .frames = frames};

    for (size_t i = 0; i < count; i++) {
        tasks[i].id = (uint32_t)i + 1;
        tasks[i].recallable = recallable[i];
    }
    memset(takes, 0, count * sizeof(*takes));
    arbiter_excess.decide(NULL, 0, tasks, count, &request, takes);
}

static void test_known_answers(void **state)
{
    static const struct {
        uint32_t recallable[4];
        uint32_t frames;
        uint32_t takes[4];
    } cases[] = {
        {{10, 20, 30, 40}, 10, {1, 2, 3, 4}},
        {{10, 20, 30, 40}, 100, {10, 20, 30, 40}},
        {{10, 20, 30, 40}, 500, {10, 20, 30, 40}}, /* no more than there is */
        {{5, 5, 5, 5}, 2, {1, 1, 0, 0}},           /* equal remainders: lower ids first */
        {{5, 5, 5, 5}, 7, {2, 2, 2, 1}},
        {{1, 1, 1, 97}, 10, {0, 0, 0, 10}}, /* 0.1, 0.1, 0.1, 9.7 */
        {{3, 3, 4, 0}, 5, {2, 1, 2, 0}},    /* 1.5, 1.5, 2, 0 */
        {{0, 0, 0, 0}, 5, {0, 0, 0, 0}},
        {{7, 0, 0, 0}, 0, {0, 0, 0, 0}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t takes[4];

        recall(cases[i].recallable, 4, cases[i].frames, takes);
        assert_memory_equal(takes, cases[i].takes, sizeof(takes));
    }
}

static void test_large_numbers(void **state)
{
    static const uint32_t recallable[] = {67108863, 67108864, 1};
    uint32_t takes[3];

    (void)state;
    recall(recallable, 3, 67108864, takes);
    assert_int_equal(takes[0] + takes[1] + takes[2], 67108864);
}

/* The sum is exact, nobody gives more than it has, and all shares are within one of the fraction.
 */
static void test_properties(void **state)
{
    struct random_source random = random_seeded(3);

    (void)state;
    for (unsigned round = 0; round < 5000; round++) {
        uint32_t recallable[TASKS], takes[TASKS];
        uint32_t frames = random_below(&random, 2000);
        uint64_t sum = 0, taken = 0;

        for (unsigned i = 0; i < TASKS; i++) {
            recallable[i] = random_below(&random, 3) ? random_below(&random, 200) : 0;
            sum += recallable[i];
        }
        recall(recallable, TASKS, frames, takes);
        if (frames > sum)
            frames = (uint32_t)sum;
        for (unsigned i = 0; i < TASKS; i++) {
            uint64_t exact = sum == 0 ? 0 : (uint64_t)frames * recallable[i] / sum;

            assert_true(takes[i] <= recallable[i]);
            assert_true(takes[i] == exact || takes[i] == exact + 1);
            taken += takes[i];
        }
        assert_int_equal(taken, frames);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_large_numbers),
        cmocka_unit_test(test_properties),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
