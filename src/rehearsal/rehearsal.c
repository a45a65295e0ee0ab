#include "rehearsal/rehearsal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "core/pager/pager.h"
#include "world/pager_shell.h"

/* Faults that one reference may take. */
#define TRIES 8

/* The state of a pager begins at a multiple of this. */
#define ALIGNED 64u

struct rehearsal {
    struct pager pager;
    struct pager_config config;
    struct sp_stats stats;
    sp_page first;
    uint64_t resident; /* pages after each reference, summed up */
    struct pager_shell shell;
    void *memory; /* of the pager */
};

static int rehearsal_init(struct rehearsal *rehearsal, const struct policy_choice *choice,
                          uint32_t pages, uint32_t frames, enum rehearsal_way way,
                          struct sp_error *error)
{
    const struct pager_shell_world nothing_else = {.arg = NULL};
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
        rehearsal->config.referenced = pager_shell_referenced;
        rehearsal->config.referenced_arg = &rehearsal->shell;
    }
    size = (pager_size(&rehearsal->config) + ALIGNED - 1) / ALIGNED * ALIGNED;
    rehearsal->memory = aligned_alloc(ALIGNED, size);
    if (rehearsal->memory == NULL)
        return error_set(error, ENOMEM, "no memory for %u pages", pages);
    memset(rehearsal->memory, 0, size);
    pager_init(&rehearsal->pager, &rehearsal->config, rehearsal->memory);
    pager_shell_init(&rehearsal->shell, &rehearsal->pager, &nothing_else);
    pager_growth_allow(&rehearsal->pager, frames, 0);
    rehearsal->first = pager_regions_create(&rehearsal->pager, pages, SP_PRECIOUS, false, false);
    ensure(rehearsal->first != SP_NO_PAGE);
    return 0;
}

static void rehearsal_fini(struct rehearsal *rehearsal)
{
    free(rehearsal->memory);
}

/* Do what the pager wants. False: it wants what reads alone cannot need. */
static bool act(struct rehearsal *rehearsal)
{
    struct pager_work work;

    pager_work_clear(&work);
    pager_shell_collect(&rehearsal->shell, &work);
    while (work.allocate) {
        uint32_t slot = work.slot, count = work.count;

        work.allocate = false;
        pager_growth_allocated(&rehearsal->pager, slot, count, PAGE_READ | PAGE_WRITE, true);
        pager_shell_collect(&rehearsal->shell, &work);
    }
    return pager_work_is_none(&work);
}

static bool refer(struct rehearsal *rehearsal, sp_page page)
{
    for (int i = 0; !pager_shell_permits(&rehearsal->shell, page, false); i++) {
        enum pager_verdict verdict = pager_fault(&rehearsal->pager, page, false);

        if (!act(rehearsal) || i == TRIES || (verdict != PAGER_DONE && verdict != PAGER_CALL))
            return false;
    }
    pager_shell_refer(&rehearsal->shell, page);
    rehearsal->resident += rehearsal->stats.resident;
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
    if (wrong == NULL)
        wrong = pager_shell_check(&rehearsal->shell);
    return wrong == NULL ? 0 : error_set(error, EPROTO, "%.60s: %s", choice->policy->name, wrong);
}

/* Rounded. */
static uint32_t mean_of(uint64_t sum, size_t length)
{
    return length == 0 ? 0 : (uint32_t)((sum + length / 2) / length);
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
                                            rehearsal->pager.policy_config.frames,
                                            mean_of(rehearsal->resident, length)};
    rehearsal_fini(rehearsal);
    free(rehearsal);
    return result;
}
