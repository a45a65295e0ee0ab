#include "arena/attack.h"

static const struct {
    const char *name, *summary;
    struct attack_behaviour behaviour; /* fields that are 0 are as an honest task has them */
} attacks[ATTACK_COUNT] = {
#define ATTACK_ENTRY(NAME, text, what, ...)                                                        \
    [ATTACK_##NAME] = {.name = #text, .summary = what, .behaviour = {__VA_ARGS__}},
    ATTACKS(ATTACK_ENTRY)
#undef ATTACK_ENTRY
};

const char *attack_name(enum attack attack)
{
    return attacks[attack].name;
}

const char *attack_summary(enum attack attack)
{
    return attacks[attack].summary;
}

struct attack_behaviour attack_of_honest(enum attack attack)
{
    return (struct attack_behaviour){
        .sampled = attacks[attack].behaviour.sampled,
        .keeps = attacks[attack].behaviour.sampled,
        .parts = 1,
        .guaranteed = ATTACK_GUARANTEED,
        .weight = 1,
        .bid = 100,
    };
}

struct attack_behaviour attack_of_attacker(enum attack attack)
{
    const struct attack_behaviour honest = attack_of_honest(attack);
    struct attack_behaviour behaviour = attacks[attack].behaviour;

    behaviour.keeps = behaviour.keeps || honest.keeps;
    if (behaviour.parts == 0)
        behaviour.parts = honest.parts;
    if (behaviour.guaranteed == 0)
        behaviour.guaranteed = honest.guaranteed;
    if (behaviour.weight == 0)
        behaviour.weight = honest.weight;
    if (behaviour.bid == 0)
        behaviour.bid = honest.bid;
    return behaviour;
}
