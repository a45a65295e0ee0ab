#include "record/recorder.h"

struct recorder {
    struct sp_policy_env env; /* first: what the policy inside is given */
    struct sp_policy_env *outer;
    const struct recorder_setup *setup;
    struct sp_policy_config config;
    uint8_t *away; /* by page: it was pinned or skipped */
    void *inner;
};

static size_t aligned(size_t size)
{
    return (size + 63) & ~(size_t)63;
}

/* The parameters are the beginning of the setup: see recorder_around. */
static const struct recorder_setup *setup_of(const struct sp_policy_config *config)
{
    return (const struct recorder_setup *)(const void *)config->params;
}

static void tell(struct recorder *recorder, unsigned kind, uint32_t number, bool bit)
{
    recorder->setup->emit(recorder->setup->context, (enum recorder_kind)kind, number, bit);
}

/* Before each call of the policy inside. */
static void keep_time(struct recorder *recorder)
{
    uint64_t passed = recorder->outer->time - recorder->env.time;

    if (passed > 0)
        tell(recorder, RECORDER_TIME, (uint32_t)passed, false);
    recorder->env.time = recorder->outer->time;
}

/* ---- What the policy asks ---- */

static struct recorder *recorder_of(struct sp_policy_env *env)
{
    return (struct recorder *)env;
}

static bool recorded_referenced(struct sp_policy_env *env, sp_page page)
{
    struct recorder *recorder = recorder_of(env);
    bool referenced = recorder->outer->referenced(recorder->outer, page);

    tell(recorder, RECORDER_REFERENCED, page, referenced);
    return referenced;
}

static void recorded_watch(struct sp_policy_env *env, sp_page page)
{
    struct recorder *recorder = recorder_of(env);

    recorder->outer->watch(recorder->outer, page); /* no answer, nothing to tell */
}

static bool recorded_dirty(struct sp_policy_env *env, sp_page page)
{
    struct recorder *recorder = recorder_of(env);
    bool dirty = recorder->outer->dirty(recorder->outer, page);

    tell(recorder, RECORDER_DIRTY, page, dirty);
    return dirty;
}

static uint32_t recorded_random(struct sp_policy_env *env, uint32_t bound)
{
    struct recorder *recorder = recorder_of(env);
    uint32_t number = recorder->outer->random(recorder->outer, bound);

    tell(recorder, RECORDER_RANDOM, number, false);
    return number;
}

/* ---- What the engine calls ---- */

static size_t recorder_size(const struct sp_policy_config *config)
{
    return aligned(sizeof(struct recorder)) + aligned(config->pages) +
           setup_of(config)->inner->size(config);
}

static void recorder_init(void *self, const struct sp_policy_config *config)
{
    struct recorder *recorder = self;

    recorder->env = (struct sp_policy_env){.referenced = recorded_referenced,
                                           .watch = recorded_watch,
                                           .dirty = recorded_dirty,
                                           .random = recorded_random,
                                           .time = config->env->time};
    recorder->away = (uint8_t *)self + aligned(sizeof(struct recorder));
    recorder->inner = recorder->away + aligned(config->pages);
    recorder->outer = config->env;
    recorder->setup = setup_of(config);
    recorder->config = *config;
    recorder->config.env = &recorder->env;
    if (recorder->setup->inner->init != NULL)
        recorder->setup->inner->init(recorder->inner, &recorder->config);
}

static void recorder_insert(void *self, sp_page page, enum sp_access access)
{
    struct recorder *recorder = self;

    keep_time(recorder);
    tell(recorder, recorder->away[page] ? RECORDER_BACK : RECORDER_INSERT, page,
         access == SP_WRITE);
    recorder->away[page] = 0;
    recorder->setup->inner->insert(recorder->inner, page, access);
}

static void recorder_hit(void *self, sp_page page, enum sp_access access)
{
    struct recorder *recorder = self;

    keep_time(recorder);
    tell(recorder, RECORDER_HIT, page, access == SP_WRITE);
    if (recorder->setup->inner->hit != NULL)
        recorder->setup->inner->hit(recorder->inner, page, access);
}

static sp_page recorder_victim(void *self, sp_page incoming)
{
    struct recorder *recorder = self;
    sp_page page;

    keep_time(recorder);
    tell(recorder, RECORDER_VICTIM, incoming, false);
    page = recorder->setup->inner->victim(recorder->inner, incoming);
    tell(recorder, RECORDER_ANSWER, page, false);
    return page;
}

static void recorder_remove(void *self, sp_page page, enum sp_removal why)
{
    struct recorder *recorder = self;

    keep_time(recorder);
    tell(recorder, RECORDER_REMOVE + (unsigned)why, page, false);
    recorder->away[page] = why == SP_PINNED || why == SP_SKIPPED;
    recorder->setup->inner->remove(recorder->inner, page, why);
}

static void recorder_resize(void *self, uint32_t frames)
{
    struct recorder *recorder = self;

    keep_time(recorder);
    tell(recorder, RECORDER_RESIZE, frames, false);
    if (recorder->setup->inner->resize != NULL)
        recorder->setup->inner->resize(recorder->inner, frames);
}

static void recorder_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct recorder *recorder = self;

    keep_time(recorder);
    tell(recorder, RECORDER_HINT + (unsigned)hint, page, false);
    if (recorder->setup->inner->hint != NULL)
        recorder->setup->inner->hint(recorder->inner, page, hint);
}

/* Not recorded: it changes nothing. */
static bool recorder_ahead(void *self, sp_page page)
{
    struct recorder *recorder = self;

    return recorder->setup->inner->ahead(recorder->inner, page);
}

struct sp_policy recorder_around(const struct sp_policy *inner)
{
    return (struct sp_policy){.abi = SP_POLICY_ABI,
                              /* Every reference that is seen is written down. */
                              .flags = inner->flags & ~SP_POLICY_SAMPLES,
                              .name = inner->name,
                              .size = recorder_size,
                              .init = recorder_init,
                              .insert = recorder_insert,
                              .hit = recorder_hit,
                              .victim = recorder_victim,
                              .remove = recorder_remove,
                              .resize = recorder_resize,
                              .hint = recorder_hint,
                              .ahead = inner->ahead != NULL ? recorder_ahead : NULL};
}
