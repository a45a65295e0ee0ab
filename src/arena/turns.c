/* What tasks ask for and return. */
#include "arena/inner.h"

/* Who was refused asks again after so long. */
#define ASKS_AGAIN_NS (SECOND / 2)

/* Frames lacking, times steps, for each fault on a page that was evicted lately. */
#define MISSES_A_HIT 32u

/* At most, in a row, for what the same step has brought about. */
#define REACTIONS 4u

/* Frames that were returned pay what is due first. */
static void pay(struct member *member, uint32_t frames)
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
        paid = next->missing < frames ? next->missing : frames;
        next->missing -= paid;
        frames -= paid;
    }
}

static void give_back(struct arena *arena, struct member *member, uint32_t frames)
{
    struct physmem_request to = arena_request(arena, member);
    const struct physmem_range range = {member->held - frames, frames};

    member->held -= frames;
    pay(member, frames);
    physmem_frames_deallocate(arena->physmem, arena->now, &to, member->container, &range, 1);
    arena_take_effects(arena);
}

/* Ask for frames; those within the guarantee come for sure, if not at once. Returns how many came
 * at once. */
static uint32_t ask(struct arena *arena, struct member *member, uint32_t frames, bool extra)
{
    struct physmem_request to = arena_request(arena, member);
    const struct physmem_allocation allocation = {
        .container = member->container,
        .start = member->held,
        .count = frames,
        .flags = PHYSMEM_PARTIAL | (extra ? PHYSMEM_EXTRA : 0),
    };
    uint32_t before = member->held;

    member->asking = to.seq;
    physmem_allocate(arena->physmem, arena->now, &to, &allocation);
    arena_take_effects(arena);
    if (member->asking != 0) {
        member->waiting = true;
        member->waits_since = arena->now;
    }
    return member->held - before;
}

static void ask_for_more(struct arena *arena, struct member *member)
{
    uint32_t goal = member_goal(member, arena->now);
    uint32_t within = goal < member->guaranteed ? goal : member->guaranteed;

    if (member->held < within)
        ask(arena, member, within - member->held, false);
    if (member->waiting || member->held >= goal)
        return;
    if (!member->told && arena->now < member->asks_again)
        return;
    member->told = false;
    member->asks_again = arena->now + ASKS_AGAIN_NS;
    if (ask(arena, member, goal - member->held, true) == 0 && arena_counts(arena))
        arena_side_of(arena, member)->refused++;
}

static void map(struct arena *arena, struct member *member, uint32_t start, uint32_t count)
{
    struct physmem_request to = arena_request(arena, member);

    physmem_map(arena->physmem, arena->now, &to, member->container, start, count,
                SLOT_READ | SLOT_WRITE);
    arena_take_effects(arena);
}

/* Use pages: those that are new, and those that were sampled, if they are needed. */
static void use_pages(struct arena *arena, struct member *member)
{
    if (member->mapped > member->held)
        member->mapped = member->held;
    for (; member->mapped < member->held; member->mapped++)
        map(arena, member, member->mapped, 1);
    while (member->samples > 0) {
        uint32_t slot = member->sampled[--member->samples];

        if (slot < member->held && (slot < member->need || member->behaviour->looks_busy))
            map(arena, member, slot, 1);
    }
}

/* Faults on pages that a few frames more would have kept: the more, the more frames are lacking. */
static void tell_ghost_hits(struct member *member)
{
    uint32_t lacking = member->need > member->held ? member->need - member->held : 0;

    member->misses += lacking;
    if (member->behaviour->invents_hits)
        member->misses += INVENTED_HITS * MISSES_A_HIT;
    atomic_store_explicit(&member_stack(member)->ghost_hits, member->misses / MISSES_A_HIT,
                          memory_order_relaxed);
}

/* A task's turn. */
void arena_act(struct arena *arena, struct member *member)
{
    uint32_t returns;

    if (member->revoked)
        arena_leave(arena, member);
    if (member->task == NULL && arena->now >= member->comes)
        arena_come(arena, member);
    if (member->task == NULL || member->waiting)
        return;
    returns = member_returns(member, arena->now);
    if (returns > 0)
        give_back(arena, member, returns);
    if (member->held < member_goal(member, arena->now))
        ask_for_more(arena, member);
    tell_ghost_hits(member);
    if (arena->sampled)
        use_pages(arena, member);
}

/* Those who take back do so before anybody else has a turn. */
void arena_react(struct arena *arena)
{
    for (unsigned i = 0; i < arena->members; i++) {
        struct member *member = &arena->member[i];

        for (unsigned times = 0; times < REACTIONS && member->struck; times++) {
            uint32_t returns = member_returns(member, arena->now);

            member->struck = false;
            if (!member->behaviour->takes_back || member->waiting || member->revoked ||
                returns == 0)
                break;
            give_back(arena, member, returns);
            member->told = true; /* asks, whether there are any or not */
            ask_for_more(arena, member);
        }
        member->struck = false;
    }
}
