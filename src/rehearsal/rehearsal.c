#include "rehearsal/rehearsal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "core/pager/pager.h"

/* Faults that one reference may take. */
#define TRIES 8

/* The state of a pager begins at a multiple of this. */
#define ALIGNED 64u

struct rehearsal {
    struct pager pager;
    struct pager_config config;
    struct sp_stats stats;
    sp_page first;
    uint8_t *protection; /* by page */
    bool *present;       /* by page: referenced since it was mapped or armed */
    void *memory;
    bool stuck; /* the pager wants what nobody can do here */
};

static bool is_referenced(void *arg, sp_page page)
{
    const struct rehearsal *rehearsal = arg;

    check(rehearsal->protection[page] != 0);
    return rehearsal->present[page];
}

static int rehearsal_init(struct rehearsal *rehearsal, const struct policy_choice *choice,
                          uint32_t pages, uint32_t frames, enum rehearsal_way way,
                          struct sp_error *error)
{
    size_t size;

    memset(rehearsal, 0, sizeof(*rehearsal));
    rehearsal->config = (struct pager_config){.pages = pages + 1,
                                              .slots = frames,
                                              .extent_pages = 64,
                                              .map_limit = UINT32_MAX / 2,
                                              .seed = 1,
                                              .policy = choice->policy,
                                              .params = choice->params,
                                              .stats = &rehearsal->stats};
    if (way == REHEARSAL_BITS) {
        rehearsal->config.referenced = is_referenced;
        rehearsal->config.referenced_arg = rehearsal;
    }
    size = (pager_size(&rehearsal->config) + ALIGNED - 1) / ALIGNED * ALIGNED;
    rehearsal->protection = calloc(pages + 1, sizeof(*rehearsal->protection));
    rehearsal->present = calloc(pages + 1, sizeof(*rehearsal->present));
    rehearsal->memory = aligned_alloc(ALIGNED, size);
    if (rehearsal->protection == NULL || rehearsal->present == NULL || rehearsal->memory == NULL)
        return error_set(error, ENOMEM, "no memory for %u pages", pages);
    memset(rehearsal->memory, 0, size);
    pager_init(&rehearsal->pager, &rehearsal->config, rehearsal->memory);
    pager_growth_allow(&rehearsal->pager, frames, 0);
    rehearsal->first = pager_regions_create(&rehearsal->pager, pages, SP_PRECIOUS, false, false);
    ensure(rehearsal->first != SP_NO_PAGE);
    return 0;
}

static void rehearsal_fini(struct rehearsal *rehearsal)
{
    free(rehearsal->memory);
    free(rehearsal->protection);
    free(rehearsal->present);
}

static void act(struct rehearsal *rehearsal, const struct pager_effect *effect)
{
    switch (effect->kind) {
    case EFFECT_MAP:
    case EFFECT_PROTECT:
        rehearsal->protection[effect->page] = effect->protection;
        break;
    case EFFECT_ARM:
        rehearsal->present[effect->page] = false;
        break;
    case EFFECT_UNMAP:
        rehearsal->protection[effect->page] = 0;
        break;
    case EFFECT_CLEAR:
        break;
    case EFFECT_ALLOCATE:
        pager_growth_allocated(&rehearsal->pager, effect->slot, effect->count,
                               PAGE_READ | PAGE_WRITE, true);
        break;
    case EFFECT_STORE:
    case EFFECT_LOAD:
    case EFFECT_REFILL:
    case EFFECT_GRANT:
    case EFFECT_FREE_SWAP:
    case EFFECT_RETURN:
        rehearsal->stuck = true; /* reads alone cannot need it */
        break;
    }
}

static void act_all(struct rehearsal *rehearsal)
{
    struct pager_effect effect;

    while (pager_next_effect(&rehearsal->pager, &effect))
        act(rehearsal, &effect);
}

static bool refer(struct rehearsal *rehearsal, sp_page page)
{
    for (int i = 0; (rehearsal->protection[page] & PAGE_READ) == 0; i++) {
        enum pager_verdict verdict = pager_fault(&rehearsal->pager, page, false);

        act_all(rehearsal);
        if (i == TRIES || rehearsal->stuck || (verdict != PAGER_DONE && verdict != PAGER_CALL))
            return false;
    }
    rehearsal->present[page] = true;
    return true;
}

static int refer_all(struct rehearsal *rehearsal, const struct policy_choice *choice,
                     const sp_page *references, size_t length, struct sp_error *error)
{
    const char *wrong;

    for (size_t i = 0; i < length; i++)
        if (!refer(rehearsal, rehearsal->first + references[i]))
            return error_set(error, EPROTO, "%.60s: page %u cannot be had, at reference %zu",
                             choice->policy->name, references[i], i + 1);
    wrong = pager_check(&rehearsal->pager);
    return wrong == NULL ? 0 : error_set(error, EPROTO, "%.60s: %s", choice->policy->name, wrong);
}

int rehearsal_run(const struct policy_choice *choice, const sp_page *references, size_t length,
                  uint32_t pages, uint32_t frames, enum rehearsal_way way,
                  struct rehearsal_counts *counts, struct sp_error *error)
{
    struct rehearsal *rehearsal = malloc(sizeof(*rehearsal));
    int result;

    ensure(way == REHEARSAL_SIGNALS || (choice->policy->flags & SP_POLICY_SAMPLES) != 0);
    ensure(frames > 0 && (choice->policy->flags & SP_POLICY_LIVE) != 0);
    *counts = (struct rehearsal_counts){.faults = 0};
    if (rehearsal == NULL)
        return error_set(error, ENOMEM, "no memory");
    result = rehearsal_init(rehearsal, choice, pages, frames, way, error);
    if (result == 0)
        result = refer_all(rehearsal, choice, references, length, error);
    if (result == 0)
        *counts = (struct rehearsal_counts){rehearsal->stats.faults, rehearsal->stats.soft_faults,
                                            rehearsal->pager.policy_config.frames};
    rehearsal_fini(rehearsal);
    free(rehearsal);
    return result;
}
