/* A physmem that re-lets what another one grants it. First stories of one such server, whose physmem
 * above is the test; then three of them on top of each other, with tasks of several characters on
 * each, driven through random lives. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <valgrind/valgrind.h>

#include "base/random.h"
#include "core/physmem/upstream.h"
#include "os/heap.h"
#include "scale.h"
#include "world/world.h"

#define SECOND UINT64_C(1000000000)

#define LEVELS 3u
#define ACTORS 8u
#define SLOTS  400u
#define FRAMES 400u
#define TODOS  256u

enum character {
    PROMPT, /* returns what is recalled at once */
    SLOW,   /* at the last moment */
    SILENT, /* never */
};

/* One physmem of the stack. */
struct level {
    struct physmem *physmem;
    struct level *above; /* NULL: it has frames of its own */
    unsigned number;
    struct physmem_task *task; /* that this is, above */
    uint32_t container;        /* there */
    uint32_t next_slot;        /* there, never used before */
    uint32_t slot[FRAMES];     /* there, which have frames */
    uint32_t held;
    uint32_t ask_seq; /* of the request for frames that was not answered; 0: none */
    uint32_t ask_start;
    uint64_t grace_ns; /* that tasks may have */
    uint64_t recalled; /* frames, by the one above */
};

struct actor {
    struct level *level;
    struct physmem_task *task; /* NULL: not there */
    enum character character;
    uint32_t container;
    bool used[SLOTS];
    uint32_t held;
    uint64_t due; /* when something recalled has to be back; UINT64_MAX */
    uint32_t seq; /* of the allocation that was not answered; 0: none */
    uint32_t start;
};

/* The peer of a task: one of these. */
struct peer {
    struct level *level;
    struct actor *actor;
};

/* What one server says to another, which hears it when the first has finished. */
struct todo {
    enum { ASK, RETURN, RECALLED, GRANTED, AVAILABLE } what;
    struct level *level;
    uint32_t frames;
    uint64_t grace_ns;
};

struct stack {
    struct random_source random;
    uint64_t seed;
    uint32_t step;
    uint64_t now;
    uint32_t seq;
    struct level level[LEVELS];
    struct actor actor[ACTORS];
    struct peer level_peer[LEVELS];
    struct peer actor_peer[ACTORS];
    struct todo todo[TODOS];
    unsigned todos;
    uint64_t revoked;
    uint64_t forced; /* of these, for the sake of a physmem above */
    uint64_t recalled_above;
    uint64_t granted_above; /* extra frames */
};

static struct stack stack;

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            print_error("seed %llu step %u: not true: %s\n", (unsigned long long)stack.seed,       \
                        stack.step, #condition);                                                   \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

static void tell(struct level *level, unsigned what, uint32_t frames, uint64_t grace_ns)
{
    REQUIRE(stack.todos < TODOS);
    stack.todo[stack.todos++] = (struct todo){what, level, frames, grace_ns};
}

static struct physmem_request request_of(struct physmem_task *task)
{
    return (struct physmem_request){task, ++stack.seq, false};
}

/* ---- What servers say ---- */

static void to_level(struct level *level, const struct physmem_effect *effect)
{
    if (effect->kind == PHYSMEM_SEND_RECALL) {
        level->recalled += effect->recall.frames;
        tell(level, RECALLED, effect->recall.frames, effect->recall.grace);
    } else if (effect->kind == PHYSMEM_SEND_NOTICE && effect->notice.what == PHYSMEM_AVAILABLE) {
        tell(level, AVAILABLE, 0, 0);
    } else if (effect->kind == PHYSMEM_REPLY_ALLOCATED && effect->seq == level->ask_seq) {
        for (uint32_t i = 0; i < effect->allocated.count; i++)
            level->slot[level->held++] = level->ask_start + i;
        level->ask_seq = 0;
        tell(level, GRANTED, effect->allocated.count, 0);
    } else if (effect->kind == PHYSMEM_REPLY_DONE && effect->seq == level->ask_seq) {
        level->ask_seq = 0;
        tell(level, GRANTED, 0, 0);
    }
    /* A physmem that keeps to the rule is never late, whatever its tasks do. */
    REQUIRE(effect->kind != PHYSMEM_SEND_REVOKED && effect->kind != PHYSMEM_SEND_WARNED &&
            effect->kind != PHYSMEM_SEND_REPOSSESSED);
}

static void repossessed(struct actor *actor, const struct physmem_effect *effect)
{
    const struct physmem_map_item *items =
        physmem_map_items(actor->level->physmem, effect->repossessed.first);

    for (uint32_t i = 0; i < effect->repossessed.count; i++)
        for (uint32_t slot = items[i].slot; slot < items[i].slot + items[i].count; slot++) {
            REQUIRE(actor->used[slot]);
            actor->used[slot] = false;
            actor->held--;
        }
}

static void to_actor(struct actor *actor, const struct physmem_effect *effect)
{
    if (effect->kind == PHYSMEM_SEND_RECALL) {
        REQUIRE(effect->recall.grace <= actor->level->grace_ns);
        if (stack.now + effect->recall.grace < actor->due)
            actor->due = stack.now + effect->recall.grace;
    } else if (effect->kind == PHYSMEM_REPLY_ALLOCATED && effect->seq == actor->seq) {
        for (uint32_t i = 0; i < effect->allocated.count; i++)
            actor->used[actor->start + i] = true;
        actor->held += effect->allocated.count;
        actor->seq = 0;
    } else if (effect->kind == PHYSMEM_REPLY_DONE && effect->seq == actor->seq) {
        actor->seq = 0;
    } else if (effect->kind == PHYSMEM_SEND_REPOSSESSED) {
        REQUIRE(actor->character == SILENT);
        repossessed(actor, effect);
    } else if (effect->kind == PHYSMEM_SEND_REVOKED) {
        REQUIRE(actor->character == SILENT);
        stack.revoked++;
        stack.forced += effect->revoked.reason == SP_REASON_UPSTREAM;
        memset(actor->used, 0, sizeof(actor->used));
        actor->held = 0;
        actor->due = UINT64_MAX;
    }
}

static void on_effect(struct level *level, const struct physmem_effect *effect)
{
    const struct peer *peer;

    if (effect->kind == PHYSMEM_UPSTREAM_ASK) {
        REQUIRE(level->above != NULL && effect->upstream.frames > 0);
        stack.granted_above += effect->upstream.extra;
        tell(level, ASK, effect->upstream.frames, 0);
    } else if (effect->kind == PHYSMEM_UPSTREAM_RETURN) {
        REQUIRE(level->above != NULL && effect->upstream.frames > 0);
        tell(level, RETURN, effect->upstream.frames, 0);
    }
    if (effect->task == NULL)
        return;
    peer = physmem_task_identity(effect->task)->peer;
    if (peer->level != NULL)
        to_level(peer->level, effect);
    else
        to_actor(peer->actor, effect);
}

static void ask_above(struct level *level, uint32_t frames)
{
    struct physmem_request request = request_of(level->task);
    struct physmem_allocation allocation = {.container = level->container,
                                            .start = level->next_slot,
                                            .count = frames,
                                            .flags = PHYSMEM_PARTIAL | PHYSMEM_EXTRA};

    REQUIRE(level->ask_seq == 0);
    level->ask_seq = request.seq;
    level->ask_start = level->next_slot;
    level->next_slot += frames;
    physmem_allocate(level->above->physmem, stack.now, &request, &allocation);
}

static void return_above(struct level *level, uint32_t frames)
{
    struct physmem_request request = request_of(level->task);
    struct physmem_range range[FRAMES];

    REQUIRE(frames <= level->held);
    for (uint32_t i = 0; i < frames; i++)
        range[i] = (struct physmem_range){level->slot[--level->held], 1};
    physmem_frames_deallocate(level->above->physmem, stack.now, &request, level->container, range,
                              frames);
}

static void hear(const struct todo *todo)
{
    struct physmem *physmem = todo->level->physmem;

    switch (todo->what) {
    case ASK:
        ask_above(todo->level, todo->frames);
        break;
    case RETURN:
        return_above(todo->level, todo->frames);
        break;
    case RECALLED:
        stack.recalled_above++;
        physmem_upstream_recalled(physmem, stack.now, todo->frames, todo->grace_ns);
        break;
    case GRANTED:
        physmem_upstream_granted(physmem, stack.now, todo->frames);
        break;
    case AVAILABLE:
        physmem_upstream_available(physmem, stack.now);
        break;
    }
}

/* Have all servers say and hear what there is. */
static void run(void)
{
    struct physmem_effect effect;
    struct todo first;

    for (;;) {
        for (unsigned i = 0; i < LEVELS; i++)
            while (stack.level[i].physmem != NULL &&
                   physmem_next_effect(stack.level[i].physmem, &effect))
                on_effect(&stack.level[i], &effect);
        if (stack.todos == 0)
            return;
        first = stack.todo[0];
        memmove(stack.todo, stack.todo + 1, --stack.todos * sizeof(first));
        hear(&first);
    }
}

/* ---- Beginning ---- */

static struct physmem *physmem_make(uint32_t frames, bool stacked, uint64_t grace_ns)
{
    struct physmem_config config = {.allocator = &heap_allocator,
                                    .arbiter = &arbiter_excess,
                                    .frames = frames,
                                    .max_order = 4,
                                    .max_grace_ns = grace_ns,
                                    .silence_ns = grace_ns,
                                    .stacked = stacked};
    struct physmem *physmem = NULL;

    assert_int_equal(physmem_new(&physmem, &config), 0);
    return physmem;
}

static struct physmem_task *task_make(struct physmem *physmem, const char *name, void *peer)
{
    struct physmem_identity identity = {.uid = 1000, .pid = 1, .peer = peer};
    struct physmem_task *task = NULL;

    snprintf(identity.name, sizeof(identity.name), "%s", name);
    assert_int_equal(physmem_task_add(physmem, stack.now, &identity, &task), 0);
    physmem_task_connected(physmem, task);
    return task;
}

static void contract_make(struct physmem *physmem, struct physmem_task *task,
                          enum sp_contract_kind kind, uint32_t frames, uint64_t grace_ns,
                          enum sp_breach on_breach)
{
    struct physmem_request request = request_of(task);
    struct sp_terms terms = {.kind = kind,
                             .frames = frames,
                             .min = kind == SP_EXTRA ? frames : 0,
                             .term_ns = SP_FOREVER,
                             .t_clean = grace_ns,
                             .t_drop = grace_ns,
                             .on_breach = on_breach};

    physmem_contract_propose(physmem, stack.now, &request, &terms);
    run();
}

static uint32_t container_make(struct physmem *physmem, struct physmem_task *task, uint32_t slots)
{
    struct physmem_request request = request_of(task);
    struct physmem_effect effect;
    uint32_t container = 0;

    physmem_container_create(physmem, stack.now, &request, slots);
    while (physmem_next_effect(physmem, &effect))
        if (effect.kind == PHYSMEM_REPLY_CONTAINER)
            container = effect.container.container;
    assert_int_not_equal(container, 0);
    return container;
}

/* A server below another one, with a guarantee and extra frames. */
static void level_start(unsigned number, uint32_t guaranteed, uint32_t extra, uint64_t grace_ns)
{
    struct level *level = &stack.level[number];
    struct level *above = &stack.level[number - 1];
    char name[16];

    snprintf(name, sizeof(name), "level%u", number);
    level->number = number;
    level->above = above;
    level->grace_ns = physmem_upstream_grace(grace_ns);
    level->physmem = physmem_make(guaranteed + extra, true, level->grace_ns);
    stack.level_peer[number] = (struct peer){.level = level};
    level->task = task_make(above->physmem, name, &stack.level_peer[number]);
    contract_make(above->physmem, level->task, SP_GUARANTEED, guaranteed, grace_ns,
                  SP_BREACH_REVOKE);
    contract_make(above->physmem, level->task, SP_EXTRA, extra, grace_ns, SP_BREACH_REVOKE);
    level->container = container_make(above->physmem, level->task, CONTAINER_SLOTS_MAX);
    physmem_upstream_promised(level->physmem, stack.now, guaranteed, UINT64_MAX);
    run();
}

static void stack_start(uint64_t seed)
{
    memset(&stack, 0, sizeof(stack));
    stack.seed = seed;
    stack.random = random_seeded(seed);
    stack.now = SECOND;
    stack.level[0].physmem = physmem_make(FRAMES, false, 4 * SECOND);
    stack.level[0].grace_ns = 4 * SECOND;
    level_start(1, 150, 150, 3 * SECOND);
    level_start(2, 60, 100, physmem_upstream_grace(3 * SECOND));
}

static void stack_end(void)
{
    for (unsigned i = LEVELS; i-- > 0;)
        physmem_free(&stack.level[i].physmem);
}

/* ---- The books ---- */

static void check_books(void)
{
    for (unsigned i = 0; i < LEVELS; i++) {
        struct level *level = &stack.level[i];
        const char *wrong = physmem_check(level->physmem);
        struct physmem_task_status above;
        struct physmem_status status;

        if (wrong != NULL)
            print_error("level %u: %s\n", i, wrong);
        REQUIRE(wrong == NULL);
        physmem_get_status(level->physmem, &status);
        if (level->above == NULL)
            continue;
        physmem_task_get_status(level->task, &above);
        /* What is lent on is held above, and nothing else is there. */
        REQUIRE(status.frames == level->held && above.held == level->held);
        REQUIRE(status.guaranteed + status.leased <= above.guaranteed + above.leased);
        REQUIRE(above.recalls_missed == 0);
    }
    for (unsigned i = 0; i < ACTORS; i++) {
        struct actor *actor = &stack.actor[i];
        struct physmem_task_status status;

        if (actor->task == NULL)
            continue;
        physmem_task_get_status(actor->task, &status);
        REQUIRE(status.held == actor->held);
    }
}

/* ---- Tasks ---- */

static uint32_t below(uint32_t bound)
{
    return random_below(&stack.random, bound);
}

static void come(struct actor *actor)
{
    static const enum sp_breach breaches[] = {SP_BREACH_REVOKE, SP_BREACH_WARN, SP_BREACH_PENALTY,
                                              SP_BREACH_REPOSSESS};
    enum sp_breach breach = SP_BREACH_REVOKE;
    struct physmem *physmem;

    actor->level = &stack.level[below(LEVELS)];
    actor->character = below(3);
    if (actor->character == SILENT)
        breach = breaches[below(3)];
    physmem = actor->level->physmem;
    actor->task = task_make(physmem, "actor", &stack.actor_peer[actor - stack.actor]);
    actor->due = UINT64_MAX;
    actor->held = 0;
    memset(actor->used, 0, sizeof(actor->used));
    contract_make(physmem, actor->task, SP_GUARANTEED, 1 + below(40), actor->level->grace_ns,
                  breach);
    contract_make(physmem, actor->task, SP_EXTRA, 1 + below(100), actor->level->grace_ns, breach);
    actor->container = container_make(physmem, actor->task, SLOTS);
    run();
}

static void leave(struct actor *actor)
{
    physmem_task_gone(actor->level->physmem, stack.now, actor->task);
    actor->task = NULL;
    actor->due = UINT64_MAX;
    actor->seq = 0;
    run();
}

static void grab(struct actor *actor)
{
    struct physmem_allocation allocation = {.container = actor->container,
                                            .flags = PHYSMEM_PARTIAL | PHYSMEM_EXTRA};
    struct physmem_request request;
    uint32_t start = below(SLOTS), count = 0, most = 1 + below(60);

    while (start + count < SLOTS && count < most && !actor->used[start + count])
        count++;
    if (actor->seq != 0 || count == 0)
        return;
    request = request_of(actor->task);
    actor->seq = request.seq;
    actor->start = start;
    allocation.start = start;
    allocation.count = count;
    physmem_allocate(actor->level->physmem, stack.now, &request, &allocation);
    run();
}

static void give_back(struct actor *actor, uint32_t frames, bool softly)
{
    for (uint32_t slot = 0; slot < SLOTS && frames > 0; slot++) {
        struct physmem_range range = {slot, 1};
        struct physmem_request request;

        if (!actor->used[slot])
            continue;
        actor->used[slot] = false;
        actor->held--;
        frames--;
        request = request_of(actor->task);
        if (softly)
            physmem_frames_release(actor->level->physmem, stack.now, &request, actor->container,
                                   &range, 1);
        else
            physmem_frames_deallocate(actor->level->physmem, stack.now, &request, actor->container,
                                      &range, 1);
        run();
    }
}

/* Return what is owed. */
static void honour(struct actor *actor)
{
    struct physmem_task_status status;

    actor->due = UINT64_MAX;
    if (actor->task == NULL || actor->character == SILENT)
        return;
    physmem_task_get_status(actor->task, &status);
    give_back(actor, status.owed, false);
}

static uint64_t acts_at(const struct actor *actor)
{
    if (actor->due == UINT64_MAX || actor->character == SILENT)
        return UINT64_MAX;
    return actor->character == PROMPT ? stack.now : actor->due - 1;
}

/* Let time pass: tasks act when they want to, servers when they are due. */
static void pass(uint64_t ns)
{
    uint64_t until = stack.now + ns;

    for (;;) {
        uint64_t next = UINT64_MAX;
        struct actor *actor = NULL;
        struct level *level = NULL;

        for (unsigned i = 0; i < ACTORS; i++)
            if (acts_at(&stack.actor[i]) < next) {
                actor = &stack.actor[i];
                next = acts_at(actor);
            }
        for (unsigned i = 0; i < LEVELS; i++)
            if (physmem_deadline(stack.level[i].physmem) < next) {
                level = &stack.level[i];
                next = physmem_deadline(level->physmem);
            }
        if (next > until)
            break;
        if (next > stack.now)
            stack.now = next;
        if (level != NULL)
            physmem_tick(level->physmem, stack.now);
        else
            honour(actor);
        run();
    }
    stack.now = until;
}

static void act(void)
{
    struct actor *actor = &stack.actor[below(ACTORS)];

    if (actor->task == NULL) {
        come(actor);
    } else if (below(40) == 0) {
        leave(actor);
    } else if (below(30) == 0) {
        struct level *level = &stack.level[1 + below(LEVELS - 1)];
        char name[16];

        snprintf(name, sizeof(name), "level%u", level->number);
        physmem_recall_from(level->above->physmem, stack.now, name, 1 + below(60));
        run();
    } else if (below(3) == 0) {
        give_back(actor, 1 + below(30), below(3) == 0);
    } else {
        grab(actor);
    }
}

/* Whatever tasks do, what is lent on is held above, and a recall from above is met in time. */
static void test_random_lives_on_three_levels(void **state)
{
    uint32_t steps = RUNNING_ON_VALGRIND ? 300 : 6000;
    uint64_t forced = 0, recalled = 0, granted = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        stack_start(scale_seed(seed));
        for (unsigned i = 0; i < ACTORS; i++) {
            stack.actor[i].due = UINT64_MAX;
            stack.actor_peer[i] = (struct peer){.actor = &stack.actor[i]};
        }
        for (stack.step = 0; stack.step < steps; stack.step++) {
            act();
            pass(below(4) == 0 ? below(SECOND) : below(SECOND / 1000));
            check_books();
        }
        forced += stack.forced;
        recalled += stack.recalled_above;
        granted += stack.granted_above;
        stack_end();
    }
    assert_true(recalled > 0 && granted > 0);
    if (!RUNNING_ON_VALGRIND)
        assert_true(forced > 0);
}

/* ---- Stories ---- */

/* One server below the test, with 100 frames promised and held, and room for 50 more; and a task of
 * it with `held` of 100 extra frames, whose contract says `breach`. */
struct story {
    struct physmem *physmem;
    struct physmem_task *task;
    uint32_t container;
};

#define GRACE (8 * SECOND)

static void next_of(struct story *story, enum physmem_effect_kind kind,
                    struct physmem_effect *found)
{
    struct physmem_effect effect;

    memset(found, 0, sizeof(*found));
    while (physmem_next_effect(story->physmem, &effect))
        if (effect.kind == kind)
            *found = effect;
}

static void story_start(struct story *story, uint32_t held, enum sp_breach breach)
{
    struct physmem_allocation allocation = {.count = held, .flags = PHYSMEM_EXTRA};
    struct physmem_effect effect;
    struct physmem_request request;

    memset(&stack, 0, sizeof(stack));
    stack.now = SECOND;
    story->physmem = physmem_make(150, true, physmem_upstream_grace(GRACE));
    physmem_upstream_promised(story->physmem, stack.now, 100, UINT64_MAX);
    next_of(story, PHYSMEM_UPSTREAM_ASK, &effect);
    assert_int_equal(effect.upstream.frames, 100);
    assert_false(effect.upstream.extra);
    physmem_upstream_granted(story->physmem, stack.now, 100);
    stack.level_peer[0].actor = &stack.actor[0];
    story->task = task_make(story->physmem, "task", &stack.level_peer[0]);
    contract_make(story->physmem, story->task, SP_EXTRA, 150, physmem_upstream_grace(GRACE),
                  breach);
    story->container = container_make(story->physmem, story->task, 300);
    request = request_of(story->task);
    allocation.container = story->container;
    if (held > 0)
        physmem_allocate(story->physmem, stack.now, &request, &allocation);
    next_of(story, PHYSMEM_REPLY_ALLOCATED, &effect);
    assert_int_equal(effect.allocated.count, held);
}

static void story_end(struct story *story)
{
    assert_null(physmem_check(story->physmem));
    physmem_free(&story->physmem);
}

static uint32_t frames_of(const struct story *story)
{
    struct physmem_status status;

    physmem_get_status(story->physmem, &status);
    assert_null(physmem_check(story->physmem));
    return status.frames;
}

static void test_a_recall_from_above_takes_free_frames_first(void **state)
{
    struct story story;
    struct physmem_effect effect;

    (void)state;
    story_start(&story, 60, SP_BREACH_REVOKE);
    physmem_upstream_recalled(story.physmem, stack.now, 40, GRACE);
    next_of(&story, PHYSMEM_UPSTREAM_RETURN, &effect);
    assert_int_equal(effect.upstream.frames, 40);
    assert_int_equal(frames_of(&story), 60);
    story_end(&story);
}

static void test_tasks_are_recalled_from_for_the_rest_and_have_less_time(void **state)
{
    struct physmem_range range = {0, 20};
    struct physmem_request request;
    struct physmem_effect effect;
    struct story story;

    (void)state;
    story_start(&story, 90, SP_BREACH_REVOKE);
    physmem_upstream_recalled(story.physmem, stack.now, 30, GRACE);
    next_of(&story, PHYSMEM_SEND_RECALL, &effect);
    assert_int_equal(effect.recall.frames, 20);
    assert_true(effect.recall.grace < GRACE);
    assert_int_equal(effect.recall.grace, physmem_upstream_grace(GRACE));
    request = request_of(story.task);
    physmem_frames_deallocate(story.physmem, stack.now, &request, story.container, &range, 1);
    next_of(&story, PHYSMEM_UPSTREAM_RETURN, &effect);
    assert_int_equal(effect.upstream.frames, 20);
    assert_int_equal(frames_of(&story), 70);
    story_end(&story);
}

/* A contract that says "warn" gets no time that the one above does not give. */
static void test_what_is_late_is_taken_by_force_before_it_is_late_above(void **state)
{
    struct physmem_effect effect;
    struct story story;
    uint64_t end;

    (void)state;
    story_start(&story, 97, SP_BREACH_WARN);
    end = stack.now + GRACE;
    physmem_upstream_recalled(story.physmem, stack.now, 33, GRACE); /* 3 are free */
    next_of(&story, PHYSMEM_SEND_RECALL, &effect);
    for (;;) {
        stack.now = physmem_deadline(story.physmem);
        assert_true(stack.now < end);
        physmem_tick(story.physmem, stack.now);
        next_of(&story, PHYSMEM_UPSTREAM_RETURN, &effect);
        if (effect.upstream.frames > 0)
            break;
    }
    assert_int_equal(effect.upstream.frames, 30);
    assert_true(stack.now <= end - GRACE / 8);
    story_end(&story);
}

/* Two tasks owe frames: one is late, and has got more time; the other one owes more, and has time left. */
static void test_force_takes_from_what_is_late_not_from_what_owes_most(void **state)
{
    struct physmem_allocation allocation = {.count = 77, .flags = PHYSMEM_EXTRA};
    struct physmem_task_status status;
    struct physmem_effect effect;
    struct physmem_request request;
    struct physmem_range range = {0, 0};
    struct physmem_task *other;
    struct story story;

    (void)state;
    story_start(&story, 20, SP_BREACH_WARN);
    stack.level_peer[1].actor = &stack.actor[1];
    other = task_make(story.physmem, "other", &stack.level_peer[1]);
    contract_make(story.physmem, other, SP_EXTRA, 100, physmem_upstream_grace(GRACE),
                  SP_BREACH_REVOKE);
    allocation.container = container_make(story.physmem, other, 100);
    request = request_of(other);
    physmem_allocate(story.physmem, stack.now, &request, &allocation);
    physmem_upstream_recalled(story.physmem, stack.now, 13, GRACE); /* 3 are free */
    physmem_task_get_status(other, &status);
    range.count = status.owed;
    assert_in_range(range.count, 1, 9);
    request = request_of(other);
    physmem_frames_deallocate(story.physmem, stack.now, &request, allocation.container, &range, 1);
    stack.now = physmem_deadline(story.physmem);
    physmem_tick(story.physmem, stack.now);
    next_of(&story, PHYSMEM_SEND_WARNED, &effect);
    assert_ptr_equal(effect.task, story.task);
    physmem_recall_from(story.physmem, stack.now, "other", 50);
    do {
        stack.now = physmem_deadline(story.physmem);
        physmem_tick(story.physmem, stack.now);
        next_of(&story, PHYSMEM_SEND_REVOKED, &effect);
    } while (effect.task == NULL);
    assert_ptr_equal(effect.task, story.task);
    assert_int_equal(effect.revoked.reason, SP_REASON_UPSTREAM);
    physmem_task_get_status(other, &status);
    assert_true(status.held > 50 && status.recalls_missed == 0);
    story_end(&story);
}

/* A task that has as many recalls open as it may have is asked at once for what is wanted above, and not when one of them
 * ends, since it could then return that as late as the one above takes it by force. */
static void test_what_is_wanted_above_does_not_wait_for_other_recalls(void **state)
{
    struct physmem_task_status status;
    struct physmem_request request;
    struct physmem_effect effect;
    struct physmem_range range;
    struct story story;

    (void)state;
    story_start(&story, 96, SP_BREACH_REVOKE);
    for (unsigned i = 0; i < PHYSMEM_RECALLS_MAX; i++)
        assert_int_equal(physmem_recall_from(story.physmem, stack.now, "task", 2), 2);
    assert_int_equal(physmem_recall_from(story.physmem, stack.now, "task", 2), -EBUSY);
    stack.now += GRACE / 2;
    physmem_upstream_recalled(story.physmem, stack.now, 30, GRACE);
    next_of(&story, PHYSMEM_SEND_RECALL, &effect);
    assert_int_equal(effect.recall.frames, 18); /* 4 are free, and 8 are coming */
    assert_int_equal(effect.recall.grace, physmem_upstream_grace(GRACE));
    physmem_task_get_status(story.task, &status);
    assert_int_equal(status.owed, 26);
    /* What it was asked for before is due as it was, but for the recall that has grown. */
    range = (struct physmem_range){0, 6};
    stack.now += physmem_upstream_grace(GRACE) - GRACE / 2;
    request = request_of(story.task);
    physmem_frames_deallocate(story.physmem, stack.now, &request, story.container, &range, 1);
    physmem_tick(story.physmem, stack.now);
    range = (struct physmem_range){6, 20};
    stack.now += GRACE / 2;
    request = request_of(story.task);
    physmem_frames_deallocate(story.physmem, stack.now, &request, story.container, &range, 1);
    physmem_tick(story.physmem, stack.now);
    physmem_task_get_status(story.task, &status);
    assert_int_equal(status.owed, 0);
    assert_int_equal(status.recalls_missed, 0);
    assert_int_equal(status.held, 70);
    assert_int_equal(frames_of(&story), 70);
    story_end(&story);
}

static void test_no_contract_has_more_grace_than_the_one_above_allows(void **state)
{
    struct sp_terms terms = {
        .kind = SP_EXTRA, .frames = 10, .term_ns = SP_FOREVER, .t_clean = GRACE, .t_drop = GRACE};
    struct physmem_request request;
    struct physmem_effect effect;
    struct story story;

    (void)state;
    story_start(&story, 0, SP_BREACH_REVOKE);
    request = request_of(story.task);
    physmem_contract_propose(story.physmem, stack.now, &request, &terms);
    next_of(&story, PHYSMEM_REPLY_OFFER, &effect);
    assert_int_equal(effect.offer.offer.answer, SP_COUNTERED);
    assert_int_equal(effect.offer.offer.terms.t_drop, physmem_upstream_grace(GRACE));
    story_end(&story);
}

/* Propose a guarantee; the answer. */
static struct physmem_effect guarantee(struct story *story, uint32_t frames, uint64_t term_ns)
{
    struct sp_terms terms = {.kind = SP_GUARANTEED,
                             .frames = frames,
                             .min = frames,
                             .term_ns = term_ns,
                             .t_clean = SECOND,
                             .t_drop = SECOND};
    struct physmem_request request = request_of(story->task);
    struct physmem_effect effect;

    physmem_contract_propose(story->physmem, stack.now, &request, &terms);
    next_of(story, PHYSMEM_REPLY_OFFER, &effect);
    return effect;
}

static void test_extra_frames_from_above_are_not_promised_below(void **state)
{
    struct story story;

    (void)state;
    story_start(&story, 0, SP_BREACH_REVOKE);
    assert_int_equal(guarantee(&story, 101, SP_FOREVER).offer.offer.reason,
                     SP_REASON_OVERCOMMITTED);
    assert_int_equal(guarantee(&story, 100, SP_FOREVER).offer.offer.answer, SP_ACCEPTED);
    story_end(&story);
}

static void test_no_contract_outlives_the_one_above(void **state)
{
    struct physmem_effect effect;
    struct story story;

    (void)state;
    story_start(&story, 0, SP_BREACH_REVOKE);
    physmem_upstream_promised(story.physmem, stack.now, 100, stack.now + 5 * SECOND);
    effect = guarantee(&story, 10, SP_FOREVER);
    assert_int_equal(effect.offer.offer.answer, SP_COUNTERED);
    assert_int_equal(effect.offer.offer.terms.term_ns, 5 * SECOND);
    story_end(&story);
}

static void test_contracts_end_with_what_they_rest_on_the_last_ones_first(void **state)
{
    struct physmem_task_status status;
    struct physmem_effect effect;
    struct story story;

    (void)state;
    story_start(&story, 0, SP_BREACH_REVOKE);
    guarantee(&story, 30, SP_FOREVER);
    stack.now += SECOND;
    effect = guarantee(&story, 50, SP_FOREVER);
    physmem_upstream_promised(story.physmem, stack.now, 40, UINT64_MAX);
    next_of(&story, PHYSMEM_SEND_CHANGED, &effect);
    assert_int_equal(effect.changed.frames, 50);
    assert_int_equal(effect.changed.why, SP_REASON_UPSTREAM);
    assert_int_equal(effect.changed.state, SP_CONTRACT_EXPIRED);
    physmem_task_get_status(story.task, &status);
    assert_int_equal(status.guaranteed, 30);
    story_end(&story);
}

/* A task that is refused extra frames is the reason to ask above, once; and is told when they come. */
static void test_extra_frames_are_asked_for_when_tasks_want_them(void **state)
{
    struct physmem_allocation allocation = {.start = 100, .count = 20, .flags = PHYSMEM_EXTRA};
    struct physmem_request request;
    struct physmem_effect effect;
    struct story story;
    uint32_t asked;

    (void)state;
    story_start(&story, 96, SP_BREACH_REVOKE);
    allocation.container = story.container;
    request = request_of(story.task);
    physmem_allocate(story.physmem, stack.now, &request, &allocation);
    next_of(&story, PHYSMEM_UPSTREAM_ASK, &effect);
    asked = effect.upstream.frames;
    assert_true(effect.upstream.extra);
    assert_in_range(effect.upstream.frames, 20, 50);
    request = request_of(story.task);
    physmem_allocate(story.physmem, stack.now, &request, &allocation);
    next_of(&story, PHYSMEM_UPSTREAM_ASK, &effect);
    assert_int_equal(effect.upstream.frames, 0);
    physmem_upstream_granted(story.physmem, stack.now, asked);
    next_of(&story, PHYSMEM_SEND_NOTICE, &effect);
    assert_int_equal(effect.notice.what, PHYSMEM_AVAILABLE);
    assert_int_equal(frames_of(&story), 100 + asked);
    story_end(&story);
}

/* Frames that are recalled from a task for one that waits are not asked for above, too; what is wanted besides is. */
static void test_what_a_recall_brings_is_not_asked_for_above(void **state)
{
    struct physmem_allocation allocation = {.count = 50};
    struct physmem_request request;
    struct physmem_effect effect;
    struct physmem_task *other;
    struct story story;

    (void)state;
    story_start(&story, 96, SP_BREACH_REVOKE);
    stack.level_peer[1].actor = &stack.actor[1];
    other = task_make(story.physmem, "other", &stack.level_peer[1]);
    contract_make(story.physmem, other, SP_GUARANTEED, 50, SECOND, SP_BREACH_REVOKE);
    allocation.container = container_make(story.physmem, other, 50);
    request = request_of(other);
    physmem_allocate(story.physmem, stack.now, &request, &allocation);
    next_of(&story, PHYSMEM_UPSTREAM_ASK, &effect);
    assert_int_equal(effect.upstream.frames, 0);
    allocation = (struct physmem_allocation){
        .container = story.container, .start = 100, .count = 20, .flags = PHYSMEM_EXTRA};
    request = request_of(story.task);
    physmem_allocate(story.physmem, stack.now, &request, &allocation);
    next_of(&story, PHYSMEM_UPSTREAM_ASK, &effect);
    assert_in_range(effect.upstream.frames, 20, 40);
    story_end(&story);
}

static void test_after_a_refusal_nothing_is_asked_until_there_is_more_above(void **state)
{
    struct physmem_allocation allocation = {.start = 100, .count = 20, .flags = PHYSMEM_EXTRA};
    struct physmem_request request;
    struct physmem_effect effect;
    struct story story;

    (void)state;
    story_start(&story, 96, SP_BREACH_REVOKE);
    allocation.container = story.container;
    request = request_of(story.task);
    physmem_allocate(story.physmem, stack.now, &request, &allocation);
    next_of(&story, PHYSMEM_UPSTREAM_ASK, &effect);
    physmem_upstream_granted(story.physmem, stack.now, 0);
    next_of(&story, PHYSMEM_UPSTREAM_ASK, &effect);
    assert_int_equal(effect.upstream.frames, 0);
    physmem_upstream_available(story.physmem, stack.now);
    next_of(&story, PHYSMEM_UPSTREAM_ASK, &effect);
    assert_in_range(effect.upstream.frames, 20, 50);
    story_end(&story);
}

static void test_what_is_taken_above_is_missing_below(void **state)
{
    struct physmem_effect effect;
    struct story story;

    (void)state;
    story_start(&story, 97, SP_BREACH_REVOKE);
    physmem_upstream_taken(story.physmem, stack.now, 13); /* 3 are free */
    physmem_tick(story.physmem, stack.now);
    next_of(&story, PHYSMEM_UPSTREAM_RETURN, &effect);
    assert_int_equal(effect.upstream.frames, 10);
    assert_int_equal(frames_of(&story), 87);
    story_end(&story);
}

/* The task maps its first 20 slots. Returns the extent. */
static uint32_t map_20(struct story *story)
{
    struct physmem_request request = request_of(story->task);
    struct physmem_effect effect;
    uint32_t extent;

    physmem_map(story->physmem, stack.now, &request, story->container, 0, 20, 3);
    next_of(story, PHYSMEM_EXTENT_CREATE, &effect);
    extent = effect.extent.extent;
    assert_int_not_equal(extent, 0);
    physmem_extent_ready(story->physmem, stack.now, extent, 7, 0);
    next_of(story, PHYSMEM_REPLY_MAPPED, &effect);
    assert_int_equal(effect.mapped.count, 1);
    return extent;
}

static void test_an_unmap_above_is_one_below_with_less_time(void **state)
{
    struct physmem_effect asked, told;
    struct story story;
    uint32_t extent;

    (void)state;
    story_start(&story, 30, SP_BREACH_REVOKE);
    extent = map_20(&story);
    /* Of pages 10 to 39 the task has mapped ten. */
    assert_int_equal(physmem_upstream_unmap(story.physmem, stack.now, extent, 10, 30, GRACE, 5), 1);
    next_of(&story, PHYSMEM_SEND_UNMAP, &asked);
    assert_int_equal(asked.unmap.container, story.container);
    assert_int_equal(asked.unmap.range.start, 10);
    assert_int_equal(asked.unmap.range.count, 10);
    assert_int_equal(asked.unmap.grace_ns, physmem_upstream_grace(GRACE));
    physmem_unmap_status(story.task, asked.unmap.id, 4, 3);
    assert_int_equal(physmem_unmap_answered(story.physmem, stack.now, story.task, asked.unmap.id),
                     0);
    next_of(&story, PHYSMEM_UPSTREAM_UNMAPPED, &told);
    assert_int_equal(told.unmapped.token, 5);
    assert_int_equal(told.unmapped.referenced, 4);
    assert_int_equal(told.unmapped.dirty, 3);
    /* What is not mapped asks nobody; nor does an extent that is gone. */
    assert_int_equal(physmem_upstream_unmap(story.physmem, stack.now, extent, 10, 30, GRACE, 6), 0);
    assert_int_equal(physmem_upstream_unmap(story.physmem, stack.now, extent + 99, 0, 30, GRACE, 6),
                     0);
    story_end(&story);
}

static void
test_a_task_that_does_not_unmap_in_time_loses_its_memory_and_the_answer_goes_up(void **state)
{
    struct physmem_effect effect;
    struct story story;
    uint32_t extent;

    (void)state;
    story_start(&story, 30, SP_BREACH_REVOKE);
    extent = map_20(&story);
    assert_int_equal(physmem_upstream_unmap(story.physmem, stack.now, extent, 0, 256, GRACE, 9), 1);
    next_of(&story, PHYSMEM_UPSTREAM_UNMAPPED, &effect);
    assert_int_equal(effect.unmapped.token, 0);
    assert_int_equal(physmem_deadline(story.physmem), stack.now + physmem_upstream_grace(GRACE));
    stack.now += physmem_upstream_grace(GRACE);
    physmem_tick(story.physmem, stack.now);
    next_of(&story, PHYSMEM_UPSTREAM_UNMAPPED, &effect);
    assert_int_equal(effect.unmapped.token, 9);
    assert_int_not_equal(frames_of(&story), 0);
    story_end(&story);
}

/* The memory of an extent is gone: a task with such a contract loses the pages that it has there, and no more;
 * another one loses everything. An extent that is gone, or never was, is nobody's loss. */
static void test_an_extent_that_is_lost_above_is_lost_below(void **state)
{
    static const struct {
        enum sp_breach breach;
        enum physmem_effect_kind told;
    } cases[] = {{SP_BREACH_REPOSSESS, PHYSMEM_SEND_REPOSSESSED},
                 {SP_BREACH_REVOKE, PHYSMEM_SEND_REVOKED}};

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct physmem_effect effect;
        struct story story;
        uint32_t extent;

        story_start(&story, 30, cases[i].breach);
        extent = map_20(&story);
        physmem_upstream_lost(story.physmem, stack.now, extent + 99);
        assert_false(physmem_next_effect(story.physmem, &effect));
        physmem_upstream_lost(story.physmem, stack.now, extent);
        next_of(&story, cases[i].told, &effect);
        assert_int_equal(effect.kind, cases[i].told);
        assert_ptr_equal(effect.task, story.task);
        story_end(&story);
    }
}

static void test_a_revocation_above_takes_everything_below(void **state)
{
    struct physmem_effect effect;
    struct story story;

    (void)state;
    story_start(&story, 70, SP_BREACH_WARN);
    physmem_upstream_gone(story.physmem, stack.now);
    next_of(&story, PHYSMEM_SEND_REVOKED, &effect);
    assert_int_equal(effect.revoked.reason, SP_REASON_UPSTREAM);
    assert_int_equal(effect.revoked.lost, 70);
    story_end(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_recall_from_above_takes_free_frames_first),
        cmocka_unit_test(test_tasks_are_recalled_from_for_the_rest_and_have_less_time),
        cmocka_unit_test(test_what_is_late_is_taken_by_force_before_it_is_late_above),
        cmocka_unit_test(test_force_takes_from_what_is_late_not_from_what_owes_most),
        cmocka_unit_test(test_what_is_wanted_above_does_not_wait_for_other_recalls),
        cmocka_unit_test(test_no_contract_has_more_grace_than_the_one_above_allows),
        cmocka_unit_test(test_extra_frames_from_above_are_not_promised_below),
        cmocka_unit_test(test_no_contract_outlives_the_one_above),
        cmocka_unit_test(test_contracts_end_with_what_they_rest_on_the_last_ones_first),
        cmocka_unit_test(test_extra_frames_are_asked_for_when_tasks_want_them),
        cmocka_unit_test(test_what_a_recall_brings_is_not_asked_for_above),
        cmocka_unit_test(test_after_a_refusal_nothing_is_asked_until_there_is_more_above),
        cmocka_unit_test(test_what_is_taken_above_is_missing_below),
        cmocka_unit_test(test_an_unmap_above_is_one_below_with_less_time),
        cmocka_unit_test(
            test_a_task_that_does_not_unmap_in_time_loses_its_memory_and_the_answer_goes_up),
        cmocka_unit_test(test_an_extent_that_is_lost_above_is_lost_below),
        cmocka_unit_test(test_a_revocation_above_takes_everything_below),
        cmocka_unit_test(test_random_lives_on_three_levels),
    };

    return cmocka_run_group_tests_name("core/physmem/upstream", tests, NULL, NULL);
}
