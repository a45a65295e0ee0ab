/* Arbiters alone, without physmem: tasks that hold frames, ask for some, return at once what they
 * are asked for, and let time pass. */
#ifndef TESTS_ARBITER_ARENA_H
#define TESTS_ARBITER_ARENA_H

#include <stdlib.h>
#include <string.h>

#include "arbiter/registry.h"

#define ARENA_TASKS 16u
#define ARENA_OWN   256u

struct arena {
    struct arbiter_choice choice;
    struct sp_arbiter_config config;
    void *self;
    struct sp_arbiter_task task[ARENA_TASKS];
    _Alignas(16) unsigned char own[ARENA_TASKS][ARENA_OWN];
    uint32_t count;
    uint64_t now;
};

static inline void arena_init(struct arena *arena, const char *arbiter, uint32_t frames,
                              uint32_t count)
{
    struct sp_error error;

    memset(arena, 0, sizeof(*arena));
    if (arbiter_registry_choose(&arena->choice, arbiter, &error) != 0)
        abort();
    arena->config = (struct sp_arbiter_config){frames, arena->choice.params};
    arena->self = calloc(
        1, arena->choice.arbiter->size != NULL ? arena->choice.arbiter->size(&arena->config) : 1);
    if (arena->self == NULL || (arena->choice.arbiter->task_size != NULL &&
                                arena->choice.arbiter->task_size(&arena->config) > ARENA_OWN))
        abort();
    if (arena->choice.arbiter->init != NULL)
        arena->choice.arbiter->init(arena->self, &arena->config);
    arena->count = count;
    for (uint32_t i = 0; i < count; i++)
        arena->task[i] = (struct sp_arbiter_task){.id = i + 1, .weight = 1, .own = arena->own[i]};
}

static inline void arena_fini(struct arena *arena)
{
    free(arena->self);
}

static inline uint32_t arena_free(const struct arena *arena)
{
    uint32_t held = 0;

    for (uint32_t i = 0; i < arena->count; i++)
        held += arena->task[i].held;
    return arena->config.frames - held;
}

/* Ask the arbiter; what it takes comes back at once. Returns its grant. */
static inline uint32_t arena_decide(struct arena *arena, enum sp_arbiter_event event, uint32_t task,
                                    uint32_t frames)
{
    struct sp_arbiter_request request = {event, task, frames, (int32_t)arena_free(arena), 0};
    uint32_t takes[ARENA_TASKS] = {0};
    uint32_t grant;

    for (uint32_t i = 0; i < arena->count; i++) {
        struct sp_arbiter_task *t = &arena->task[i];

        t->recallable = t->held > t->guaranteed ? t->held - t->guaranteed : 0;
    }
    grant = arena->choice.arbiter->decide(arena->self, arena->now, arena->task, arena->count,
                                          &request, takes);
    for (uint32_t i = 0; i < arena->count; i++) {
        if (takes[i] > arena->task[i].recallable)
            abort();
        arena->task[i].held -= takes[i];
    }
    return grant;
}

/* The task asks for frames, and takes what it is given. */
static inline void arena_ask(struct arena *arena, uint32_t i, uint32_t frames)
{
    bool decides = (arena->choice.arbiter->flags & SP_ARBITER_GRANTS) != 0;
    uint32_t grant = frames;

    arena->task[i].wanted = frames;
    if (frames == 0)
        return;
    if (decides)
        grant = arena_decide(arena, SP_ARBITER_EXTRA, i, frames);
    if (grant > arena_free(arena))
        grant = arena_free(arena);
    if (grant > frames)
        grant = frames;
    arena->task[i].held += grant;
    arena->task[i].wanted -= grant;
}

/* Each task asks, in order, for what it lacks of its demand, and returns what is beyond it; several
 * times, so that what was recalled arrives. */
static inline void arena_settle(struct arena *arena, const uint32_t *demand)
{
    for (int round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < arena->count; i++) {
            struct sp_arbiter_task *t = &arena->task[i];

            if (t->held > demand[i])
                t->held = demand[i];
            t->wanted = 0;
            arena_ask(arena, i, demand[i] - t->held);
        }
    }
}

/* Time passes, with a tick at the end, and the tasks settle. */
static inline void arena_pass(struct arena *arena, uint64_t ns, const uint32_t *demand)
{
    arena->now += ns;
    for (uint32_t i = 0; i < arena->count; i++) {
        struct sp_arbiter_task *t = &arena->task[i];

        if (t->held > demand[i])
            t->held = demand[i];
        t->wanted = demand[i] - t->held;
    }
    arena_decide(arena, SP_ARBITER_TICK, 0, 0);
    arena_settle(arena, demand);
}

#endif
