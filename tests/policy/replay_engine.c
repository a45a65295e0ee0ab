#include "replay_engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct replay *replay_of(struct sp_policy_env *env)
{
    return (struct replay *)env;
}

static bool env_referenced(struct sp_policy_env *env, sp_page page)
{
    struct replay *replay = replay_of(env);
    bool referenced = replay->referenced[page];

    assert_true(replay->resident[page]);
    replay->questions++;
    replay->referenced[page] = false;
    if (referenced)
        replay->protected[page] = true;
    return referenced;
}

static void env_watch(struct sp_policy_env *env, sp_page page)
{
    assert_true(replay_of(env)->resident[page]);
    replay_of(env)->protected[page] = true;
}

static bool env_dirty(struct sp_policy_env *env, sp_page page)
{
    assert_true(replay_of(env)->resident[page]);
    return replay_of(env)->dirty[page];
}

static uint32_t env_random(struct sp_policy_env *env, uint32_t bound)
{
    assert_true(bound > 0);
    return random_below(&replay_of(env)->random, bound);
}

static uint64_t env_next_reference(struct sp_policy_env *env, sp_page page)
{
    return replay_of(env)->upcoming[page];
}

void replay_init(struct replay *replay, const char *choice, uint32_t pages, uint32_t frames,
                 uint64_t seed, bool live)
{
    struct policy_choice chosen;
    struct sp_error error;
    size_t size;

    if (policy_params_choose(&chosen, choice, &error) != 0)
        fail_msg("%s", error.text);
    memset(replay, 0, sizeof(*replay));
    memcpy(replay->params, chosen.params, sizeof(replay->params));
    replay->policy = chosen.policy;
    replay->live = live;
    replay->random = random_seeded(seed);
    replay->env = (struct sp_policy_env){.referenced = env_referenced,
                                         .watch = env_watch,
                                         .dirty = env_dirty,
                                         .random = env_random,
                                         .sees_all = !live};
    replay->config = (struct sp_policy_config){pages, frames, NULL, replay->params};
    size = (replay->policy->size(&replay->config) + 63) / 64 * 64;
    replay->config.env = &replay->env;
    replay->self = aligned_alloc(64, size);
    replay->resident = calloc(pages, sizeof(bool));
    replay->referenced = calloc(pages, sizeof(bool));
    replay->protected = calloc(pages, sizeof(bool));
    replay->dirty = calloc(pages, sizeof(bool));
    assert_non_null(replay->self);
    assert_non_null(replay->resident);
    assert_non_null(replay->referenced);
    assert_non_null(replay->protected);
    assert_non_null(replay->dirty);
    memset(replay->self, 0, size);
    if (replay->policy->init != NULL)
        replay->policy->init(replay->self, &replay->config);
}

void replay_fini(struct replay *replay)
{
    free(replay->self);
    free(replay->resident);
    free(replay->referenced);
    free(replay->protected);
    free(replay->dirty);
    free(replay->upcoming);
    free(replay->next);
}

void replay_foresee(struct replay *replay, const sp_page *trace, size_t length)
{
    replay->upcoming = calloc(replay->config.pages, sizeof(*replay->upcoming));
    replay->next = calloc(length + 1, sizeof(*replay->next));
    assert_non_null(replay->upcoming);
    assert_non_null(replay->next);
    memset(replay->upcoming, 0xff, replay->config.pages * sizeof(*replay->upcoming));
    for (size_t i = length; i > 0; i--) { /* the first reference is at time 1 */
        replay->next[i] = replay->upcoming[trace[i - 1]];
        replay->upcoming[trace[i - 1]] = i;
    }
    replay->env.next_reference = env_next_reference;
}

static void evict(struct replay *replay, sp_page incoming)
{
    sp_page victim = replay->policy->victim(replay->self, incoming);

    assert_true(victim < replay->config.pages);
    assert_true(replay->resident[victim]);
    replay->policy->remove(replay->self, victim, SP_EVICTED);
    replay->resident[victim] = false;
    replay->dirty[victim] = false;
    replay->count--;
}

bool replay_reference(struct replay *replay, sp_page page)
{
    const struct sp_policy *policy = replay->policy;

    replay->env.time++;
    if (replay->upcoming != NULL)
        replay->upcoming[page] = replay->next[replay->env.time];
    if (replay->resident[page]) {
        replay->referenced[page] = true;
        if (replay->live && !replay->protected[page])
            return false;
        replay->protected[page] = false;
        replay->soft_faults += replay->live;
        if (policy->hit != NULL)
            policy->hit(replay->self, page, SP_READ);
        return false;
    }
    if (replay->count == replay->config.frames)
        evict(replay, page);
    replay->resident[page] = true;
    replay->referenced[page] = false;
    replay->protected[page] = false;
    policy->insert(replay->self, page, SP_READ);
    replay->count++;
    replay->misses++;
    return true;
}

void replay_resize(struct replay *replay, uint32_t frames)
{
    while (replay->count > frames)
        evict(replay, SP_NO_PAGE);
    replay->config.frames = frames;
    if (replay->policy->resize != NULL)
        replay->policy->resize(replay->self, frames);
}

uint64_t replay_run(const char *choice, const sp_page *trace, size_t length, uint32_t pages,
                    uint32_t frames, bool live)
{
    struct replay replay;
    uint64_t misses;

    replay_init(&replay, choice, pages, frames, 1, live);
    if (replay.policy->flags & SP_POLICY_NEEDS_FUTURE)
        replay_foresee(&replay, trace, length);
    for (size_t i = 0; i < length; i++)
        replay_reference(&replay, trace[i]);
    misses = replay.misses;
    replay_fini(&replay);
    return misses;
}
