/* The pager's memory, and the queue of its effects as others see it. */
#include "core/pager/pager.h"

#include <string.h>

#include "base/assert.h"
#include "core/pager/env.h"
#include "core/pager/slots.h"

#define ALIGNMENT 64u

/* Effects of one call, at most. The page in a slot may be protected, and then lose its mapping; besides
 * these there are the stores, returns, loads and mappings of one call, and two neighbours of each that are armed anew. */
#define EFFECTS_FOR_SLOT 2u
#define EFFECTS_BESIDES  768u

static size_t aligned(size_t size)
{
    check(size <= SIZE_MAX - ALIGNMENT);
    return (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

/* One page more at either end, so that every page has neighbours. */
static size_t pages_size(const struct pager_config *config)
{
    check(config->pages < UINT32_MAX / 2 + 1);
    return aligned(((size_t)config->pages + 2) * sizeof(struct pager_page));
}

static size_t slots_size(const struct pager_config *config)
{
    return aligned((size_t)config->slots * sizeof(struct pager_slot));
}

static uint32_t extents_of(const struct pager_config *config)
{
    check(config->extent_pages > 0);
    return config->slots / config->extent_pages + 1;
}

static size_t barred_size(const struct pager_config *config)
{
    return aligned(extents_of(config) * sizeof(uint32_t));
}

static uint32_t effects_most(const struct pager_config *config)
{
    check(config->slots <= (UINT32_MAX - EFFECTS_BESIDES) / EFFECTS_FOR_SLOT);
    return EFFECTS_FOR_SLOT * config->slots + EFFECTS_BESIDES;
}

static size_t effects_size(const struct pager_config *config)
{
    return aligned((size_t)effects_most(config) * sizeof(struct pager_effect));
}

static struct sp_policy_config policy_config(const struct pager_config *config)
{
    return (struct sp_policy_config){.pages = config->pages, .frames = 1, .params = config->params};
}

size_t pager_size(const struct pager_config *config)
{
    struct sp_policy_config policy = policy_config(config);

    return pages_size(config) + slots_size(config) + barred_size(config) + effects_size(config) +
           aligned(config->policy->size(&policy));
}

void pager_init(struct pager *pager, const struct pager_config *config, void *memory)
{
    unsigned char *bytes = memory;

    ensure((uintptr_t)memory % ALIGNMENT == 0);
    ensure(config->policy != NULL && config->stats != NULL && config->extent_pages > 0);
    ensure(config->referenced == NULL || (config->policy->flags & SP_POLICY_SAMPLES) != 0);
    memset(pager, 0, sizeof(*pager));
    pager->config = *config;
    if (config->batch == 0)
        pager->config.batch = PAGER_BATCH;
    ensure(config->read_ahead < pager->config.batch);
    pager->ahead.most = config->read_ahead;
    pager->stats = config->stats;
    pager->page = (struct pager_page *)(void *)bytes + 1;
    bytes += pages_size(config);
    pager->slot = (struct pager_slot *)(void *)bytes;
    bytes += slots_size(config);
    pager->barred = (uint32_t *)(void *)bytes;
    bytes += barred_size(config);
    pager->effect = (struct pager_effect *)(void *)bytes;
    pager->effects_most = effects_most(config);
    bytes += effects_size(config);
    pager->policy_state = bytes;
    pager->random = random_seeded(config->seed);
    pager->map_limit = config->map_limit;
    pager->free_head = PAGER_NONE;
    pager->free_tail = PAGER_NONE;
    pager->offer_head = PAGER_NONE;
    pager->skipped_head = PAGER_NONE;
    pager->faulting = SP_NO_PAGE;
    env_init(pager);
    pager->policy_config = policy_config(config);
    pager->policy_config.env = &pager->env;
    if (config->policy->init != NULL)
        config->policy->init(pager->policy_state, &pager->policy_config);
    pager_growth_allow(pager, 0, 0);
}

void pager_offer_freed(struct pager *pager)
{
    ensure(pager->effects_end == 0);
    slots_offer(pager);
}

/* Is this effect the one of the page behind `count` pages? */
static bool is_neighbour(const struct pager *pager, const struct pager_effect *first,
                         uint32_t count, const struct pager_effect *effect)
{
    if (effect->kind != first->kind || effect->page != first->page + count)
        return false;
    check(count > 0);
    if (first->kind == EFFECT_PROTECT)
        return effect->protection == first->protection;
    if (effect->apart != first->apart)
        return false;
    if (first->kind == EFFECT_ARM)
        return effect->watched == first->watched;
    return first->kind == EFFECT_UNMAP ||
           (effect->slot == first->slot + count && effect->protection == first->protection &&
            effect->slot % pager->config.extent_pages != 0);
}

/* Effects that `first` may overtake. Stores and loads begin when all of the call's effects have been carried
 * out. A page that is mapped was not mapped before, so that no PROTECT or ARM in front is about it: policies have
 * older pages watched as new ones come. */
static bool may_wait(const struct pager_effect *first, const struct pager_effect *effect)
{
    check(first != effect);
    if (first->kind == EFFECT_MAP)
        return effect->kind == EFFECT_PROTECT || effect->kind == EFFECT_ARM;
    return first->kind == EFFECT_UNMAP &&
           (effect->kind == EFFECT_STORE || effect->kind == EFFECT_LOAD);
}

uint32_t pager_take_neighbours(struct pager *pager, const struct pager_effect *first)
{
    uint32_t at = pager->effects_next;
    uint32_t count = 1;

    ensure(first->kind == EFFECT_MAP || first->kind == EFFECT_UNMAP ||
           first->kind == EFFECT_PROTECT || first->kind == EFFECT_ARM);
    for (; at < pager->effects_end; at++) {
        struct pager_effect *next = &pager->effect[pager->effects_next];

        if (is_neighbour(pager, first, count, &pager->effect[at])) {
            pager->page[first->page + count].bits &= (uint8_t)~BITS_NEW;
            if (at > pager->effects_next)
                memmove(next + 1, next, (at - pager->effects_next) * sizeof(*next));
            pager->effects_next++;
            count++;
        } else if (!may_wait(first, &pager->effect[at])) {
            break;
        }
    }
    check(pager->effects_next <= pager->effects_end);
    return count;
}
