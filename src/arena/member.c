#include "arena/member.h"

#define MS UINT64_C(1000000)

/* Frames that a task with only dirty frames gets clean in a step. */
#define CLEANED_A_STEP 2u

/* Frames lacking, times steps, for each fault on a page that was evicted lately. */
#define MISSES_A_HIT 32u

/* Sizes of a batch, as growth.c of the pager has them. */
#define BATCH_LEAST 8u
#define BATCH_MOST  64u

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Frames that it would like to have at time `now`. */
static uint32_t goal_of(const struct member *member, uint64_t now)
{
    const struct attack_behaviour *b = member->behaviour;
    bool all = b->takes_all && (b->takes_all_ms == 0 || now < b->takes_all_ms * MS);
    uint32_t goal = all ? ATTACK_ALL : member->need;

    if (b->keeps && member->held > goal)
        goal = member->held;
    return goal;
}

/* Frames that the task must return before a time. */
static uint32_t asked_by(const struct member *member, uint64_t until)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < PHYSMEM_RECALLS_MAX; i++)
        if (member->asked[i].missing > 0 && member->asked[i].deadline <= until)
            sum += member->asked[i].missing;
    return sum;
}

uint32_t member_returns(const struct member *member, uint64_t now, uint64_t until)
{
    const struct attack_behaviour *b = member->behaviour;
    uint32_t goal = goal_of(member, now);
    uint32_t surplus = member->held > goal ? member->held - goal : 0;
    uint32_t due = asked_by(member, b->returns_late ? until : UINT64_MAX);

    if (due < surplus)
        due = surplus;
    if (b->cleans_slowly)
        due = smaller(due, CLEANED_A_STEP - member->cleaned);
    return smaller(due, member->held);
}

uint32_t member_batch(const struct member *member, uint64_t now, bool *extrap)
{
    uint32_t goal = goal_of(member, now);
    uint32_t within = smaller(goal, member->guaranteed);
    uint32_t batch = member->held / 4;

    batch = batch < BATCH_LEAST ? BATCH_LEAST : smaller(batch, BATCH_MOST);
    *extrap = member->held >= within;
    if (!*extrap)
        return smaller(batch, within - member->held);
    return member->held < goal ? smaller(batch, goal - member->held) : 0;
}

void member_pay(struct member *member, uint32_t frames)
{
    while (frames > 0) {
        struct asked *next = NULL;
        uint32_t paid;

        for (unsigned i = 0; i < PHYSMEM_RECALLS_MAX; i++) {
            struct asked *asked = &member->asked[i];

            if (asked->missing > 0 && (next == NULL || asked->deadline < next->deadline))
                next = asked;
        }
        if (next == NULL)
            return;
        paid = smaller(next->missing, frames);
        next->missing -= paid;
        frames -= paid;
    }
}

void member_state_demand(struct member *member, uint64_t now)
{
    uint32_t lacking = member->need > member->held ? member->need - member->held : 0;

    member->misses += lacking;
    if (member->behaviour->invents_hits)
        member->misses += ATTACK_INVENTED_HITS * MISSES_A_HIT;
    if (member->stack == NULL)
        return;
    atomic_store_explicit(&member->stack->ghost_hits, member->misses / MISSES_A_HIT,
                          memory_order_relaxed);
    atomic_store_explicit(&member->stack->demand, goal_of(member, now), memory_order_relaxed);
}
