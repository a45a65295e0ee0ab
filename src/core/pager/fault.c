/* Page faults, pins and prefetching: how pages get their frames and their mappings. */
#include "core/pager/internal.h"

#include <errno.h>

/* Stores that may fail one after the other before a fault that needs a frame gives up. */
#define STORE_FAILURES_MOST 64u

/* Slots for which rights are asked for in one round trip. */
#define GRANT_MOST 32u

/* What a mapping of this page should permit now. Writes to precious pages are to be noticed while
 * the page is clean, or while its frame is being stored. */
static uint8_t wanted_protection(const struct pager *pager, sp_page page)
{
    const struct pager_page *p = &pager->page[page];

    if (pager_kind(pager, page) != SP_PRECIOUS)
        return PAGE_READ | PAGE_WRITE;
    if ((p->flags & PAGE_STORING) != 0)
        return (p->flags & PAGE_REDIRTIED) != 0 ? PAGE_READ | PAGE_WRITE : PAGE_READ;
    return (p->flags & PAGE_DIRTY) != 0 ? PAGE_READ | PAGE_WRITE : PAGE_READ;
}

/* Ask for the slot's rights, and in the same round trip for those of its neighbours above. */
static void ask_for_rights(struct pager *pager, uint32_t slot)
{
    uint32_t count = 0;

    while (count < GRANT_MOST && slot + count < pager->slots_top) {
        struct pager_slot *s = &pager->slot[slot + count];

        if (s->state == SLOT_HOLE || (s->flags & (SLOT_GRANTING | SLOT_LOST)) != 0 ||
            s->rights == (PAGE_READ | PAGE_WRITE))
            break;
        s->flags |= SLOT_GRANTING;
        count++;
    }
    pager_emit(pager, (struct pager_effect){.kind = EFFECT_GRANT, .slot = slot, .count = count});
}

/* Map a resident page, or widen its mapping, after `write` has been noted. */
static enum pager_verdict map_resident(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];
    struct pager_slot *slot = &pager->slot[p->slot];
    uint8_t protection = wanted_protection(pager, page);

    if ((slot->rights & protection) != protection) {
        if ((slot->flags & SLOT_GRANTING) != 0)
            return PAGER_WAIT;
        ask_for_rights(pager, p->slot);
        return PAGER_CALL;
    }
    if (!pager_make_map_room(pager))
        return pager->stores > 0 ? PAGER_WAIT_STORE : PAGER_STUCK;
    if ((p->flags & PAGE_MAPPED) != 0)
        pager_protect(pager, page, protection);
    else
        pager_map(pager, page, protection);
    return PAGER_DONE;
}

static enum pager_verdict touch_resident(struct pager *pager, sp_page page, bool write)
{
    struct pager_page *p = &pager->page[page];
    uint8_t needed = write ? PAGE_READ | PAGE_WRITE : PAGE_READ;
    enum pager_verdict verdict;

    if ((p->flags & PAGE_MAPPED) != 0 && (p->protection & needed) == needed)
        return PAGER_DONE; /* another thread was faster */
    if (write && pager_kind(pager, page) == SP_PRECIOUS)
        pager_set_dirty(pager, p);
    verdict = map_resident(pager, page);
    if (verdict != PAGER_DONE)
        return verdict;
    pager->stats->soft_faults++;
    pager->env.time++;
    if (pager->config.policy->hit != NULL && pager_with_policy(p))
        pager->config.policy->hit(pager->policy_state, page, write ? SP_WRITE : SP_READ);
    return PAGER_DONE;
}

static bool swap_fails(const struct pager *pager)
{
    return pager->store_failures >= STORE_FAILURES_MOST;
}

/* Make a frame free without asking physmem for more, or say what there is to wait for. */
static enum pager_verdict free_a_frame(struct pager *pager)
{
    if (pager->allocating)
        return PAGER_WAIT;
    /* Frames that come free pay debts first, so one eviction may not be enough. */
    while (pager->free == 0 && pager->leaving < pager_high(pager))
        if (pager_evict(pager, pager_high(pager) - pager->leaving, swap_fails(pager)) == 0)
            break;
    if (pager->free > 0)
        return PAGER_DONE;
    if (pager->stores > 0)
        return PAGER_WAIT_STORE;
    if (pager->loading > 0 || pager->losing > 0)
        return PAGER_WAIT;
    if (pager_grow(pager)) /* the debts that kept us from it are paid */
        return PAGER_CALL;
    if (pager_allowance(pager) > pager->held && !swap_fails(pager))
        return PAGER_WAIT_GROWTH;
    return PAGER_STUCK;
}

/* Get a frame for the page. PAGER_DONE: it has a slot. */
static enum pager_verdict acquire_frame(struct pager *pager, sp_page page)
{
    while (!pager_slot_take(pager, page)) {
        enum pager_verdict verdict;

        if (pager_grow(pager))
            return PAGER_CALL;
        verdict = free_a_frame(pager);
        if (verdict != PAGER_DONE)
            return verdict;
    }
    if (!pager_may_grow(pager) && !pager->allocating && !swap_fails(pager) &&
        pager->free + pager->leaving < pager_low(pager))
        pager_evict(pager, pager_high(pager) - pager->free - pager->leaving, false);
    return PAGER_DONE;
}

/* True if the page was evicted so lately that it would still be here with twice the frames: not more
 * pages were evicted since than there are frames. */
static bool is_ghost(const struct pager *pager, const struct pager_page *page)
{
    return page->slot != 0 && (uint32_t)pager->stats->evictions - page->slot <= pager->held;
}

static enum pager_verdict bring_in(struct pager *pager, sp_page page, bool write)
{
    struct pager_page *p = &pager->page[page];
    const struct pager_region *region = &pager->region[p->region - 1];
    bool ghost = is_ghost(pager, p);
    enum pager_verdict verdict = acquire_frame(pager, page);

    if (verdict != PAGER_DONE)
        return verdict;
    if (ghost)
        frame_offers_tell_ghost_hits(&pager->offers, ++pager->stats->ghost_hits);
    pager->stats->faults++;
    pager->env.time++;
    if (p->state == PAGE_SWAPPED || region->refill) {
        pager_emit(pager, (struct pager_effect){.kind = p->state == PAGE_SWAPPED ? EFFECT_LOAD
                                                                                 : EFFECT_REFILL,
                                                .page = page,
                                                .slot = p->slot,
                                                .swap = p->swap});
        p->state = PAGE_LOADING;
        pager->loading++;
        pager->slot[p->slot].flags &= (uint8_t)~SLOT_ZERO;
        return PAGER_CALL;
    }
    if (!region->undefined && (pager->slot[p->slot].flags & SLOT_ZERO) == 0) {
        pager->stats->zeroed++;
        pager_emit(pager, (struct pager_effect){.kind = EFFECT_CLEAR, .slot = p->slot});
    }
    pager->slot[p->slot].flags &= (uint8_t)~SLOT_ZERO;
    p->state = PAGE_RESIDENT;
    pager->stats->resident++;
    pager_policy_insert(pager, page, write);
    if (write && region->kind == SP_PRECIOUS)
        pager_set_dirty(pager, p);
    return map_resident(pager, page);
}

enum pager_verdict pager_fault(struct pager *pager, sp_page page, bool write)
{
    struct pager_page *p;
    enum pager_verdict verdict;

    if (pager_region_of(pager, page) == NULL)
        return PAGER_NO_PAGE;
    p = &pager->page[page];
    pager_begin(pager);
    pager->faulting = page;
    switch (p->state) {
    case PAGE_LOADING:
        verdict = PAGER_WAIT;
        break;
    case PAGE_DEAD:
        verdict = PAGER_DEAD;
        break;
    case PAGE_LEAVING: /* rescued: the store goes on, the page stays */
        if (pager_is_lost(pager, page)) {
            verdict = PAGER_WAIT_STORE;
            break;
        }
        p->state = PAGE_RESIDENT;
        pager->leaving--;
        pager->stats->resident++;
        pager_policy_insert(pager, page, write);
        /* fall through */
    case PAGE_RESIDENT:
        verdict = touch_resident(pager, page, write);
        break;
    default:
        verdict = bring_in(pager, page, write);
        break;
    }
    pager->faulting = SP_NO_PAGE;
    return verdict;
}

const char *pager_stuck_reason(const struct pager *pager)
{
    if (swap_fails(pager))
        return pager->store_error == ENOSPC ? "the swap server is full"
                                            : "the swap server cannot write to its device";
    if (pager->guaranteed + pager->extra == 0)
        return "the task has no contract that is active";
    if (pager->maps + 2 > pager->map_limit)
        return "the kernel allows this process no more mappings (raise vm.max_map_count)";
    return "all frames are pinned";
}

void pager_loaded(struct pager *pager, sp_page page, bool ok, bool map, bool write)
{
    struct pager_page *p = &pager->page[page];
    bool from_swap = (p->flags & PAGE_HAS_SWAP) != 0;

    pager_begin(pager);
    pager->loading--;
    if (!ok || (pager->slot[p->slot].flags & SLOT_LOST) != 0) {
        p->state = from_swap ? PAGE_SWAPPED : PAGE_ABSENT;
        pager_slot_free(pager, p->slot);
        p->slot = 0;
        return;
    }
    if (from_swap)
        pager->stats->swapped_in++;
    else
        pager->stats->refilled++;
    p->state = PAGE_RESIDENT;
    pager->stats->resident++;
    pager_policy_insert(pager, page, write);
    if (!map)
        return;
    if (write && pager_kind(pager, page) == SP_PRECIOUS)
        pager_set_dirty(pager, p);
    pager->faulting = page;
    /* Should rights or mappings be short, the access faults again and sees to it. */
    if (pager->slot[p->slot].rights == (PAGE_READ | PAGE_WRITE) &&
        pager->maps + 2 <= pager->map_limit)
        map_resident(pager, page);
    pager->faulting = SP_NO_PAGE;
}

bool pager_prefetch(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];

    if (p->state != PAGE_SWAPPED || pager->free <= pager_low(pager) ||
        !pager_slot_take(pager, page))
        return false;
    pager->slot[p->slot].flags &= (uint8_t)~SLOT_ZERO;
    p->state = PAGE_LOADING;
    pager->loading++;
    pager_emit(pager, (struct pager_effect){
                          .kind = EFFECT_LOAD, .page = page, .slot = p->slot, .swap = p->swap});
    return true;
}

bool pager_pin(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];

    if (p->pins == UINT8_MAX)
        return false;
    p->pins++; /* from now on the policy cannot have it watched */
    if (p->pins == 1) {
        pager_policy_remove(pager, page, SP_PINNED);
        pager->pinned++;
        pager->stats->pinned = pager->pinned;
    }
    return true;
}

void pager_unpin(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];

    p->pins--;
    if (p->pins == 0) {
        pager->pinned--;
        pager->stats->pinned = pager->pinned;
        if (p->state == PAGE_RESIDENT)
            pager_policy_insert(pager, page, false);
    }
}

bool pager_take_lost(struct pager *pager, sp_page page)
{
    bool lost = (pager->page[page].flags & PAGE_LOST) != 0;

    pager->page[page].flags &= (uint8_t)~PAGE_LOST;
    return lost;
}

int pager_discard(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];
    bool resident = p->state == PAGE_RESIDENT;

    pager_begin(pager);
    if (p->pins > 0)
        return 0;
    if (p->state == PAGE_LOADING || (p->flags & PAGE_STORING) != 0)
        return -1;
    if ((p->flags & PAGE_HAS_SWAP) != 0) {
        pager_emit(pager,
                   (struct pager_effect){.kind = EFFECT_FREE_SWAP, .page = page, .swap = p->swap});
        p->flags &= (uint8_t)~PAGE_HAS_SWAP;
    }
    if (resident) {
        pager_policy_remove(pager, page, SP_DISCARDED);
        if ((p->flags & PAGE_MAPPED) != 0)
            pager_unmap(pager, page);
        pager->stats->resident--;
        pager->stats->dropped++;
        p->flags |= PAGE_LOST;
        pager_clear_dirty(pager, p);
    }
    p->flags &= (uint8_t)~PAGE_REFERENCED;
    p->state = PAGE_ABSENT;
    if (resident)
        pager_slot_free(pager, p->slot);
    p->slot = 0;
    return resident;
}

void pager_advise(struct pager *pager, sp_page page, enum sp_hint hint)
{
    if (pager->config.policy->hint != NULL && pager_with_policy(&pager->page[page]))
        pager->config.policy->hint(pager->policy_state, page, hint);
}
