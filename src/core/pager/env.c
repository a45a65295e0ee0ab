/* What an eviction policy may ask and tell the pager: struct sp_policy_env. */
#include "core/pager/env.h"

#include "base/assert.h"
#include "base/least.h"
#include "core/pager/mapping.h"
#include "core/pager/sense.h"

static struct pager *pager_of(struct sp_policy_env *env)
{
    return (struct pager *)(void *)((char *)env - offsetof(struct pager, env));
}

/* A policy may ask about any number; only resident pages have an answer. */
static struct pager_page *askable(struct pager *pager, sp_page page)
{
    if (page >= pager->config.pages || pager->page[page].state != PAGE_RESIDENT)
        return NULL;
    check(pager->page[page].region != 0 && pager->page[page].slot < pager->slots_top);
    return &pager->page[page];
}

/* An area cannot be split when the kernel has none left. One that is watched is not split again. */
static bool can_watch(const struct pager *pager, const struct pager_page *page)
{
    check(page->state == PAGE_RESIDENT);
    return pager->maps + 2 <= pager->map_limit || (page->bits & BITS_AREA) != 0;
}

/* A reference that is under way must be able to end, and a pinned page stays mapped. */
static bool may_watch(const struct pager *pager, sp_page page)
{
    check(page < pager->config.pages && pager->page[page].state == PAGE_RESIDENT);
    return page != pager->faulting && pager->page[page].pins == 0 &&
           can_watch(pager, &pager->page[page]);
}

static void watch(struct pager *pager, sp_page page)
{
    const struct pager_page *p = &pager->page[page];

    check(p->protection == 0 || (p->flags & PAGE_MAPPED) != 0);
    if (p->protection == 0 || !may_watch(pager, page))
        return;
    if (pager->config.referenced == NULL)
        mapping_protect(pager, page, 0);
    else if (sense_referenced(pager, page))
        mapping_arm(pager, page);
}

/* How many pages wait to be watched together, of so many frames. A policy that needs to see each reference does not wait. */
#define WATCHING_SHARE 64u

static uint32_t watching_most(const struct pager *pager)
{
    check(pager->watching <= PAGER_WATCHING);
    return (pager->config.policy->flags & SP_POLICY_SAMPLES) != 0
               ? least_of(PAGER_WATCHING, pager->held / WATCHING_SHARE)
               : 0;
}

static void watch_soon(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];

    if (!sense_referenced(pager, page) || !may_watch(pager, page))
        return; /* it is watched already, or cannot be */
    if (watching_most(pager) < 2) {
        watch(pager, page);
        return;
    }
    if (pager->watching >= watching_most(pager))
        env_watch_waiting(pager);
    check(pager->watching < PAGER_WATCHING);
    p->open = p->watch = true;
    pager->watch[pager->watching++] = page;
}

static void env_watch(struct sp_policy_env *env, sp_page page)
{
    struct pager *pager = pager_of(env);
    struct pager_page *p = askable(pager, page);

    if (p == NULL)
        return;
    check(p->state == PAGE_RESIDENT);
    if (p->open)
        p->watch = true;
    else
        watch_soon(pager, page);
}

void env_close(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];
    bool wanted = p->open && p->watch;

    check(page < pager->config.pages);
    p->open = false;
    p->watch = false;
    if (wanted && p->state == PAGE_RESIDENT)
        watch(pager, page);
}

void env_watch_waiting(struct pager *pager)
{
    uint32_t count = pager->watching;

    check(count <= PAGER_WATCHING);
    pager->watching = 0;
    for (uint32_t i = 0; i < count; i++)
        env_close(pager, pager->watch[i]);
}

static bool env_referenced(struct sp_policy_env *env, sp_page page)
{
    struct pager *pager = pager_of(env);
    struct pager_page *p = askable(pager, page);
    bool referenced;

    if (p == NULL)
        return false;
    /* What may be accessed without a fault counts as accessed; but not where it could not be
     * watched for lack of areas, for then all pages would be referenced at all times. */
    referenced = (p->flags & PAGE_REFERENCED) != 0 || page == pager->faulting ||
                 (can_watch(pager, p) && sense_referenced(pager, page));
    p->flags &= (uint8_t)~PAGE_REFERENCED;
    p->open = false;
    watch(pager, page);
    check((p->flags & PAGE_REFERENCED) == 0);
    return referenced;
}

static bool env_dirty(struct sp_policy_env *env, sp_page page)
{
    struct pager_page *p = askable(pager_of(env), page);

    check(p == NULL || (p->flags & PAGE_DIRTY) == 0 || p->region != 0);
    return p != NULL && (p->flags & PAGE_DIRTY) != 0;
}

static uint32_t env_random(struct sp_policy_env *env, uint32_t bound)
{
    return random_below(&pager_of(env)->random, bound);
}

void env_init(struct pager *pager)
{
    check(pager->policy_config.env == NULL); /* before the policy begins */
    pager->env.referenced = env_referenced;
    pager->env.watch = env_watch;
    pager->env.dirty = env_dirty;
    pager->env.random = env_random;
}
