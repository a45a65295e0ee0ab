/* Page faults: how pages get their frames and their mappings. */
#include "core/pager/pager.h"

#include <errno.h>

#include "base/assert.h"
#include "base/probe.h"
#include "core/pager/ahead.h"
#include "core/pager/effects.h"
#include "core/pager/evict.h"
#include "core/pager/growth.h"
#include "core/pager/judge.h"
#include "core/pager/page.h"
#include "core/pager/resident.h"
#include "core/pager/slots.h"

/* Stores that may fail one after the other before a fault that needs a frame gives up. */
#define STORE_FAILURES_MOST 64u

static enum pager_verdict touch_resident(struct pager *pager, sp_page page, bool write)
{
    struct pager_page *p = &pager->page[page];
    uint8_t needed = write ? PAGE_READ | PAGE_WRITE : PAGE_READ;
    enum pager_verdict verdict;

    check(p->state == PAGE_RESIDENT && pager->faulting == page);
    judge_used(pager, p);
    if ((p->flags & PAGE_MAPPED) != 0 && (p->protection & needed) == needed)
        return PAGER_DONE; /* another thread was faster */
    if (write && page_kind(pager, page) == SP_PRECIOUS)
        page_set_dirty(pager, p);
    verdict = resident_map(pager, page);
    if (verdict != PAGER_DONE)
        return verdict;
    pager->stats->soft_faults++;
    pager->env.time++;
    if (pager->config.policy->hit != NULL && page_is_with_policy(p))
        pager->config.policy->hit(pager->policy_state, page, write ? SP_WRITE : SP_READ);
    return PAGER_DONE;
}

static bool swap_fails(const struct pager *pager)
{
    check(pager->store_failures == 0 || pager->store_error != 0);
    return pager->store_failures >= STORE_FAILURES_MOST;
}

/* Frames that come free pay debts first: one eviction may not be enough. */
static void evict_some(struct pager *pager)
{
    while (pager->free == 0 && pager->leaving < slots_high(pager))
        if (evict_pages(pager, slots_high(pager) - pager->leaving, swap_fails(pager)) == 0)
            break;
    check(pager->leaving <= pager->stores + pager->going);
}

/* Make a frame free without asking physmem for more, or say what there is to wait for. */
static enum pager_verdict free_a_frame(struct pager *pager, sp_page page)
{
    check(pager->page[page].state < PAGE_LOADING);
    if (pager->allocating)
        return PAGER_WAIT;
    evict_some(pager);
    if (pager->free == 0 && pager->leaving == 0 && evict_forget_kept(pager, page))
        evict_some(pager);
    if (pager->free > 0)
        return PAGER_DONE;
    if (pager->going > 0)
        return PAGER_WAIT;
    if (pager->stores > 0)
        return PAGER_WAIT_STORE;
    if (pager->loading > 0 || pager->losing > 0)
        return PAGER_WAIT;
    if (growth_ask(pager)) /* the debts that kept us from it are paid */
        return PAGER_CALL;
    if (growth_allowance(pager) > pager->held && !swap_fails(pager))
        return PAGER_WAIT_GROWTH;
    return PAGER_STUCK;
}

/* Get a frame for the page. PAGER_DONE: it has a slot. */
static enum pager_verdict acquire_frame(struct pager *pager, sp_page page)
{
    while (!slots_take(pager, page)) {
        enum pager_verdict verdict;

        if (growth_ask(pager))
            return PAGER_CALL;
        verdict = free_a_frame(pager, page);
        if (verdict != PAGER_DONE)
            return verdict;
    }
    check(pager->slot[pager->page[page].slot].page_or_prev == page);
    if (pager->free + pager->leaving < slots_high(pager) && !swap_fails(pager))
        ahead_reserve(pager, page);
    return PAGER_DONE;
}

/* Pages that were evicted since this one was; 0: it never was. */
static uint32_t age_of(const struct pager *pager, const struct pager_page *page)
{
    check(page->state < PAGE_LOADING);
    return page->slot != 0 ? (uint32_t)pager->stats->evictions - page->slot : 0;
}

/* A page that was evicted is needed again. It would still be here if the task had as many more frames as the page
 * is old; twice the present frames suffice if it is not older than that.
 *
 * The demand that the task states rises by a quarter of the lack that such a page shows, and falls
 * by a 64th of the surplus that it shows. It settles at what would keep nearly all pages that come
 * back, and no single one decides. */
static void note_return(struct pager *pager, uint32_t age)
{
    uint64_t would_do = (uint64_t)pager->held + age;
    uint32_t most = growth_allowance(pager);
    uint32_t needed = would_do < most ? (uint32_t)would_do : most;

    if (age <= pager->held)
        frame_stack_offers_tell_ghost_hits(&pager->offers, ++pager->stats->ghost_hits);
    check(needed <= most);
    if (needed > pager->demand)
        pager->demand += (needed - pager->demand + 3) / 4;
    else
        pager->demand -= (pager->demand - needed + 63) / 64;
    frame_stack_offers_tell_demand(&pager->offers, pager->demand);
}

/* The page has a frame, and its contents have to come. */
static __attribute__((noinline)) void bring_contents(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];
    bool swapped = p->state == PAGE_SWAPPED;

    check(p->slot < pager->config.slots && p->state < PAGE_LOADING);
    p->state = PAGE_LOADING;
    pager->loading++;
    pager->slot[p->slot].flags &= (uint8_t)~SLOT_ZERO;
    if (swapped)
        ahead_load(pager, page);
    else
        effects_add(pager,
                    (struct pager_effect){.kind = EFFECT_REFILL, .page = page, .slot = p->slot});
}

static enum pager_verdict bring_in(struct pager *pager, sp_page page, bool write)
{
    struct pager_page *p = &pager->page[page];
    const struct pager_region *region = &pager->region[p->region - 1];
    bool returns = p->slot != 0;
    uint32_t age = age_of(pager, p);
    enum pager_verdict verdict = acquire_frame(pager, page);

    check(p->region != 0 && p->state < PAGE_LOADING);
    if (verdict != PAGER_DONE)
        return verdict;
    if (returns)
        note_return(pager, age);
    frame_stack_offers_tell_faults(&pager->offers, ++pager->stats->faults);
    PROBE2(fault, page, write);
    PAGE_TALLY(region, faults);
    pager->env.time++;
    if (p->state == PAGE_SWAPPED || region->refill) {
        bring_contents(pager, page);
        return PAGER_CALL;
    }
    check(pager->loading <= pager->held);
    resident_clear(pager, page);
    resident_begin(pager, page, write);
    return resident_map(pager, page);
}

enum pager_verdict pager_fault(struct pager *pager, sp_page page, bool write)
{
    struct pager_page *p;
    enum pager_verdict verdict;

    if (pager_regions_of(pager, page) == NULL)
        return PAGER_NO_PAGE;
    p = &pager->page[page];
    slots_begin(pager);
    check(pager->faulting == SP_NO_PAGE);
    pager->faulting = page;
    switch (p->state) {
    case PAGE_LOADING:
        verdict = PAGER_WAIT;
        break;
    case PAGE_DEAD:
        verdict = PAGER_DEAD;
        break;
    case PAGE_LEAVING: /* rescued: the store goes on, the page stays */
        if (p->going) {
            verdict = PAGER_WAIT;
            break;
        }
        if (pager_lost_has(pager, page)) {
            verdict = PAGER_WAIT_STORE;
            break;
        }
        ensure(pager->leaving > 0);
        p->state = PAGE_RESIDENT;
        pager->leaving--;
        page_comes(pager, page);
        page_insert(pager, page, write);
        /* fall through */
    case PAGE_RESIDENT:
        verdict = touch_resident(pager, page, write);
        break;
    default:
        verdict = bring_in(pager, page, write);
        break;
    }
    check(pager->faulting == page);
    pager->faulting = SP_NO_PAGE;
    return verdict;
}

const char *pager_fault_stuck_reason(const struct pager *pager)
{
    check(pager->free == 0 || pager->held > 0);
    if (swap_fails(pager))
        return pager->store_error == ENOSPC ? "the swap server is full"
                                            : "the swap server cannot write to its device";
    if (pager->guaranteed + pager->extra == 0)
        return "the task has no contract that is active";
    if (pager->kept_count > 0 && pager->env.time < pager->kept_until)
        return "one instruction needs more pages at once than the contracts have frames (4 are enough "
               "for any instruction of x86-64)";
    if (pager->maps + 2 > pager->map_limit)
        return "the kernel allows this process no more mappings (raise vm.max_map_count)";
    return "all frames are pinned";
}

void pager_fault_loaded(struct pager *pager, sp_page page, bool ok, bool map, bool write)
{
    struct pager_page *p = &pager->page[page];
    bool from_swap = (p->flags & PAGE_HAS_SWAP) != 0;

    ensure(p->state == PAGE_LOADING && pager->loading > 0);
    PROBE2(loaded, page, ok);
    slots_begin(pager);
    pager->loading--;
    if (!ok || (pager->slot[p->slot].flags & SLOT_LOST) != 0) {
        p->state = from_swap ? PAGE_SWAPPED : PAGE_ABSENT;
        judge_wasted(pager, p);
        slots_free(pager, p->slot);
        p->slot = 0;
        return;
    }
    if (from_swap) {
        frame_stack_offers_tell_swapped_in(&pager->offers, ++pager->stats->swapped_in);
        PAGE_TALLY(page_region(pager, page), loaded);
    } else {
        pager->stats->refilled++;
    }
    p->state = PAGE_RESIDENT;
    page_comes(pager, page);
    page_insert(pager, page, write);
    if (!map)
        return;
    if (write && page_kind(pager, page) == SP_PRECIOUS)
        page_set_dirty(pager, p);
    pager->faulting = page;
    /* Should rights or mappings be short, the access faults again and sees to it. */
    if (pager->slot[p->slot].rights == (PAGE_READ | PAGE_WRITE) &&
        pager->maps + 2 <= pager->map_limit)
        resident_map(pager, page);
    pager->faulting = SP_NO_PAGE;
}
