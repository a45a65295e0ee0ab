/* Physmem as a whole, driven through random lives of tasks of several characters, with all books
 * checked after every step. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include <valgrind/valgrind.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "core/contracts/contract.h"
#include "meddler.h"
#include "shm/frame_stack.h"
#include "os/heap.h"
#include "scale.h"
#include "world/world.h"

#define ACTORS 8u
#define SLOTS  600u
#define FRAMES 300u
#define TOKENS 6u
#define PLACES 64u

enum character {
    PROMPT, /* returns what is recalled at once, half of it softly */
    SLOW,   /* returns it at the last moment */
    GREEDY, /* returns it at once, and asks for as much again */
    SILENT, /* returns nothing */
    DEAF,   /* as prompt, but loses its control connection now and then */
};

static const enum character cast[ACTORS] = {PROMPT, SLOW, GREEDY, SILENT,
                                            DEAF,   SLOW, PROMPT, GREEDY};

struct actor {
    enum character character;
    struct physmem_task *task; /* NULL: not there */
    bool revoked;
    uint32_t container;
    bool used[SLOTS]; /* slots with a frame; soft ones count as holes here */
    uint32_t held;
    bool has_vital;
    uint32_t vital;     /* slot */
    uint32_t number[8]; /* of its latest contracts, and of its latest parts; as rings */
    uint32_t numbers;
    uint32_t part[8];
    uint32_t parts;
    uint64_t due; /* when something recalled has to be back; UINT64_MAX */
    /* A request that was within the commitment when it was made; 0: none waits. */
    uint32_t seq;
    uint32_t start;
    uint32_t count;
    bool commitment_shrank; /* since then */
    /* Unmaps that were not answered: the numbers above `unmaps_answered`, up to `unmaps_asked`. */
    uint64_t unmaps_asked;
    uint64_t unmaps_answered;
    bool watches;
    bool told; /* of its availability, and has not answered that */
    /* What it says on its frame stack is as often wrong as right. */
    struct frame_stack *stack; /* NULL: none */
    uint32_t noticed;          /* how many were taken from there */
    bool taken_early[SLOTS];   /* from there, before it heard that it had the frame */
};

struct play {
    struct world world;
    struct random_source random;
    uint64_t seed;
    uint32_t step;
    struct actor actor[ACTORS];
    bool meddled; /* by a policy server that writes what it likes */
    struct meddler meddler;
    uint32_t last_id;
    uint64_t token[TOKENS]; /* of the latest parts */
    uint32_t tokens;
    uint64_t revoked;
    uint64_t served;
    uint64_t waited;
    uint64_t warned;
    uint64_t repossessed;
    uint64_t lives; /* contracts that came about */
    uint64_t claimed;
    uint64_t came_back; /* parts */
    uint64_t resized;
    uint64_t taken;
};

#define REQUIRE(play, condition)                                                                   \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            print_error("seed %llu step %u: not true: %s\n", (unsigned long long)(play)->seed,     \
                        (play)->step, #condition);                                                 \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

static uint32_t below(struct play *play, uint32_t bound)
{
    return random_below(&play->random, bound);
}

static bool is_honest(const struct actor *actor)
{
    return actor->character == PROMPT || actor->character == SLOW || actor->character == GREEDY;
}

static struct actor *actor_of(struct play *play, const struct physmem_task *task)
{
    for (unsigned i = 0; i < ACTORS; i++)
        if (play->actor[i].task == task)
            return &play->actor[i];
    return NULL;
}

static void mark(struct actor *actor, uint32_t start, uint32_t count)
{
    for (uint32_t i = start; i < start + count; i++) {
        if (actor->taken_early[i]) {
            actor->taken_early[i] = false;
            continue;
        }
        actor->held += !actor->used[i];
        actor->used[i] = true;
    }
}

/* Note what physmem took from the frame stacks of all. */
static void notice_takings(struct play *play)
{
    for (unsigned a = 0; a < ACTORS; a++) {
        struct actor *actor = &play->actor[a];

        if (actor->stack == NULL || actor->stack->taken == actor->noticed)
            continue;
        actor->noticed = actor->stack->taken;
        for (unsigned i = 0; i < PLACES; i++) {
            uint32_t slot = (actor->stack->place[i] & ~FRAME_STACK_TAKEN) - 1;

            if ((actor->stack->place[i] & FRAME_STACK_TAKEN) == 0)
                continue;
            actor->stack->place[i] = FRAME_STACK_EMPTY;
            play->taken++;
            REQUIRE(play, slot < SLOTS && !actor->taken_early[slot]);
            actor->taken_early[slot] = !actor->used[slot];
            actor->held -= actor->used[slot];
            actor->used[slot] = false;
        }
    }
}

/* Write something on the frame stack: a used slot, one that is none, or any number; never one that
 * stands there with the mark of physmem. */
static void use_stack(struct play *play, struct actor *actor)
{
    uint32_t slot = below(play, SLOTS);

    if (actor->stack == NULL) {
        const struct physmem_effect *reply =
            world_open_stack(&play->world, actor->task, actor->container, PLACES);

        REQUIRE(play, reply->error == 0 || reply->error == EEXIST);
        actor->stack = reply->error == 0 ? reply->stack.stack : NULL;
        return;
    }
    for (unsigned i = 0; i < 20; i++) {
        if (below(play, 8) == 0)
            slot = below(play, 4) == 0 ? below(play, FRAME_STACK_TAKEN - 2) : below(play, SLOTS);
        else if (below(play, 4) != 0)
            slot = (slot + 1) % SLOTS;
        actor->stack->place[below(play, PLACES)] = slot + 1;
    }
    actor->stack->head = below(play, PLACES);
    actor->stack->span = PLACES;
}

static void on_revoked(struct play *play, struct actor *actor, const struct physmem_effect *effect)
{
    REQUIRE(play, !actor->revoked);
    REQUIRE(play, !is_honest(actor));
    REQUIRE(play, effect->revoked.lost == actor->held);
    actor->revoked = true;
    actor->held = 0;
    actor->due = UINT64_MAX;
    memset(actor->used, 0, sizeof(actor->used));
    play->revoked++;
}

/* Exactly slots that had frames are gone, and no vital one. */
static void on_repossessed(struct play *play, struct actor *actor,
                           const struct physmem_effect *effect)
{
    const struct physmem_map_item *items =
        physmem_map_items(play->world.physmem, effect->repossessed.first);
    uint32_t frames = 0;

    REQUIRE(play, !is_honest(actor) && effect->repossessed.container == actor->container);
    for (uint32_t i = 0; i < effect->repossessed.count; i++) {
        for (uint32_t slot = items[i].slot; slot < items[i].slot + items[i].count; slot++) {
            REQUIRE(play, actor->used[slot]);
            REQUIRE(play, !actor->has_vital || slot != actor->vital);
            actor->used[slot] = false;
            actor->held--;
            frames++;
        }
    }
    REQUIRE(play, frames > 0 && frames == effect->repossessed.frames);
    play->repossessed++;
}

static void on_recall(struct play *play, struct actor *actor, const struct physmem_effect *effect)
{
    /* Grace that counts allocations: return the frames before the next one. */
    uint64_t due = play->world.now;

    REQUIRE(play, effect->recall.frames > 0);
    if (effect->recall.unit == SP_GRACE_TIME)
        due += effect->recall.grace;
    if (due < actor->due)
        actor->due = due;
}

/* The answer to the request that was within the commitment. */
static void on_answer(struct play *play, struct actor *actor, const struct physmem_effect *effect)
{
    if (effect->kind == PHYSMEM_REPLY_ALLOCATED) {
        REQUIRE(play, effect->allocated.count == actor->count);
        mark(actor, actor->start, actor->count);
        play->served++;
    } else {
        /* A task without control connection is not told that the contract above has ended. */
        REQUIRE(play, actor->revoked || actor->commitment_shrank || actor->character == DEAF);
    }
    actor->seq = 0;
}

static void watch(struct world *world, const struct physmem_effect *effect)
{
    struct play *play = world->user;
    struct actor *actor;

    if (effect->kind == PHYSMEM_POLICYSERVER_RING)
        play->meddler.rung++;
    notice_takings(play);
    for (unsigned i = 0; i < ACTORS && effect->kind == PHYSMEM_STACK_DESTROY; i++)
        if (play->actor[i].stack == effect->stack.stack)
            play->actor[i].stack = NULL;
    if (effect->task == NULL)
        return;
    actor = actor_of(play, effect->task);
    REQUIRE(play, actor != NULL); /* no effect names a task that has gone */
    if (effect->kind == PHYSMEM_SEND_REVOKED)
        on_revoked(play, actor, effect);
    else if (actor->revoked)
        REQUIRE(play, effect->kind <= PHYSMEM_REPLY_OFFER || effect->kind == PHYSMEM_KILL ||
                          effect->kind == PHYSMEM_CLOSE_CONTROL);
    if (effect->kind == PHYSMEM_SEND_AVAILABILITY) {
        REQUIRE(play, actor->watches && !actor->told);
        REQUIRE(play, effect->availability.available >= effect->availability.promised);
        actor->told = true;
    }
    if (effect->kind == PHYSMEM_SEND_RECALL)
        on_recall(play, actor, effect);
    if (effect->kind == PHYSMEM_SEND_REPOSSESSED)
        on_repossessed(play, actor, effect);
    if (effect->kind == PHYSMEM_SEND_WARNED) {
        REQUIRE(play, !is_honest(actor) && effect->warned.missing > 0);
        play->warned++;
    }
    if (effect->kind == PHYSMEM_SEND_UNMAP) {
        REQUIRE(play, effect->unmap.id == actor->unmaps_asked + 1);
        REQUIRE(play, effect->unmap.container == actor->container);
        actor->unmaps_asked++;
    }
    if (effect->kind == PHYSMEM_SEND_NOTICE && effect->notice.what == PHYSMEM_EXPIRED)
        actor->commitment_shrank = true;
    if (effect->kind == PHYSMEM_SEND_CHANGED) {
        actor->commitment_shrank |= effect->changed.state != SP_CONTRACT_ACTIVE;
        play->came_back +=
            effect->changed.part == 0 || effect->changed.why == SP_REASON_PART_RETURNED;
    }
    if (effect->kind == PHYSMEM_REPLY_OFFER && effect->offer.state == SP_CONTRACT_ACTIVE)
        actor->number[actor->numbers++ % 8] = effect->offer.offer.contract;
    if (effect->kind == PHYSMEM_REPLY_PART)
        actor->part[actor->parts++ % 8] = effect->part.part.part;
    if (effect->kind <= PHYSMEM_REPLY_OFFER && effect->seq == actor->seq && actor->seq != 0)
        on_answer(play, actor, effect);
}

/* Give back up to `frames` frames, softly or to the pool. */
static void give_back(struct play *play, struct actor *actor, uint32_t frames, bool softly)
{
    while (frames > 0 && actor->held > 0 && !actor->revoked) {
        const struct physmem_effect *reply;
        uint32_t start = below(play, SLOTS);
        uint32_t count = 0;

        while (!actor->used[start])
            start = (start + 1) % SLOTS;
        while (start + count < SLOTS && count < frames && actor->used[start + count])
            actor->used[start + count++] = false;
        actor->held -= count;
        frames -= count;
        reply =
            world_range(&play->world, softly ? physmem_frames_release : physmem_frames_deallocate,
                        actor->task, actor->container, start, count);
        REQUIRE(play, reply->error == 0 && reply->count == count);
    }
}

/* Of blocks; single frames as often as all others. */
static unsigned any_order(struct play *play)
{
    return below(play, 2) ? 0 : 1 + below(play, 5);
}

/* Ask for frames in a way that may be refused. */
static void grab(struct play *play, struct actor *actor, unsigned flags)
{
    uint32_t start = below(play, SLOTS - 40);
    uint32_t count = 1 + below(play, 40);
    unsigned order = any_order(play);
    const struct physmem_effect *reply;

    if (actor->seq != 0)
        return;
    count &= ~((1u << order) - 1);
    if (count == 0)
        return;
    reply = world_allocate_blocks(&play->world, actor->task, actor->container, start, count, order,
                                  flags | PHYSMEM_PARTIAL | PHYSMEM_EXTRA);
    if (reply == NULL) { /* part of it is within the commitment and waits; give that up */
        struct physmem_request request = world_request(&play->world, actor->task);

        physmem_container_destroy(play->world.physmem, play->world.now, &request, actor->container);
        world_run(&play->world);
        actor->held = 0;
        memset(actor->used, 0, sizeof(actor->used));
        actor->container = world_container(&play->world, actor->task, SLOTS);
        actor->has_vital = false;
    } else if (reply->kind == PHYSMEM_REPLY_ALLOCATED) {
        mark(actor, start, reply->allocated.count);
    }
}

/* Do what is recalled, if it is time. */
static void honour(struct play *play, struct actor *actor)
{
    uint32_t owed;

    actor->due = UINT64_MAX;
    if (actor->task == NULL || actor->revoked || actor->character == SILENT)
        return;
    owed = world_status(actor->task).owed;
    give_back(play, actor, owed / 2, true);
    give_back(play, actor, owed - owed / 2, false);
    /* All is paid, unless there was a new recall meanwhile: one more can be sent now. */
    REQUIRE(play,
            actor->revoked || world_status(actor->task).owed == 0 || actor->due != UINT64_MAX);
    if (actor->character == GREEDY && !actor->revoked)
        grab(play, actor, PHYSMEM_SQUASH);
}

static void answer_unmaps(struct play *play, struct actor *actor)
{
    if (actor->task == NULL || actor->revoked || actor->character == SILENT)
        return;
    while (actor->unmaps_answered < actor->unmaps_asked)
        REQUIRE(play, physmem_unmap_answered(play->world.physmem, play->world.now, actor->task,
                                             ++actor->unmaps_answered) == 0);
}

/* All but the slow return what they owe as soon as they hear of it. */
static void honour_now(struct play *play)
{
    bool again = true;

    while (again) {
        again = false;
        for (unsigned i = 0; i < ACTORS; i++) {
            struct actor *actor = &play->actor[i];

            if (actor->due == UINT64_MAX ||
                (actor->character == SLOW && actor->due > play->world.now))
                continue;
            honour(play, actor);
            again = true;
        }
    }
}

/* Let time pass; the slow act when theirs has almost run out. */
static void pass(struct play *play, uint64_t ns)
{
    uint64_t until = play->world.now + ns;

    for (unsigned i = 0; i < ACTORS; i++)
        answer_unmaps(play, &play->actor[i]);
    for (;;) {
        struct actor *next = NULL;
        uint64_t due = physmem_deadline(play->world.physmem);

        for (unsigned i = 0; i < ACTORS; i++)
            if (play->actor[i].due <= until && (next == NULL || play->actor[i].due < next->due))
                next = &play->actor[i];
        /* What physmem does by itself may be a recall, which wants an answer. */
        if (due < (next != NULL ? next->due : until)) {
            world_pass(&play->world, due > play->world.now ? due - play->world.now : 0);
            honour_now(play);
            continue;
        }
        if (next == NULL)
            break;
        if (next->due > play->world.now + 1)
            world_pass(&play->world, next->due - 1 - play->world.now);
        if (next->due != UINT64_MAX)
            honour(play, next);
        honour_now(play);
    }
    if (until > play->world.now)
        world_pass(&play->world, until - play->world.now);
    honour_now(play);
}

static void arrive(struct play *play, struct actor *actor)
{
    enum character character = actor->character;

    *actor = (struct actor){.character = character, .due = UINT64_MAX};
    actor->task = world_task(&play->world, "actor");
    REQUIRE(play, actor->task != NULL);
    play->last_id = physmem_task_id(actor->task);
    actor->container = world_container(&play->world, actor->task, SLOTS);
}

static void leave(struct play *play, struct actor *actor)
{
    struct physmem_task *task = actor->task;

    actor->task = NULL;
    actor->due = UINT64_MAX;
    actor->seq = 0;
    physmem_task_gone(play->world.physmem, play->world.now, task);
    world_run(&play->world);
}

static void propose(struct play *play, struct actor *actor)
{
    struct sp_terms terms = {
        .kind = (uint8_t)below(play, SP_CONTRACT_KINDS),
        .on_breach = (uint8_t)below(play, SP_BREACH_ACTIONS),
        .grace_unit = below(play, 4) == 0 ? SP_GRACE_ALLOCATIONS : SP_GRACE_TIME,
        .min = below(play, 10),
        .frames = 1 + below(play, below(play, 2) ? 120 : 30),
        .term_ns = below(play, 2) ? SP_FOREVER : 1 + below(play, 2000) * MS,
    };
    const struct physmem_effect *reply;

    if (terms.grace_unit == SP_GRACE_TIME) {
        terms.t_clean = (1 + below(play, 100)) * MS;
        terms.t_drop = (1 + below(play, 30)) * MS;
    }
    reply = world_propose(&play->world, actor->task, &terms);
    if (reply->kind == PHYSMEM_REPLY_OFFER && reply->offer.offer.answer == SP_COUNTERED &&
        below(play, 2))
        reply = world_accept(&play->world, actor->task, reply->offer.offer.contract);
    play->lives += reply->kind == PHYSMEM_REPLY_OFFER && reply->offer.state == SP_CONTRACT_ACTIVE;
}

/* Ask for frames that the contracts promise: this cannot fail, whatever blocks they must make. */
static void ask_within(struct play *play, struct actor *actor)
{
    struct physmem_task_status status = world_status(actor->task);
    uint32_t room = status.guaranteed + status.leased;
    unsigned order = any_order(play);
    const struct physmem_effect *reply;

    if (actor->seq != 0 || room <= status.held)
        return;
    room -= status.held;
    actor->start = below(play, SLOTS);
    while (actor->used[actor->start])
        actor->start = (actor->start + 1) % SLOTS;
    actor->count = 0;
    while (actor->start + actor->count < SLOTS && actor->count < room && actor->count < 60 &&
           !actor->used[actor->start + actor->count])
        actor->count++;
    actor->count &= ~((1u << order) - 1);
    if (actor->count == 0)
        return;
    actor->seq = play->world.seq + 1;
    actor->commitment_shrank = false;
    reply = world_allocate_blocks(&play->world, actor->task, actor->container, actor->start,
                                  actor->count, order, below(play, 2) ? PHYSMEM_ZERO : 0);
    play->waited += reply == NULL;
}

static void recover(struct play *play, struct actor *actor)
{
    uint32_t start = below(play, SLOTS - 10);
    const struct physmem_effect *reply;

    if (actor->seq != 0)
        return;
    reply = world_range(&play->world, physmem_frames_recover, actor->task, actor->container, start,
                        1 + below(play, 10));
    mark(actor, start, reply->error == EPIPE ? 0 : reply->count);
}

static void claim(struct play *play, struct actor *actor, uint64_t token)
{
    const struct physmem_effect *reply = world_claim(&play->world, actor->task, token);

    if (reply->kind != PHYSMEM_REPLY_OFFER || reply->offer.offer.answer != SP_ACCEPTED)
        return;
    play->lives++;
    play->claimed++;
}

static void split(struct play *play, struct actor *actor, uint32_t number)
{
    uint64_t token = random_bits(&play->random);
    const struct physmem_effect *reply =
        world_split(&play->world, actor->task, number, 1 + below(play, 30), token);

    if (reply->kind != PHYSMEM_REPLY_PART)
        return;
    play->token[play->tokens++ % TOKENS] = token;
    /* Some parts find a taker at once. */
    for (unsigned i = 0; i < 2; i++) {
        struct actor *taker = &play->actor[below(play, ACTORS)];

        if (taker->task != NULL && taker != actor && below(play, 2))
            claim(play, taker, token);
    }
}

static void resize(struct play *play, struct actor *actor, uint32_t number)
{
    const struct physmem_effect *reply =
        world_size(&play->world, actor->task, number, below(play, 130));

    if (reply->kind != PHYSMEM_REPLY_OFFER)
        return;
    play->resized += reply->offer.offer.answer == SP_ACCEPTED;
    if (reply->offer.offer.answer == SP_COUNTERED && below(play, 2))
        world_accept(&play->world, actor->task, number);
}

static void act_on_contract(struct play *play, struct actor *actor)
{
    /* As a rule one that exists. */
    uint32_t number = below(play, 12);

    if (actor->numbers > 0 && below(play, 8) != 0)
        number = actor->number[below(play, actor->numbers < 8 ? actor->numbers : 8)];

    switch (below(play, 7)) {
    case 0:
        world_renew(&play->world, actor->task, number, (1 + below(play, 2000)) * MS);
        break;
    case 1:
    case 2:
        REQUIRE(play, world_close(&play->world, actor->task, number) != NULL);
        break;
    case 3:
        resize(play, actor, number);
        break;
    case 4:
        split(play, actor, number);
        break;
    case 5:
        claim(play, actor, play->token[below(play, TOKENS)]);
        break;
    default:
        if (actor->parts > 0)
            number = actor->part[below(play, actor->parts < 8 ? actor->parts : 8)];
        REQUIRE(play, world_reabsorb(&play->world, actor->task, number) != NULL);
        break;
    }
}

static void use_mapping(struct play *play, struct actor *actor)
{
    uint32_t start = below(play, SLOTS);
    uint32_t count = 1 + below(play, SLOTS - start);
    const struct physmem_effect *reply =
        world_map(&play->world, actor->task, actor->container, start, count);
    uint32_t mapped = 0;

    if (reply->kind != PHYSMEM_REPLY_MAPPED) {
        REQUIRE(play, reply->error == ENOENT && !actor->used[start]);
        return;
    }
    for (uint32_t i = 0; i < reply->mapped.count; i++) {
        const struct physmem_map_item *item = &play->world.items[i];
        struct physmem_shell_extent *extent = world_extent(&play->world, item->extent);

        REQUIRE(play, extent != NULL && item->slot == start + mapped);
        REQUIRE(play, item->offset + item->count <= EXTENT_PAGES);
        for (uint32_t j = 0; j < item->count; j++) {
            REQUIRE(play, actor->used[item->slot + j]);
            extent->page[item->offset + j] = 1;
        }
        mapped += item->count;
    }
    REQUIRE(play, mapped <= count);
    REQUIRE(play, mapped == count || !actor->used[start + mapped]);
}

/* Watch the availability, or not any more; or answer what was told of it. */
static void watch_availability(struct play *play, struct actor *actor)
{
    struct physmem_request request = world_request(&play->world, actor->task);
    const struct physmem_effect *reply;

    if (below(play, 3) > 0) {
        actor->told = false;
        physmem_availability_heard(play->world.physmem, play->world.now, actor->task);
        world_run(&play->world);
        return;
    }
    actor->watches = below(play, 3) > 0;
    actor->told = actor->told && actor->watches;
    physmem_availability_watch(play->world.physmem, play->world.now, &request, actor->watches,
                               below(play, 50));
    world_run(&play->world);
    reply = world_reply(&play->world, request.seq);
    REQUIRE(play, reply->kind == PHYSMEM_REPLY_AVAILABILITY);
    REQUIRE(play, reply->availability.held == actor->held);
}

static void name_vital(struct play *play, struct actor *actor)
{
    actor->vital = below(play, SLOTS);
    actor->has_vital = true;
    REQUIRE(play,
            world_range(&play->world, physmem_vital, actor->task, actor->container, actor->vital, 1)
                    ->count == 1);
}

static void act(struct play *play, struct actor *actor)
{
    unsigned what = below(play, 100);

    if (actor->task == NULL) {
        if (what < 30)
            arrive(play, actor);
    } else if ((what < 2 && below(play, 2)) || (actor->revoked && what < 30)) {
        leave(play, actor);
    } else if (actor->revoked) {
        REQUIRE(play, world_allocate(&play->world, actor->task, actor->container, 0, 1, 0)->error ==
                          EPIPE);
    } else if (what < 15) {
        propose(play, actor);
    } else if (what < 29) {
        if (actor->seq == 0)
            act_on_contract(play, actor);
    } else if (what < 48) {
        ask_within(play, actor);
    } else if (what < 65) {
        grab(play, actor, below(play, 2) ? PHYSMEM_SQUASH : 0);
    } else if (what < 67) {
        use_stack(play, actor);
    } else if (what < 73) {
        answer_unmaps(play, actor);
        give_back(play, actor, 1 + below(play, 30), below(play, 2));
    } else if (what < 77) {
        recover(play, actor);
    } else if (what < 83) {
        use_mapping(play, actor);
    } else if (what < 85) {
        watch_availability(play, actor);
    } else if (what < 87) {
        uint32_t start = below(play, SLOTS);

        world_range(&play->world, physmem_unmap_own, actor->task, actor->container, start,
                    1 + below(play, SLOTS - start));
    } else if (what < 89 && actor->character == DEAF) {
        physmem_task_disconnected(play->world.physmem, play->world.now, actor->task);
    } else if (what < 91) {
        physmem_recall_from(play->world.physmem, play->world.now, "actor", below(play, 50));
        world_run(&play->world);
    } else if (what < 92) {
        name_vital(play, actor);
    } else if (what < 93) {
        physmem_audit_round(play->world.physmem, 3);
        world_run(&play->world);
    } else if (what < 94) {
        physmem_unmap_random(play->world.physmem, play->world.now, &play->random);
        world_run(&play->world);
    } else {
        pass(play, below(play, 80) * MS);
    }
}

static void check_books(struct play *play)
{
    const char *wrong = physmem_check(play->world.physmem);
    struct physmem_status status;
    uint32_t held = 0;

    notice_takings(play);
    if (wrong != NULL) {
        print_error("seed %llu step %u: %s\n", (unsigned long long)play->seed, play->step, wrong);
        fail();
    }
    for (unsigned i = 0; i < ACTORS; i++) {
        if (play->actor[i].task == NULL)
            continue;
        REQUIRE(play, world_status(play->actor[i].task).held == play->actor[i].held);
        held += play->actor[i].held;
    }
    physmem_get_status(play->world.physmem, &status);
    REQUIRE(play, status.frames_transparent == play->taken);
    REQUIRE(play, status.free + status.soft + held == status.frames);
}

#define COUNT_ONE(name) +1
#define ARBITERS        (0 ARBITER_BUILTINS(COUNT_ONE))

/* What came about in all plays. */
struct totals {
    uint64_t lives;
    uint64_t steps;
    uint64_t served;
    uint64_t waited;
    uint64_t compacted;
    uint64_t rung;
    uint64_t claimed;
    uint64_t came_back;
    uint64_t resized;
    uint64_t taken;
    uint64_t warned;
    uint64_t repossessed;
    uint64_t revoked;
};

static void play_once(uint64_t seed, uint32_t steps, bool meddled, struct totals *totals)
{
    struct play *play = calloc(1, sizeof(*play));
    struct physmem_status status;

    assert_non_null(play);
    play->seed = seed;
    play->meddled = meddled;
    play->random = random_seeded(seed);
    world_init(&play->world, &heap_allocator);
    play->world.watch = watch;
    play->world.user = play;
    play->world.arbiter = arbiter_registry_builtin((seed - 1) % ARBITERS);
    assert_int_equal(world_start(&play->world, FRAMES, 20, 5 * SECOND), 0);
    for (unsigned i = 0; i < ACTORS; i++)
        play->actor[i] = (struct actor){.character = cast[i], .due = UINT64_MAX};

    for (play->step = 0; play->step < steps; play->step++) {
        act(play, &play->actor[below(play, ACTORS)]);
        check_books(play);
        honour_now(play);
        check_books(play);
        if (meddled && below(play, 3) == 0) {
            meddler_act(&play->meddler, &play->world, &play->random, play->last_id);
            check_books(play);
        }
    }
    /* With time, each waiting task is served, whatever the silent ones do. */
    for (unsigned i = 0; i < 10; i++)
        pass(play, 70 * SECOND);
    check_books(play);
    for (unsigned i = 0; i < ACTORS; i++)
        REQUIRE(play, play->actor[i].seq == 0);
    for (unsigned i = 0; i < ACTORS; i++)
        if (play->actor[i].task != NULL)
            leave(play, &play->actor[i]);
    check_books(play);
    physmem_get_status(play->world.physmem, &status);
    totals->steps += steps;
    totals->served += play->served;
    totals->waited += play->waited;
    totals->compacted += status.compacted;
    totals->rung += play->meddler.rung;
    totals->taken += play->taken;
    totals->revoked += play->revoked;
    totals->lives += play->lives;
    totals->claimed += play->claimed;
    totals->came_back += play->came_back;
    totals->resized += play->resized;
    totals->warned += play->warned;
    totals->repossessed += play->repossessed;
    assert_int_equal(world_end(&play->world), 0);
    meddler_fini(&play->meddler);
    free(play);
}

/* The plays were not dull ones. */
static void expect_variety(const struct totals *totals)
{
    assert_true(totals->served > totals->steps / 100);
    assert_true(totals->waited >= ARBITERS && totals->compacted >= ARBITERS);
}

static void test_ten_thousand_random_lives(void **state)
{
    struct totals totals = {0};
    uint32_t steps = RUNNING_ON_VALGRIND ? 2000 : 20000;

    (void)state;
    /* Each arbiter in turn. */
    for (uint64_t seed = 1; seed <= ARBITERS; seed++)
        play_once(scale_seed(seed), steps, false, &totals);
    print_message(
        "%llu contracts; %llu of them parts, %llu ends of parts told; resized %llu times; "
        "%llu warnings, %llu extents repossessed\n",
        (unsigned long long)totals.lives, (unsigned long long)totals.claimed,
        (unsigned long long)totals.came_back, (unsigned long long)totals.resized,
        (unsigned long long)totals.warned, (unsigned long long)totals.repossessed);
    expect_variety(&totals);
    assert_true(totals.lives >= (RUNNING_ON_VALGRIND ? 1000 : 10000));
    assert_true(totals.claimed > totals.lives / 50 && totals.came_back > totals.lives / 50);
    assert_true(totals.resized > totals.lives / 50);
    assert_true(totals.taken > totals.lives / 50 && totals.revoked > totals.lives / 500);
    assert_true(totals.warned > totals.lives / 200 && totals.repossessed > totals.lives / 200);
}

static void test_random_lives_under_any_table(void **state)
{
    struct totals totals = {0};

    (void)state;
    for (uint64_t seed = 1; seed <= ARBITERS; seed++)
        play_once(scale_seed(100 + seed), 2500, true, &totals);
    expect_variety(&totals);
    assert_true(totals.rung >= ARBITERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ten_thousand_random_lives),
        cmocka_unit_test(test_random_lives_under_any_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
