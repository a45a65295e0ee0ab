/* The pager's frames: slots of the container that are holes, free, or used. */
#include "core/pager/internal.h"

/* A sixteenth of the frames is kept at hand, up to 16: a fault then finds a frame without waiting
 * for a write, and stores travel in batches. Below 16 frames each one counts more than that. */
#define RESERVE_SHARE 16u
#define RESERVE_MOST  16u

/* Frames that one EFFECT_ALLOCATE asks for, at most: the bits of allocation_lost. */
#define GROW_MOST 64u

/* After a refusal, extra frames are asked for again that many faults later; doubled each time. */
#define GROW_BACKOFF_FIRST 16u
#define GROW_BACKOFF_MOST  4096u

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

uint32_t pager_low(const struct pager *pager)
{
    return least(RESERVE_MOST, pager->held / RESERVE_SHARE);
}

uint32_t pager_high(const struct pager *pager)
{
    uint32_t low = pager_low(pager);

    return low == 0 ? 1 : 2 * low;
}

/* At the end: slots that came free in ascending order are taken in ascending order, so that pages
 * touched in sequence share kernel mappings again. */
static void free_list_append(struct pager *pager, uint32_t slot)
{
    struct pager_slot *s = &pager->slot[slot];

    s->state = SLOT_FREE;
    s->page_or_prev = pager->free_tail;
    s->next = PAGER_NONE;
    if (pager->free_tail != PAGER_NONE)
        pager->slot[pager->free_tail].next = slot;
    else
        pager->free_head = slot;
    pager->free_tail = slot;
    pager->free++;
    pager_stack_offer(pager, slot);
}

static void free_list_remove(struct pager *pager, uint32_t slot)
{
    struct pager_slot *s = &pager->slot[slot];

    if (s->page_or_prev != PAGER_NONE)
        pager->slot[s->page_or_prev].next = s->next;
    else
        pager->free_head = s->next;
    if (s->next != PAGER_NONE)
        pager->slot[s->next].page_or_prev = s->page_or_prev;
    else
        pager->free_tail = s->page_or_prev;
    pager->free--;
}

/* Neighbouring pages in neighbouring slots of one extent need one kernel mapping together. */
static uint32_t best_slot(const struct pager *pager, sp_page page)
{
    const struct pager_page *before = &pager->page[page] - 1;
    const struct pager_page *after = &pager->page[page] + 1;
    uint32_t slot;

    if (before->state >= PAGE_LOADING) {
        slot = before->slot + 1;
        if (slot < pager->config.slots && slot % pager->config.extent_pages != 0 &&
            pager->slot[slot].state == SLOT_FREE)
            return slot;
    }
    if (after->state >= PAGE_LOADING && after->slot % pager->config.extent_pages != 0) {
        slot = after->slot - 1;
        if (pager->slot[slot].state == SLOT_FREE)
            return slot;
    }
    return pager->free_head;
}

bool pager_slot_take(struct pager *pager, sp_page page)
{
    uint32_t slot;

    do {
        if (pager->free == 0)
            return false;
        slot = best_slot(pager, page);
    } while (!pager_stack_claim(pager, slot));
    free_list_remove(pager, slot);
    pager->slot[slot].state = SLOT_USED;
    pager->slot[slot].page_or_prev = page;
    pager->slot[slot].next = PAGER_NONE;
    pager->page[page].slot = slot;
    return true;
}

void pager_set_held(struct pager *pager, uint32_t held)
{
    pager->held = held;
    pager->stats->held = held;
    if (pager->config.policy->resize != NULL)
        pager->config.policy->resize(pager->policy_state, held > 0 ? held : 1);
}

/* A free slot becomes a hole. */
static void slot_leave(struct pager *pager, uint32_t slot)
{
    struct pager_slot *s = &pager->slot[slot];

    free_list_remove(pager, slot);
    s->state = SLOT_HOLE;
    s->flags = 0;
    s->rights = 0;
    if (slot < pager->hole_hint)
        pager->hole_hint = slot;
    pager_set_held(pager, pager->held - 1);
}

void pager_slot_lost(struct pager *pager, uint32_t slot)
{
    slot_leave(pager, slot);
    pager->stats->taken++;
}

void pager_slot_return(struct pager *pager)
{
    uint32_t slot;

    do {
        if (pager->free == 0)
            return;
        slot = pager->free_head;
    } while (!pager_stack_claim(pager, slot));
    slot_leave(pager, slot);
    pager->owed--;
    pager->returns_now++;
    pager->stats->returned++;
    pager_emit(pager, (struct pager_effect){.kind = EFFECT_RETURN, .slot = slot});
}

bool pager_free_slot_take(struct pager *pager, uint32_t slot)
{
    if (!pager_stack_claim(pager, slot))
        return false;
    free_list_remove(pager, slot);
    return true;
}

void pager_slot_free(struct pager *pager, uint32_t slot)
{
    if ((pager->slot[slot].flags & SLOT_LOST) != 0) {
        pager_lost_slot_free(pager, slot);
        return;
    }
    free_list_append(pager, slot);
    if (pager->owed > 0 && pager->returns_now < pager->config.batch)
        pager_slot_return(pager);
}

uint32_t pager_allowance(const struct pager *pager)
{
    uint64_t sum = (uint64_t)pager->guaranteed + pager->extra;

    return sum < pager->config.slots ? (uint32_t)sum : pager->config.slots;
}

bool pager_may_grow(const struct pager *pager)
{
    if (pager->allocating || pager->losing > 0 || pager->held >= pager_allowance(pager))
        return false;
    if (pager->held < pager->guaranteed)
        return true;
    return pager->owed == 0 && pager->stats->faults >= pager->grow_after;
}

bool pager_grow(struct pager *pager)
{
    bool extra = pager->held >= pager->guaranteed;
    uint32_t allowance = pager_allowance(pager);
    uint32_t limit = extra ? allowance : least(pager->guaranteed, allowance);
    uint32_t want =
        least(limit - pager->held, least(GROW_MOST, pager->held < 32 ? 8 : pager->held / 4));
    uint32_t slot = pager->hole_hint;
    uint32_t count = 0;

    if (!pager_may_grow(pager))
        return false;
    while (pager->slot[slot].state != SLOT_HOLE)
        slot++; /* there is one: fewer are held than there are slots */
    pager->hole_hint = slot;
    while (count < want && slot + count < pager->config.slots &&
           pager->slot[slot + count].state == SLOT_HOLE)
        count++;
    pager->allocating = true;
    pager->allocation_unmapped = false;
    pager->allocation_lost = 0;
    pager->allocate_slot = slot;
    pager->allocate_count = count;
    pager_emit(pager, (struct pager_effect){
                          .kind = EFFECT_ALLOCATE, .slot = slot, .count = count, .extra = extra});
    return true;
}

void pager_allocated(struct pager *pager, uint32_t slot, uint32_t count, uint8_t rights, bool zero)
{
    uint32_t came = 0;

    pager_begin(pager);
    pager->allocating = false;
    if (pager->allocation_unmapped)
        rights = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i < GROW_MOST && (pager->allocation_lost >> i & 1) != 0) {
            /* Whether the frame came before the loss or after it cannot be known; giving back one
             * that is gone does no harm. */
            pager_emit(pager, (struct pager_effect){.kind = EFFECT_RETURN, .slot = slot + i});
            continue;
        }
        pager->slot[slot + i].rights = rights;
        pager->slot[slot + i].flags = zero ? SLOT_ZERO : 0;
        free_list_append(pager, slot + i);
        came++;
    }
    if (slot + count > pager->slots_top)
        pager->slots_top = slot + count;
    pager_set_held(pager, pager->held + came);
    pager->owed = least(pager->owed, pager->held);
    if (count > 0) {
        pager->grow_backoff = GROW_BACKOFF_FIRST;
    } else if (pager->held >= pager->guaranteed) {
        pager->grow_after = pager->stats->faults + pager->grow_backoff;
        pager->grow_backoff = least(2 * pager->grow_backoff, GROW_BACKOFF_MOST);
    }
    while (pager->owed > 0 && pager->free > 0 && pager->held > pager->guaranteed &&
           pager->returns_now < pager->config.batch)
        pager_slot_return(pager);
}

void pager_growth_possible(struct pager *pager)
{
    pager->grow_after = 0;
    pager->grow_backoff = GROW_BACKOFF_FIRST;
}

void pager_set_allowance(struct pager *pager, uint32_t guaranteed, uint32_t extra)
{
    pager->guaranteed = guaranteed;
    pager->extra = extra;
    pager->stats->guaranteed = guaranteed;
    pager->stats->extra = extra;
    pager_growth_possible(pager);
}

void pager_owe(struct pager *pager, uint32_t frames)
{
    uint32_t most;

    pager_stack_sweep(pager);
    most = pager->held + (pager->allocating ? pager->allocate_count : 0);
    pager->owed = frames < most - pager->owed ? pager->owed + frames : most;
}

uint32_t pager_pay(struct pager *pager, uint32_t limit, bool drop_only)
{
    pager_begin(pager);
    limit = least(limit, pager->config.batch);
    while (pager->owed > 0 && pager->free > 0 && limit > 0) {
        pager_slot_return(pager);
        limit--;
    }
    if (pager->owed > pager->leaving)
        pager_evict(pager, least(limit, pager->owed - pager->leaving), drop_only);
    return pager->owed;
}

void pager_granted(struct pager *pager, uint32_t slot, uint8_t rights)
{
    struct pager_slot *s = &pager->slot[slot];

    if ((s->flags & SLOT_GRANTING) == 0)
        return;
    if (s->state == SLOT_GONE) {
        pager_lost_granted(pager, slot);
        return;
    }
    if ((s->flags & SLOT_TAKEN) == 0)
        s->rights |= rights;
    s->flags &= (uint8_t) ~(SLOT_GRANTING | SLOT_TAKEN);
}

void pager_rights_taken(struct pager *pager, uint32_t slot, uint32_t count, uint8_t rights,
                        uint32_t *referenced, uint32_t *dirty)
{
    uint32_t slots = pager->config.slots;
    uint32_t end = slot < slots && count < slots - slot ? slot + count : slots;

    for (uint32_t i = slot; i < end; i++) {
        struct pager_slot *s = &pager->slot[i];
        struct pager_page *page;

        if (s->state == SLOT_HOLE) {
            if (pager->allocating && i - pager->allocate_slot < pager->allocate_count)
                pager->allocation_unmapped = true;
            continue;
        }
        s->rights &= (uint8_t)~rights;
        if ((s->flags & SLOT_GRANTING) != 0)
            s->flags |= SLOT_TAKEN;
        if (s->state != SLOT_USED)
            continue;
        page = &pager->page[s->page_or_prev];
        if ((page->flags & PAGE_MAPPED) == 0)
            continue;
        if (page->protection != 0) {
            page->flags |= PAGE_REFERENCED;
            (*referenced)++;
        }
        if ((page->protection & PAGE_WRITE) != 0)
            (*dirty)++;
        pager->stats->unmaps++;
        if ((rights & PAGE_READ) != 0)
            pager_unmap(pager, s->page_or_prev);
        else if ((page->protection & rights) != 0)
            pager_protect(pager, s->page_or_prev, page->protection & (uint8_t)~rights);
    }
}
