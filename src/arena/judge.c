#include "arena/judge.h"

static void side_add(struct arena_side *sum, const struct arena_side *one)
{
    sum->needed += one->needed;
    sum->useful += one->useful;
    sum->revoked += one->revoked;
    sum->refused += one->refused;
    sum->countered += one->countered;
    if (one->wait_ns > sum->wait_ns)
        sum->wait_ns = one->wait_ns;
}

static void outcome_add(struct arena_outcome *sum, const struct arena_outcome *one)
{
    side_add(&sum->attacker, &one->attacker);
    side_add(&sum->victims, &one->victims);
    sum->overruled += one->overruled;
    sum->recalls += one->recalls;
    if (sum->wrong == NULL)
        sum->wrong = one->wrong;
}

int judge_attack(const struct allocator *allocator, const struct arbiter_choice *arbiter,
                 enum attack attack, uint64_t seed, unsigned rounds, struct verdict *verdict)
{
    struct arena_setup setup = {.allocator = allocator, .arbiter = arbiter, .attack = attack};

    *verdict = (struct verdict){.gain = 0};
    for (unsigned round = 0; round < 2 * rounds; round++) {
        struct arena_outcome outcome;
        int rc;

        setup.honest = round % 2 == 0;
        setup.seed = seed + round / 2;
        rc = arena_play(&setup, &outcome);
        if (rc != 0)
            return rc;
        outcome_add(setup.honest ? &verdict->honest : &verdict->attacked, &outcome);
    }
    verdict->gain = verdict->attacked.attacker.useful / verdict->honest.attacker.useful;
    verdict->loss = verdict->attacked.victims.useful / verdict->honest.victims.useful;
    return 0;
}
