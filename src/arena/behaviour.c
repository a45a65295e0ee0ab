#include "arena/behaviour.h"

#define MS      UINT64_C(1000000)
#define LATE_MS 10000u

/* Frames that one who has to write them first gets clean in a step. */
#define CLEANED_A_STEP 10u

static const struct {
    const char *name, *summary;
    bool late; /* the others come when the attacker has been there for a while */
    bool kept; /* nobody returns what it does not need before it is recalled */
} attacks[ARENA_ATTACK_COUNT] = {
    [ARENA_HOARD] = {"hoard", "is there first, takes all there is, returns nothing unasked",
                     .late = true},
    [ARENA_RESERVE] = {"reserve", "is there first, and has nearly all frames guaranteed",
                       .late = true},
    [ARENA_INFLATE] = {"inflate", "asks for everything, whatever it needs"},
    [ARENA_RETAKE] = {"retake", "returns what is recalled, and at once takes it again"},
    [ARENA_SLOW] = {"slow", "returns what is recalled at the last moment, always"},
    [ARENA_FORK] = {"fork", "is four tasks instead of one"},
    [ARENA_SPLIT] = {"split", "is four tasks, three of which have parts of its contract"},
    [ARENA_DIRTY] = {"dirty", "has nothing but dirty frames, slow to clean"},
    [ARENA_CLAIM] = {"claim", "claims to be a thousand times as important"},
    [ARENA_BUSY] = {"busy", "uses each page that is sampled, so that none looks idle",
                    .kept = true},
    [ARENA_GHOSTS] = {"ghosts", "invents faults on pages that it evicted lately"},
};

const char *arena_attack_name(enum arena_attack attack)
{
    return attacks[attack].name;
}

const char *arena_attack_summary(enum arena_attack attack)
{
    return attacks[attack].summary;
}

struct behaviour behaviour_of(enum arena_attack attack, bool is_attacking)
{
    struct behaviour b = {.parts = 1, .guaranteed = ARENA_GUARANTEED, .weight = 1, .bid = 100};

    b.keeps = attacks[attack].kept;
    if (!is_attacking)
        return b;
    switch (attack) {
    case ARENA_HOARD:
        b.takes_all = true;
        b.takes_all_ms = LATE_MS;
        b.keeps = true;
        break;
    case ARENA_RESERVE:
        b.guaranteed = ARENA_FRAMES * 9 / 10;
        break;
    case ARENA_INFLATE:
        b.takes_all = true;
        break;
    case ARENA_RETAKE:
        b.takes_back = true;
        break;
    case ARENA_SLOW:
        b.returns_late = true;
        break;
    case ARENA_FORK:
        b.parts = PARTS_MAX;
        break;
    case ARENA_SPLIT:
        b.parts = PARTS_MAX;
        b.splits = true;
        break;
    case ARENA_DIRTY:
        b.cleans_slowly = true;
        break;
    case ARENA_CLAIM:
        b.weight *= 1000;
        b.bid *= 1000;
        break;
    case ARENA_BUSY:
        b.looks_busy = true;
        break;
    case ARENA_GHOSTS:
        b.invents_hits = true;
        break;
    default:
        break;
    }
    return b;
}

uint64_t behaviour_others_come(enum arena_attack attack)
{
    return attacks[attack].late ? LATE_MS * MS : 0;
}

bool behaviour_is_sampled(enum arena_attack attack)
{
    return attacks[attack].kept;
}

struct need need_begin(uint64_t seed, unsigned player)
{
    return (struct need){.random = random_seeded(seed * ARENA_PLAYERS + player)};
}

/* Half of the time little more or less than what is guaranteed, half of it several times as much:
 * a quarter more than there is, all in all. */
uint32_t need_at(struct need *need, uint64_t now)
{
    while (now >= need->until) {
        bool much = random_below(&need->random, 2) == 1;

        need->frames =
            much ? 250 + random_below(&need->random, 300) : 40 + random_below(&need->random, 120);
        need->until += (1000 + random_below(&need->random, 5000)) * MS;
    }
    return need->frames;
}

uint32_t member_goal(const struct member *member, uint64_t now)
{
    const struct behaviour *b = member->behaviour;
    bool all = b->takes_all && (b->takes_all_ms == 0 || now < b->takes_all_ms * MS);
    uint32_t goal = all ? ARENA_FRAMES : member->need;

    if (b->keeps && member->held > goal)
        goal = member->held;
    return goal;
}

/* Frames that were asked for, by a time. */
static uint32_t asked_by(const struct member *member, uint64_t when)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < PHYSMEM_RECALLS_MAX; i++)
        if (member->asked[i].missing > 0 && member->asked[i].deadline <= when)
            sum += member->asked[i].missing;
    return sum;
}

uint32_t member_returns(const struct member *member, uint64_t now)
{
    const struct behaviour *b = member->behaviour;
    uint32_t goal = member_goal(member, now);
    uint32_t surplus = member->held > goal ? member->held - goal : 0;
    uint32_t due = asked_by(member, b->returns_late ? now + ARENA_STEP_NS : UINT64_MAX);

    if (due < surplus)
        due = surplus;
    if (b->cleans_slowly && due > CLEANED_A_STEP)
        due = CLEANED_A_STEP;
    return due < member->held ? due : member->held;
}
