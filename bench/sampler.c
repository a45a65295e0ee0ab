#include "sampler.h"

#include <selfpage/page_list.h>

unsigned sampler_found;

struct sampler {
    struct sp_policy_env *env;
    struct sp_list list;
    struct sp_link links[];
};

static size_t sampler_size(const struct sp_policy_config *config)
{
    return sizeof(struct sampler) + (size_t)config->pages * sizeof(struct sp_link);
}

static void sampler_init(void *self, const struct sp_policy_config *config)
{
    struct sampler *sampler = self;

    sampler->env = config->env;
}

static void sampler_insert(void *self, sp_page page, enum sp_access access)
{
    struct sampler *sampler = self;

    (void)access;
    sp_list_push_front(&sampler->list, sampler->links, page);
}

static sp_page sampler_victim(void *self, sp_page incoming)
{
    struct sampler *sampler = self;

    (void)incoming;
    return sp_list_back(&sampler->list);
}

static void sampler_remove(void *self, sp_page page, enum sp_removal why)
{
    struct sampler *sampler = self;

    (void)why;
    sp_list_remove(&sampler->list, sampler->links, page);
}

static void sampler_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct sampler *sampler = self;

    (void)hint;
    sampler_found += sampler->env->referenced(sampler->env, page);
}

const struct sp_policy sampler_policy = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_LIVE | SP_POLICY_SAMPLES,
    .name = "sampler",
    .size = sampler_size,
    .init = sampler_init,
    .insert = sampler_insert,
    .victim = sampler_victim,
    .remove = sampler_remove,
    .hint = sampler_hint,
};
