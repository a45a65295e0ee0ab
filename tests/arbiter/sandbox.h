/* Arbiters alone, without physmem: tasks that hold frames, ask for some, return at once what they
 * are asked for, and let time pass. */
#ifndef TESTS_ARBITER_SANDBOX_H
#define TESTS_ARBITER_SANDBOX_H

#include <stdlib.h>
#include <string.h>

#include "arbiter/registry.h"

#define SANDBOX_TASKS 16u
#define SANDBOX_OWN   256u

struct sandbox {
    struct arbiter_choice choice;
    struct sp_arbiter_config config;
    void *self;
    struct sp_arbiter_task task[SANDBOX_TASKS];
    _Alignas(16) unsigned char own[SANDBOX_TASKS][SANDBOX_OWN];
    uint32_t count;
    uint64_t now;
};

static inline void sandbox_init(struct sandbox *sandbox, const char *arbiter, uint32_t frames,
                                uint32_t count)
{
    struct sp_error error;

    memset(sandbox, 0, sizeof(*sandbox));
    if (arbiter_registry_choose(&sandbox->choice, arbiter, &error) != 0)
        abort();
    sandbox->config = (struct sp_arbiter_config){frames, sandbox->choice.params};
    sandbox->self = calloc(1, sandbox->choice.arbiter->size != NULL
                                  ? sandbox->choice.arbiter->size(&sandbox->config)
                                  : 1);
    if (sandbox->self == NULL ||
        (sandbox->choice.arbiter->task_size != NULL &&
         sandbox->choice.arbiter->task_size(&sandbox->config) > SANDBOX_OWN))
        abort();
    if (sandbox->choice.arbiter->init != NULL)
        sandbox->choice.arbiter->init(sandbox->self, &sandbox->config);
    sandbox->count = count;
    for (uint32_t i = 0; i < count; i++)
        sandbox->task[i] =
            (struct sp_arbiter_task){.id = i + 1, .weight = 1, .own = sandbox->own[i]};
}

static inline void sandbox_fini(struct sandbox *sandbox)
{
    free(sandbox->self);
}

static inline uint32_t sandbox_free(const struct sandbox *sandbox)
{
    uint32_t held = 0;

    for (uint32_t i = 0; i < sandbox->count; i++)
        held += sandbox->task[i].held;
    return sandbox->config.frames - held;
}

/* Ask the arbiter; what it takes comes back at once. Returns its grant. */
static inline uint32_t sandbox_decide(struct sandbox *sandbox, enum sp_arbiter_event event,
                                      uint32_t task, uint32_t frames)
{
    struct sp_arbiter_request request = {event, task, frames, (int32_t)sandbox_free(sandbox), 0};
    uint32_t takes[SANDBOX_TASKS] = {0};
    uint32_t grant;

    for (uint32_t i = 0; i < sandbox->count; i++) {
        struct sp_arbiter_task *t = &sandbox->task[i];

        t->recallable = t->held > t->guaranteed ? t->held - t->guaranteed : 0;
    }
    grant = sandbox->choice.arbiter->decide(sandbox->self, sandbox->now, sandbox->task,
                                            sandbox->count, &request, takes);
    for (uint32_t i = 0; i < sandbox->count; i++) {
        if (takes[i] > sandbox->task[i].recallable)
            abort();
        sandbox->task[i].held -= takes[i];
    }
    return grant;
}

/* The task asks for frames, and takes what it is given. */
static inline void sandbox_ask(struct sandbox *sandbox, uint32_t i, uint32_t frames)
{
    bool decides = (sandbox->choice.arbiter->flags & SP_ARBITER_GRANTS) != 0;
    uint32_t grant = frames;

    sandbox->task[i].wanted = frames;
    if (frames == 0)
        return;
    if (decides)
        grant = sandbox_decide(sandbox, SP_ARBITER_EXTRA, i, frames);
    if (grant > sandbox_free(sandbox))
        grant = sandbox_free(sandbox);
    if (grant > frames)
        grant = frames;
    sandbox->task[i].held += grant;
    sandbox->task[i].wanted -= grant;
}

/* Each task asks, in order, for what it lacks of its demand, and returns what is beyond it; several
 * times, so that what was recalled arrives. */
static inline void sandbox_settle(struct sandbox *sandbox, const uint32_t *demand)
{
    for (int round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < sandbox->count; i++) {
            struct sp_arbiter_task *t = &sandbox->task[i];

            if (t->held > demand[i])
                t->held = demand[i];
            t->wanted = 0;
            sandbox_ask(sandbox, i, demand[i] - t->held);
        }
    }
}

/* Time passes, with a tick at the end, and the tasks settle. */
static inline void sandbox_pass(struct sandbox *sandbox, uint64_t ns, const uint32_t *demand)
{
    sandbox->now += ns;
    for (uint32_t i = 0; i < sandbox->count; i++) {
        struct sp_arbiter_task *t = &sandbox->task[i];

        if (t->held > demand[i])
            t->held = demand[i];
        t->wanted = demand[i] - t->held;
    }
    sandbox_decide(sandbox, SP_ARBITER_TICK, 0, 0);
    sandbox_settle(sandbox, demand);
}

#endif
