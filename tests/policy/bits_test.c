/* Policies that sample decide the same whether each watched reference is a fault, or a bit that they ask for. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "policy/registry.h"
#include "rehearsal/rehearsal.h"

#define REFERENCES 20000u
#define PAGES      400u

/* Half of all references to an eighth of the pages; in some seeds with scans between. */
static void draw(sp_page *references, uint64_t seed)
{
    struct random_source random = random_seeded(seed);
    sp_page scan = 0;

    for (uint32_t i = 0; i < REFERENCES; i++)
        if (seed % 2 == 0 && random_below(&random, 3) == 0)
            references[i] = scan++ % PAGES;
        else
            references[i] =
                random_below(&random, random_below(&random, 2) == 0 ? PAGES / 8 : PAGES);
}

static struct rehearsal_counts rehearse(const struct sp_policy *policy, const sp_page *references,
                                        uint32_t frames, enum rehearsal_way way)
{
    struct policy_choice choice;
    struct rehearsal_counts counts = {.faults = 0};
    struct sp_error error;

    if (policy_params_choose(&choice, policy->name, &error) != 0 ||
        rehearsal_run(&choice, references, REFERENCES, PAGES, frames, way, &counts, &error) != 0)
        fail_msg("%s", error.text);
    return counts;
}

static void compare(const struct sp_policy *policy, bool *asks)
{
    static sp_page references[REFERENCES];

    for (uint64_t seed = 1; seed <= 6; seed++) {
        uint32_t frames = (uint32_t)(8 + 50 * seed);
        struct rehearsal_counts signals, bits;

        draw(references, seed);
        signals = rehearse(policy, references, frames, REHEARSAL_SIGNALS);
        bits = rehearse(policy, references, frames, REHEARSAL_BITS);
        if (signals.faults != bits.faults)
            fail_msg("%s, seed %llu: %llu faults with signals, %llu with bits", policy->name,
                     (unsigned long long)seed, (unsigned long long)signals.faults,
                     (unsigned long long)bits.faults);
        assert_int_equal(bits.soft_faults, 0);
        *asks |= signals.soft_faults > 0;
    }
}

static void decisions_are_the_same_with_bits_as_with_signals(void **state)
{
    const struct sp_policy *policy;
    unsigned sampling = 0, asking = 0;

    (void)state;
    for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++) {
        bool asks = false;

        if ((policy->flags & SP_POLICY_SAMPLES) == 0)
            continue;
        compare(policy, &asks);
        sampling++;
        asking += asks;
    }
    assert_int_equal(sampling, 7);
    assert_int_equal(asking, 5); /* fifo and random do not ask */
}

static void a_policy_that_hears_of_hits_or_looks_at_the_time_says_so(void **state)
{
    static const char *const all[] = {"lru", "gclock",   "ws",    "wsclock",
                                      "nru", "clockpro", "s3fifo"};

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct policy_choice choice;
        struct sp_error error;

        assert_int_equal(policy_params_choose(&choice, all[i], &error), 0);
        assert_int_equal(choice.policy->flags & SP_POLICY_SAMPLES, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decisions_are_the_same_with_bits_as_with_signals),
        cmocka_unit_test(a_policy_that_hears_of_hits_or_looks_at_the_time_says_so),
    };

    return cmocka_run_group_tests_name("policy_bits", tests, NULL, NULL);
}
