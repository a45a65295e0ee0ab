#include "arena/arena.h"

#include <string.h>

#include "arena/behaviour.h"
#include "core/memory.h"

#define SECOND    UINT64_C(1000000000)
#define PLAYED_NS (60 * SECOND)
#define COUNTS_NS (15 * SECOND) /* from then on; all are there and settled by then */

/* Who was refused asks again after so long; who lost everything comes back. */
#define ASKS_AGAIN_NS (SECOND / 2)
#define COMES_BACK_NS SECOND

/* At most, in a row, for what the same step has brought about. */
#define REACTIONS 4u

struct arena {
    const struct arena_setup *setup;
    struct physmem *physmem;
    uint64_t now;
    struct random_source random;
    struct need need[ARENA_PLAYERS];
    struct behaviour attacker, honest;
    struct member member[MEMBERS_MAX];
    uint32_t members;
    uint32_t seq;
    struct arena_outcome *outcome;
    bool failed;
};

static struct arena_side *side_of(struct arena *arena, const struct member *member)
{
    return member->player == 0 ? &arena->outcome->attacker : &arena->outcome->victims;
}

static bool counts(const struct arena *arena)
{
    return arena->now >= COUNTS_NS;
}

/* ---- What physmem says ---- */

static void take_recall(struct arena *arena, struct member *member,
                        const struct physmem_effect *effect)
{
    for (unsigned i = 0; i < PHYSMEM_RECALLS_MAX; i++) {
        if (member->asked[i].missing > 0)
            continue;
        member->asked[i] = (struct asked){effect->recall.frames, arena->now + effect->recall.grace};
        break;
    }
    member->struck = true;
    arena->outcome->recalls += counts(arena);
}

static void end_wait(struct arena *arena, struct member *member)
{
    struct arena_side *side = side_of(arena, member);
    uint64_t waited = arena->now - member->waits_since;

    member->waiting = false;
    if (counts(arena) && waited > side->wait_ns)
        side->wait_ns = waited;
}

/* A reply to `allocate`. */
static void take_reply(struct arena *arena, struct member *member,
                       const struct physmem_effect *effect)
{
    if (member->waiting)
        end_wait(arena, member);
    member->asking = 0;
    if (effect->kind == PHYSMEM_REPLY_ALLOCATED)
        member->held += effect->allocated.count;
}

static void take_offer(struct arena *arena, struct member *member,
                       const struct physmem_effect *effect)
{
    const struct sp_offer *offer = &effect->offer.offer;

    if (offer->answer != SP_ACCEPTED)
        side_of(arena, member)->countered++;
    member->countered = offer->answer == SP_COUNTERED ? offer->contract : 0;
}

static void take_effects(struct arena *arena)
{
    struct physmem_effect effect;

    while (physmem_next_effect(arena->physmem, &effect)) {
        struct member *member =
            effect.task == NULL ? NULL : physmem_task_identity(effect.task)->peer;

        if (member == NULL)
            continue;
        if (effect.seq == member->asking && effect.kind <= PHYSMEM_REPLY_OFFER)
            take_reply(arena, member, &effect);
        else if (effect.kind == PHYSMEM_REPLY_CONTAINER)
            member->container = effect.container.container;
        else if (effect.kind == PHYSMEM_REPLY_OFFER)
            take_offer(arena, member, &effect);
        else if (effect.kind == PHYSMEM_SEND_RECALL)
            take_recall(arena, member, &effect);
        else if (effect.kind == PHYSMEM_SEND_NOTICE)
            member->told = true;
        else if (effect.kind == PHYSMEM_SEND_REVOKED)
            member->revoked = true;
    }
}

/* ---- What tasks do ---- */

static struct physmem_request request(struct arena *arena, struct member *member)
{
    return (struct physmem_request){.task = member->task, .seq = ++arena->seq};
}

/* A contract, or what physmem offers instead. */
static void propose(struct arena *arena, struct member *member, enum sp_contract_kind kind,
                    uint32_t frames)
{
    const struct sp_terms terms = {
        .kind = (uint8_t)kind,
        .min = frames / 10 > 0 ? frames / 10 : 1,
        .frames = frames,
        .weight = member->behaviour->weight,
        .term_ns = SP_FOREVER,
        .t_clean = ARENA_GRACE_NS,
        .t_drop = ARENA_GRACE_NS,
        .bid = member->behaviour->bid,
    };
    struct physmem_request to = request(arena, member);

    physmem_propose(arena->physmem, arena->now, &to, &terms);
    take_effects(arena);
    if (member->countered == 0)
        return;
    to = request(arena, member);
    physmem_accept(arena->physmem, arena->now, &to, member->countered);
    take_effects(arena);
}

/* A task comes, with its contracts and a container. */
static void come(struct arena *arena, struct member *member)
{
    const struct physmem_identity identity = {.peer = member};
    const struct behaviour *behaviour = member->behaviour;
    struct physmem_task_status status;
    struct physmem_request to;

    if (physmem_task_add(arena->physmem, arena->now, &identity, &member->task) != 0) {
        arena->failed = true;
        return;
    }
    physmem_control_opened(arena->physmem, member->task);
    propose(arena, member, SP_GUARANTEED, behaviour->guaranteed / behaviour->parts);
    propose(arena, member, SP_EXTRA, ARENA_FRAMES);
    physmem_task_get_status(member->task, &status);
    member->guaranteed = status.guaranteed;
    to = request(arena, member);
    physmem_container_create(arena->physmem, arena->now, &to, ARENA_FRAMES);
    take_effects(arena);
}

/* It lost everything: it ends, and starts again in a while. */
static void leave(struct arena *arena, struct member *member)
{
    side_of(arena, member)->revoked++;
    physmem_task_gone(arena->physmem, arena->now, member->task);
    *member = (struct member){.behaviour = member->behaviour,
                              .player = member->player,
                              .part = member->part,
                              .comes = arena->now + COMES_BACK_NS};
    take_effects(arena);
}

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
    struct physmem_request to = request(arena, member);
    const struct physmem_range range = {member->held - frames, frames};

    member->held -= frames;
    pay(member, frames);
    physmem_deallocate(arena->physmem, arena->now, &to, member->container, &range, 1);
    take_effects(arena);
}

/* Ask for frames; those within the guarantee come for sure, if not at once. Returns how many came
 * at once. */
static uint32_t ask(struct arena *arena, struct member *member, uint32_t frames, bool extra)
{
    struct physmem_request to = request(arena, member);
    const struct physmem_allocation allocation = {
        .container = member->container,
        .start = member->held,
        .count = frames,
        .flags = PHYSMEM_PARTIAL | (extra ? PHYSMEM_EXTRA : 0),
    };
    uint32_t before = member->held;

    member->asking = to.seq;
    physmem_allocate(arena->physmem, arena->now, &to, &allocation);
    take_effects(arena);
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
    if (ask(arena, member, goal - member->held, true) == 0 && counts(arena))
        side_of(arena, member)->refused++;
}

/* A task's turn. */
static void act(struct arena *arena, struct member *member)
{
    uint32_t returns;

    if (member->revoked)
        leave(arena, member);
    if (member->task == NULL && arena->now >= member->comes)
        come(arena, member);
    if (member->task == NULL || member->waiting)
        return;
    returns = member_returns(member, arena->now);
    if (returns > 0)
        give_back(arena, member, returns);
    if (member->held < member_goal(member, arena->now))
        ask_for_more(arena, member);
}

/* Those who take back do so before anybody else has a turn. */
static void react(struct arena *arena)
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

/* ---- The play ---- */

/* What a player needs is divided among its parts. */
static void assign_needs(struct arena *arena)
{
    uint32_t needs[ARENA_PLAYERS];

    for (unsigned player = 0; player < ARENA_PLAYERS; player++)
        needs[player] = need_at(&arena->need[player], arena->now);
    for (unsigned i = 0; i < arena->members; i++) {
        struct member *member = &arena->member[i];
        uint32_t parts = member->behaviour->parts;
        uint32_t need = needs[member->player];

        member->need = need / parts + (member->part < need % parts);
    }
}

static void score(struct arena *arena)
{
    for (unsigned i = 0; i < arena->members; i++) {
        const struct member *member = &arena->member[i];
        struct arena_side *side = side_of(arena, member);
        uint32_t useful = member->held < member->need ? member->held : member->need;
        uint64_t waited = arena->now - member->waits_since;

        side->needed += member->need * (double)ARENA_STEP_NS / 1e9;
        side->useful += useful * (double)ARENA_STEP_NS / 1e9;
        if (member->waiting && waited > side->wait_ns)
            side->wait_ns = waited;
    }
}

/* One step: all have their turn, in random order; the attacker's parts one after the other. */
static void step(struct arena *arena)
{
    unsigned order[ARENA_PLAYERS];

    if (physmem_deadline(arena->physmem) <= arena->now)
        physmem_tick(arena->physmem, arena->now);
    take_effects(arena);
    assign_needs(arena);
    for (unsigned i = 0; i < ARENA_PLAYERS; i++) {
        unsigned place = random_below(&arena->random, i + 1);

        order[i] = order[place];
        order[place] = i;
    }
    for (unsigned i = 0; i < ARENA_PLAYERS; i++) {
        for (unsigned m = 0; m < arena->members; m++) {
            if (arena->member[m].player == order[i]) {
                act(arena, &arena->member[m]);
                react(arena);
            }
        }
    }
    if (counts(arena))
        score(arena);
}

static void begin(struct arena *arena, const struct arena_setup *setup)
{
    arena->attacker = behaviour_of(setup->attack, !setup->honest);
    arena->honest = behaviour_of(setup->attack, false);
    arena->random = random_seeded(setup->seed);
    for (unsigned player = 0; player < ARENA_PLAYERS; player++) {
        const struct behaviour *behaviour = player == 0 ? &arena->attacker : &arena->honest;

        arena->need[player] = need_begin(setup->seed, player);
        for (unsigned part = 0; part < behaviour->parts; part++)
            arena->member[arena->members++] = (struct member){
                .behaviour = behaviour,
                .player = player,
                .part = part,
                .comes = player == 0 ? 0 : behaviour_others_come(setup->attack),
            };
    }
}

int arena_play(const struct arena_setup *setup, struct arena_outcome *outcome)
{
    struct physmem_config config = {
        .allocator = setup->allocator,
        .arbiter = setup->arbiter->arbiter,
        .frames = ARENA_FRAMES,
    };
    struct arena *arena = memory_new(setup->allocator, sizeof(*arena));
    struct physmem_status status;
    int rc;

    *outcome = (struct arena_outcome){.wrong = NULL};
    if (arena == NULL)
        return -ENOMEM;
    arena->setup = setup;
    arena->outcome = outcome;
    memcpy(config.arbiter_params, setup->arbiter->params, sizeof(config.arbiter_params));
    rc = physmem_new(&arena->physmem, &config);
    if (rc == 0) {
        begin(arena, setup);
        for (; arena->now < PLAYED_NS && !arena->failed; arena->now += ARENA_STEP_NS)
            step(arena);
        physmem_get_status(arena->physmem, &status);
        outcome->overruled = status.overruled;
        outcome->wrong = physmem_check(arena->physmem);
        if (arena->failed || physmem_has_failed(arena->physmem))
            rc = -ENOMEM;
    }
    physmem_free(&arena->physmem);
    memory_free(setup->allocator, arena, sizeof(*arena));
    return rc;
}
