#include "live_pager.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/pager/pager.h"

/* Faults that one reference may take. */
#define TRIES 8

struct live {
    struct pager pager;
    struct pager_config config;
    struct policy_choice choice;
    struct sp_stats stats;
    sp_page first;
    uint8_t *protection; /* by page */
    void *memory;
};

static void live_init(struct live *live, const char *choice, uint32_t pages, uint32_t frames)
{
    struct sp_error error;

    memset(live, 0, sizeof(*live));
    if (policy_params_choose(&live->choice, choice, &error) != 0)
        fail_msg("%s", error.text);
    live->config = (struct pager_config){.pages = pages + 1,
                                         .slots = frames,
                                         .extent_pages = 64,
                                         .map_limit = UINT32_MAX / 2,
                                         .seed = 1,
                                         .policy = live->choice.policy,
                                         .params = live->choice.params,
                                         .stats = &live->stats};
    live->protection = calloc(pages + 1, sizeof(*live->protection));
    live->memory = aligned_alloc(64, (pager_size(&live->config) + 63) / 64 * 64);
    assert_non_null(live->protection);
    assert_non_null(live->memory);
    memset(live->memory, 0, pager_size(&live->config));
    pager_init(&live->pager, &live->config, live->memory);
    pager_growth_allow(&live->pager, frames, 0);
    live->first = pager_regions_create(&live->pager, pages, SP_PRECIOUS, false, false);
    assert_int_not_equal(live->first, SP_NO_PAGE);
}

static void live_fini(struct live *live)
{
    free(live->memory);
    free(live->protection);
}

static void act(struct live *live, const struct pager_effect *effect)
{
    switch (effect->kind) {
    case EFFECT_MAP:
    case EFFECT_PROTECT:
        live->protection[effect->page] = effect->protection;
        break;
    case EFFECT_UNMAP:
        live->protection[effect->page] = 0;
        break;
    case EFFECT_CLEAR:
        break;
    case EFFECT_ALLOCATE:
        pager_growth_allocated(&live->pager, effect->slot, effect->count, PAGE_READ | PAGE_WRITE,
                               true);
        break;
    case EFFECT_STORE:
    case EFFECT_LOAD:
    case EFFECT_REFILL:
    case EFFECT_GRANT:
    case EFFECT_FREE_SWAP:
    case EFFECT_RETURN:
        fail_msg("the pager wants something done that reads alone cannot need (%d)",
                 (int)effect->kind);
    }
}

static void act_all(struct live *live)
{
    struct pager_effect effect;

    while (pager_next_effect(&live->pager, &effect))
        act(live, &effect);
}

static void refer(struct live *live, sp_page page)
{
    for (int i = 0; (live->protection[page] & PAGE_READ) == 0; i++) {
        enum pager_verdict verdict = pager_fault(&live->pager, page, false);

        act_all(live);
        if (i == TRIES || (verdict != PAGER_DONE && verdict != PAGER_CALL))
            fail_msg("%s: page %u cannot be had", live->choice.policy->name, page);
    }
}

struct live_counts live_pager_run(const char *choice, const struct trace *trace, uint32_t frames)
{
    struct live live;
    struct live_counts counts;

    live_init(&live, choice, trace->pages, frames);
    for (size_t i = 0; i < trace->length; i++)
        refer(&live, live.first + trace->references[i]);
    assert_null(pager_check(&live.pager));
    counts = (struct live_counts){live.stats.faults, live.stats.soft_faults,
                                  live.pager.policy_config.frames};
    live_fini(&live);
    return counts;
}
