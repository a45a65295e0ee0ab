/* What tasks ask for and return. */
#include "arena/turns.h"

#include "arena/effects.h"
#include "arena/entry.h"

/* How long a task that was refused waits before it asks again. */
#define ASKS_AGAIN_NS (SECOND / 2)

/* Reactions of a task in a row, at most, to what the same step has brought about. */
#define REACTIONS 4u

/* Exchanges with physmem that a task has in a step, at most. A round trip takes a thousandth of it. */
#define EXCHANGES 32u

static void give_back(struct arena *arena, struct member *member, uint32_t frames)
{
    struct physmem_request to = state_request(arena, member);
    const struct physmem_range range = {member->held - frames, frames};

    member->held -= frames;
    member->cleaned += frames;
    member_pay(member, frames);
    physmem_frames_deallocate(arena->physmem, arena->now, &to, member->container, &range, 1);
    effects_take(arena);
}

/* Ask for frames; those within the guarantee come for sure, if not at once. Returns how many came at
 * once. */
static uint32_t ask(struct arena *arena, struct member *member, uint32_t frames, bool extra)
{
    struct physmem_request to = state_request(arena, member);
    const struct physmem_allocation allocation = {
        .container = member->container,
        .start = member->held,
        .count = frames,
        .flags = PHYSMEM_PARTIAL | (extra ? PHYSMEM_EXTRA : 0),
    };
    uint32_t before = member->held;

    member->asking = to.seq;
    physmem_allocate(arena->physmem, arena->now, &to, &allocation);
    effects_take(arena);
    if (member->asking != 0) {
        member->waiting = true;
        member->waits_since = arena->now;
    }
    return member->held - before;
}

/* Ask for the next batch, if the task wants one and was not refused lately. Returns whether it came in
 * full, and more may. */
static bool ask_for_more(struct arena *arena, struct member *member)
{
    bool extra;
    uint32_t batch = member_batch(member, arena->now, &extra);
    uint32_t came;

    if (batch == 0 || (extra && !member->told && arena->now < member->asks_again)) {
        member->told = false;
        return false;
    }
    came = ask(arena, member, batch, extra);
    if (!extra || came == batch)
        return came == batch;
    member->told = false;
    member->asks_again = arena->now + ASKS_AGAIN_NS;
    if (came == 0 && state_counts(arena))
        state_side_of(arena, member)->refused++;
    return false;
}

static void map(struct arena *arena, struct member *member, uint32_t start, uint32_t count)
{
    struct physmem_request to = state_request(arena, member);

    physmem_map(arena->physmem, arena->now, &to, member->container, start, count,
                SLOT_READ | SLOT_WRITE);
    effects_take(arena);
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

static uint32_t returns_now(const struct arena *arena, const struct member *member)
{
    return member_returns(member, arena->now, arena->now + ARENA_STEP_NS);
}

/* A task's turn: return, and ask for one batch. Returns whether it has more to do in this step. */
static bool act(struct arena *arena, struct member *member)
{
    uint32_t returns;

    if (member->revoked)
        entry_leave(arena, member);
    if (member->task == NULL && arena->now >= member->comes)
        entry_come(arena, member);
    if (member->task == NULL || member->waiting)
        return false;
    member->struck = false;
    returns = returns_now(arena, member);
    if (returns > 0)
        give_back(arena, member, returns);
    return ask_for_more(arena, member) || returns > 0;
}

/* Tasks that take back do so before any other has a turn. */
static void react(struct arena *arena)
{
    for (unsigned i = 0; i < arena->members; i++) {
        struct member *member = &arena->member[i];

        for (unsigned times = 0; times < REACTIONS && member->struck; times++) {
            uint32_t returns = returns_now(arena, member);

            if (!member->behaviour->takes_back || member->waiting || member->revoked ||
                returns == 0)
                break;
            member->struck = false;
            give_back(arena, member, returns);
            member->told = true; /* asks, whether there are any or not */
            ask_for_more(arena, member);
        }
    }
}

/* Players have their turns in random order; the tasks of one player come one after the other. */
static void draw_order(struct arena *arena, unsigned *order)
{
    for (unsigned i = 0; i < ARENA_PLAYERS; i++) {
        unsigned place = random_below(&arena->random, i + 1);

        order[i] = order[place];
        order[place] = i;
    }
}

/* One exchange of each task. Returns whether any has more to do. */
static bool exchange(struct arena *arena, const unsigned *order)
{
    bool more = false;

    for (unsigned i = 0; i < ARENA_PLAYERS; i++) {
        for (unsigned m = 0; m < arena->members; m++) {
            if (arena->member[m].player != order[i])
                continue;
            more = act(arena, &arena->member[m]) || more;
            react(arena);
        }
    }
    for (unsigned m = 0; m < arena->members; m++)
        more = more || ((arena->member[m].struck || arena->member[m].told) &&
                        !arena->member[m].waiting && !arena->member[m].revoked);
    return more;
}

void turns_take(struct arena *arena)
{
    unsigned order[ARENA_PLAYERS];

    draw_order(arena, order);
    for (unsigned m = 0; m < arena->members; m++) {
        arena->member[m].cleaned = 0;
        member_state_demand(&arena->member[m], arena->now);
    }
    for (unsigned i = 0; i < EXCHANGES && exchange(arena, order); i++)
        continue;
    for (unsigned m = 0; m < arena->members && arena->sampled; m++)
        if (arena->member[m].task != NULL && !arena->member[m].waiting)
            use_pages(arena, &arena->member[m]);
}
