/* The pager's frames: slots of the container that are holes, free, or used; and those of them that
 * stand on the frame stack, where physmem may take them. */
#include "core/pager/slots.h"

#include "base/assert.h"
#include "base/least.h"
#include "core/pager/effects.h"

/* Slots that came free in ascending order are taken in ascending order, and pages touched in sequence
 * share kernel mappings again. */
void slots_append(struct pager *pager, uint32_t slot)
{
    struct pager_slot *s = &pager->slot[slot];

    ensure(slot < pager->config.slots && s->state != SLOT_FREE && s->state != SLOT_GONE);
    check(s->place == 0);
    s->state = SLOT_FREE;
    s->page_or_prev = pager->free_tail;
    s->next = PAGER_NONE;
    if (pager->free_tail != PAGER_NONE)
        pager->slot[pager->free_tail].next = slot;
    else
        pager->free_head = slot;
    pager->free_tail = slot;
    pager->free++;
    if (pager->offer_head == PAGER_NONE)
        pager->offer_head = slot;
    check(pager->free <= pager->config.slots);
}

bool pager_slots_are_empty(const struct pager *pager, uint32_t first, uint32_t count)
{
    bool empty = true;

    check(first <= pager->config.slots);
    for (uint32_t i = 0; i < count && first + i < pager->config.slots; i++)
        empty = empty && pager->slot[first + i].state == SLOT_HOLE;
    return empty;
}

static void free_list_remove(struct pager *pager, uint32_t slot)
{
    struct pager_slot *s = &pager->slot[slot];

    ensure(pager->free > 0 && s->state == SLOT_FREE);
    if (pager->offer_head == slot)
        pager->offer_head = s->next;
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

/* The frames that the reserve leaves to pages, at least one: a policy that shares them out must not
 * count on more. */
static uint32_t frames_for_pages(const struct pager *pager)
{
    uint32_t frames = pager->held - slots_low(pager);

    check(slots_low(pager) <= pager->held);
    return frames > 0 ? frames : 1;
}

void slots_set_held(struct pager *pager, uint32_t held)
{
    ensure(held <= pager->config.slots);
    pager->held = held;
    /* Frames that physmem took in other ways are owed no more. */
    pager->owed = least_of(pager->owed, held + (pager->allocating ? pager->allocate_count : 0));
    pager->stats->held = held;
    pager->policy_config.frames = frames_for_pages(pager);
    if (pager->config.policy->resize != NULL)
        pager->config.policy->resize(pager->policy_state, pager->policy_config.frames);
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
    ensure(pager->held > 0);
    slots_set_held(pager, pager->held - 1);
}

/* Rare: a function of its own, whose registers slots_take need not save. */
static __attribute__((noinline)) void slot_taken(struct pager *pager, uint32_t slot)
{
    check(pager->slot[slot].place == 0);
    slot_leave(pager, slot);
    pager->stats->taken++;
}

/* ---- The frame stack ---- */

static void on_lost(void *context, uint32_t slot)
{
    struct pager *pager = context;

    ensure(pager->slot[slot].place != 0); /* only what we listed is told back to us */
    pager->slot[slot].place = 0;
    slot_taken(pager, slot);
}

void slots_sweep(struct pager *pager)
{
    check(pager->free <= pager->held);
    if (frame_offers_were_taken(&pager->offers))
        frame_stack_offers_sweep(&pager->offers, on_lost, pager);
}

static bool stack_claim(struct pager *pager, uint32_t slot)
{
    uint32_t place = pager->slot[slot].place;

    check(place == 0 || pager->slot[slot].state == SLOT_FREE);
    pager->slot[slot].place = 0;
    if (place == 0 || frame_stack_offers_claim(&pager->offers, place, slot))
        return true;
    slot_taken(pager, slot);
    return false;
}

/* List a free slot behind all others. */
static void offer(struct pager *pager, uint32_t slot)
{
    uint32_t oldest;

    check(pager->slot[slot].place == 0);
    /* Slots that are never taken, because others suit better, must not end the listing of all: they
     * move to the other end, until the empty places behind them are free. */
    for (uint32_t most = pager->offers.live;
         most > 0 && frame_stack_offers_in_the_way(&pager->offers, &oldest) != 0; most--)
        if (stack_claim(pager, oldest))
            pager->slot[oldest].place = frame_stack_offers_add(&pager->offers, oldest);
    pager->slot[slot].place = frame_stack_offers_add(&pager->offers, slot);
}

void slots_offer(struct pager *pager)
{
    while (pager->offer_head != PAGER_NONE) {
        uint32_t slot = pager->offer_head;

        check(pager->slot[slot].state == SLOT_FREE && pager->slot[slot].place == 0);
        pager->offer_head = pager->slot[slot].next;
        offer(pager, slot);
    }
}

void pager_slots_publish(struct pager *pager, struct frame_stack *stack, uint32_t places)
{
    ensure(pager->offers.stack == NULL && stack != NULL);
    frame_stack_offers_init(&pager->offers, stack, places);
    pager->offer_head = pager->free_head;
    slots_offer(pager);
}

/* ---- Taking and giving up ---- */

/* The first one of the free slots around the one that has been free longest. */
static uint32_t first_slot(const struct pager *pager)
{
    uint32_t slot = pager->free_head;

    check(slot != PAGER_NONE && pager->slot[slot].state == SLOT_FREE);
    while (slot % pager->config.extent_pages != 0 && pager->slot[slot - 1].state == SLOT_FREE)
        slot--;
    return slot;
}

/* Neighbouring pages in neighbouring slots of one extent need one kernel mapping together. Where a page has no
 * neighbour, those that follow will be its neighbours. */
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
    return pager->page[page].state == PAGE_SWAPPED ? first_slot(pager) : pager->free_head;
}

bool slots_take(struct pager *pager, sp_page page)
{
    uint32_t slot;

    do {
        if (pager->free == 0)
            return false;
        slot = best_slot(pager, page);
    } while (!stack_claim(pager, slot));
    free_list_remove(pager, slot);
    check(pager->page[page].state < PAGE_LOADING);
    pager->page[page].open = false;
    pager->page[page].watch = false;
    pager->slot[slot].state = SLOT_USED;
    pager->slot[slot].page_or_prev = page;
    pager->slot[slot].next = PAGER_NONE;
    pager->page[page].slot = slot;
    check(slot < pager->slots_top);
    return true;
}

void slots_return(struct pager *pager)
{
    uint32_t slot;

    ensure(pager->owed > 0);
    do {
        if (pager->free == 0)
            return;
        slot = pager->free_head;
    } while (!stack_claim(pager, slot));
    pager->owed--;
    slot_leave(pager, slot);
    pager->returns_now++;
    pager->stats->returned++;
    effects_add(pager, (struct pager_effect){.kind = EFFECT_RETURN, .slot = slot});
}

bool slots_claim(struct pager *pager, uint32_t slot)
{
    ensure(pager->slot[slot].state == SLOT_FREE);
    if (!stack_claim(pager, slot))
        return false;
    free_list_remove(pager, slot);
    return true;
}

/* A lost slot that nothing is under way for any more. */
static void slot_end(struct pager *pager, uint32_t slot)
{
    struct pager_slot *s = &pager->slot[slot];

    if ((s->flags & SLOT_GRANTING) != 0) {
        s->state = SLOT_GONE;
        return;
    }
    ensure(pager->losing > 0);
    s->state = SLOT_HOLE;
    s->flags = 0;
    s->rights = 0;
    if (slot < pager->hole_hint)
        pager->hole_hint = slot;
    pager->losing--;
    check(pager->slot[pager->hole_hint].state == SLOT_HOLE || pager->hole_hint < slot);
}

void slots_end(struct pager *pager, uint32_t slot)
{
    ensure(pager->held > 0 && (pager->slot[slot].flags & SLOT_LOST) != 0);
    slots_set_held(pager, pager->held - 1);
    slot_end(pager, slot);
}

void slots_end_granted(struct pager *pager, uint32_t slot)
{
    ensure(pager->slot[slot].state == SLOT_GONE);
    pager->slot[slot].flags = 0;
    slot_end(pager, slot);
}

void slots_free(struct pager *pager, uint32_t slot)
{
    check(pager->slot[slot].state == SLOT_USED);
    if ((pager->slot[slot].flags & SLOT_LOST) != 0) {
        slots_end(pager, slot);
        return;
    }
    slots_append(pager, slot);
    if (pager->owed > 0 && pager->returns_now < pager->config.batch)
        slots_return(pager);
}
