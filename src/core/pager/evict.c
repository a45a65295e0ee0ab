/* Which pages leave, and how: dropped, forgotten because swap has a copy, or stored first. */
#include "core/pager/evict.h"

#include "base/assert.h"
#include "base/probe.h"
#include "core/pager/effects.h"
#include "core/pager/env.h"
#include "core/pager/judge.h"
#include "core/pager/lost.h"
#include "core/pager/mapping.h"
#include "core/pager/page.h"
#include "core/pager/sense.h"
#include "core/pager/slots.h"

/* A page the policy could have named, found without it. */
static sp_page overrule_policy(struct pager *pager)
{
    pager->stats->policy_errors++;
    for (uint32_t i = 0; i < pager->slots_top; i++) {
        const struct pager_slot *slot;

        check(pager->slots_top <= pager->config.slots);
        pager->scan_hand = (pager->scan_hand + 1) % pager->slots_top;
        slot = &pager->slot[pager->scan_hand];
        if (slot->state == SLOT_USED && page_is_with_policy(&pager->page[slot->page_or_prev]))
            return slot->page_or_prev;
    }
    return SP_NO_PAGE;
}

static sp_page nominate(struct pager *pager)
{
    sp_page page = pager->config.policy->victim(pager->policy_state, pager->faulting);

    check(pager->with_policy > 0);
    if (page < pager->config.pages && page_is_with_policy(&pager->page[page]))
        return page;
    return overrule_policy(pager);
}

/* Faults of anybody for which pages are kept. */
#define KEPT_FAULTS 64u

static bool is_kept(const struct pager *pager, sp_page page)
{
    check(pager->kept_count <= PAGER_KEPT_MOST);
    for (uint32_t i = 0; i < pager->kept_count; i++)
        if (pager->kept[i] == page)
            return pager->env.time < pager->kept_until;
    return false;
}

void pager_evict_keep(struct pager *pager, const sp_page *pages, uint32_t count)
{
    ensure(count > 0 && count <= PAGER_KEPT_MOST);
    if (pager->kept_count > 0 && pager->env.time < pager->kept_until && !is_kept(pager, pages[0]))
        return; /* another instruction is before us */
    for (uint32_t i = 0; i < count; i++)
        pager->kept[i] = pages[i];
    pager->kept_count = count;
    pager->kept_until = pager->env.time + KEPT_FAULTS;
}

bool evict_forget_kept(struct pager *pager, sp_page page)
{
    check(page < pager->config.pages);
    if (pager->kept_count == 0 || is_kept(pager, page))
        return false;
    pager->kept_count = 0;
    return true;
}

static bool may_leave(const struct pager *pager, sp_page page, bool drop_only)
{
    const struct pager_page *p = &pager->page[page];

    check(page_is_with_policy(p));
    if (pager->kept_count > 0 && is_kept(pager, page))
        return false;
    if ((p->flags & PAGE_DIRTY) == 0)
        return true;
    return !drop_only && (p->flags & PAGE_REDIRTIED) == 0;
}

/* Keep the policy from naming a page again until the choice is over. The slots of such pages form
 * a list through their `next`, first skipped first: the policy gets them back in its own order. */
static void skip(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];

    check((p->flags & PAGE_SKIPPED) == 0 && pager->slot[p->slot].state == SLOT_USED);
    page_remove(pager, page, SP_SKIPPED);
    p->flags |= PAGE_SKIPPED;
    pager->slot[p->slot].next = PAGER_NONE;
    if (pager->skipped_head == PAGER_NONE)
        pager->skipped_head = p->slot;
    else
        pager->slot[pager->skipped_tail].next = p->slot;
    pager->skipped_tail = p->slot;
}

static void unskip_all(struct pager *pager)
{
    while (pager->skipped_head != PAGER_NONE) {
        struct pager_slot *slot = &pager->slot[pager->skipped_head];

        pager->skipped_head = slot->next;
        slot->next = PAGER_NONE;
        check((pager->page[slot->page_or_prev].flags & PAGE_SKIPPED) != 0);
        pager->page[slot->page_or_prev].flags &= (uint8_t)~PAGE_SKIPPED;
        page_insert(pager, slot->page_or_prev, false);
    }
}

static void emit_store(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];
    uint32_t stale = (p->flags & PAGE_HAS_SWAP) != 0 ? p->swap : PAGER_NONE;

    ensure((p->flags & PAGE_STORING) == 0 && pager->stores < PAGER_STORES_MAX);
    check((p->protection & PAGE_WRITE) == 0 && page_kind(pager, page) == SP_PRECIOUS);
    p->flags &= (uint8_t) ~(PAGE_HAS_SWAP | PAGE_REDIRTIED);
    p->flags |= PAGE_STORING;
    pager->stores++;
    pager->stores_now++;
    PROBE2(store, page, p->slot);
    PAGE_TALLY(page_region(pager, page), stored);
    effects_add(pager, (struct pager_effect){
                           .kind = EFFECT_STORE, .page = page, .slot = p->slot, .swap = stale});
}

/* The page gives its slot up. */
static void slot_give(struct pager *pager, struct pager_page *page)
{
    uint32_t slot = page->slot;
    uint32_t evictions = (uint32_t)pager->stats->evictions;

    check(pager->slot[slot].state == SLOT_USED);
    page->slot = evictions != 0 ? evictions : 1;
    slots_free(pager, slot);
}

/* Nothing is under way for a page that leaves: it has left, unless it could not be stored. */
static void leaving_end(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];

    ensure(p->state == PAGE_LEAVING && pager->leaving > 0);
    check(!p->going && (p->flags & (PAGE_STORING | PAGE_MAPPED)) == 0);
    pager->leaving--;
    if ((pager->slot[p->slot].flags & SLOT_LOST) != 0) {
        lost_page_end(pager, page);
        return;
    }
    if ((p->flags & PAGE_DIRTY) != 0) {
        p->state = PAGE_RESIDENT;
        page_comes(pager, page);
        page_insert(pager, page, false);
        return;
    }
    if (page_kind(pager, page) == SP_PRECIOUS) {
        p->state = (p->flags & PAGE_HAS_SWAP) != 0 ? PAGE_SWAPPED : PAGE_ABSENT;
    } else {
        p->state = PAGE_ABSENT;
        p->flags |= PAGE_LOST;
        pager->stats->dropped++;
        PAGE_TALLY(page_region(pager, page), dropped);
    }
    slot_give(pager, p);
}

/* Remove the mapping of a page that leaves: now, or when the driver gets to it. */
static void unmap(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];

    check(p->state == PAGE_RESIDENT && !p->going);
    if (pager->apart) {
        p->going = true;
        pager->going++;
        pager->going_clean += (p->flags & PAGE_DIRTY) == 0;
    }
    mapping_unmap(pager, page);
}

static void leave(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];

    ensure(page_is_with_policy(p));
    sense_ahead(pager, page);
    page_remove(pager, page, SP_EVICTED);
    pager->stats->evictions++;
    PROBE2(evict, page, p->slot);
    PAGE_TALLY(page_region(pager, page), evicted);
    page_goes(pager, page);
    judge_wasted(pager, p);
    p->flags &= (uint8_t)~PAGE_REFERENCED;
    if ((p->flags & PAGE_MAPPED) != 0)
        unmap(pager, page);
    if ((p->flags & (PAGE_DIRTY | PAGE_STORING)) == PAGE_DIRTY)
        emit_store(pager, page);
    p->state = PAGE_LEAVING;
    pager->leaving++;
    if ((p->flags & PAGE_STORING) == 0 && !p->going)
        leaving_end(pager, page);
}

bool pager_evict_unmapped(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];

    ensure(p->state == PAGE_LEAVING && p->going && pager->going > 0);
    slots_begin(pager);
    p->going = false;
    pager->going--;
    if ((p->flags & PAGE_DIRTY) == 0) {
        ensure(pager->going_clean > 0);
        pager->going_clean--;
    }
    if ((p->flags & PAGE_STORING) != 0)
        return false;
    leaving_end(pager, page);
    return true;
}

/* Pages with a frame that could be dropped without a write, pinned ones included. */
static uint32_t droppable_pages(const struct pager *pager)
{
    uint32_t others = pager->free + pager->loading + pager->dirty + pager->going_clean;

    check(others <= pager->held);
    return pager->held - others;
}

uint32_t evict_pages(struct pager *pager, uint32_t want, bool drop_only)
{
    uint32_t left = 0;

    env_watch_waiting(pager);
    while (left < want && pager->with_policy > 0 && pager->stores_now < pager->config.batch &&
           pager->stores < PAGER_STORES_MAX && !(drop_only && droppable_pages(pager) == 0)) {
        sp_page page = nominate(pager);

        if (page == SP_NO_PAGE)
            break;
        if (may_leave(pager, page, drop_only)) {
            leave(pager, page);
            left++;
        } else {
            skip(pager, page);
        }
    }
    unskip_all(pager);
    check(left <= want && pager->skipped_head == PAGER_NONE);
    return left;
}

uint32_t pager_evict_clean(struct pager *pager, uint32_t droppable)
{
    slots_begin(pager);
    if (droppable_pages(pager) >= droppable)
        return 0;
    for (uint32_t i = 0; i < pager->slots_top && pager->stores_now < pager->config.batch &&
                         pager->stores < PAGER_STORES_MAX;
         i++) {
        const struct pager_slot *slot;
        struct pager_page *page;

        pager->scan_hand = (pager->scan_hand + 1) % pager->slots_top;
        slot = &pager->slot[pager->scan_hand];
        if (slot->state != SLOT_USED)
            continue;
        page = &pager->page[slot->page_or_prev];
        if (page->state != PAGE_RESIDENT || page->pins > 0 || (page->flags & PAGE_DIRTY) == 0 ||
            (page->flags & PAGE_STORING) != 0)
            continue;
        if ((page->protection & PAGE_WRITE) != 0)
            mapping_protect(pager, slot->page_or_prev, PAGE_READ);
        emit_store(pager, slot->page_or_prev);
    }
    check(pager->stores_now <= pager->stores && pager->stores <= PAGER_STORES_MAX);
    return pager->stores_now;
}

void pager_evict_stored(struct pager *pager, sp_page page, uint32_t swap, int error)
{
    struct pager_page *p = &pager->page[page];
    bool redirtied = (p->flags & PAGE_REDIRTIED) != 0;
    bool lost = p->state == PAGE_LEAVING && (pager->slot[p->slot].flags & SLOT_LOST) != 0;
    bool going = p->going;

    ensure((p->flags & PAGE_STORING) != 0 && pager->stores > 0);
    PROBE2(stored, page, error);
    slots_begin(pager);
    p->flags &= (uint8_t) ~(PAGE_STORING | PAGE_REDIRTIED);
    pager->stores--;
    if (error != 0) {
        pager->store_error = error;
        pager->store_failures += !lost;
    } else {
        pager->store_failures = 0;
        frame_stack_offers_tell_swapped_out(&pager->offers, ++pager->stats->swapped_out);
        p->swap = swap;
        p->flags |= PAGE_HAS_SWAP;
        if (!redirtied) {
            pager->going_clean += going && (p->flags & PAGE_DIRTY) != 0;
            page_clear_dirty(pager, p);
        }
    }
    if (p->state == PAGE_LEAVING && !going)
        leaving_end(pager, page);
}
