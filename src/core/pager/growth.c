/* How many frames the contracts allow, and the asking for more. */
#include "core/pager/growth.h"

#include "base/assert.h"
#include "base/least.h"
#include "core/pager/effects.h"
#include "core/pager/slots.h"

/* Frames that one EFFECT_ALLOCATE asks for, at most: the bits of allocation_lost. */
#define GROW_MOST 64u

/* After a refusal, extra frames are asked for again that many faults later; doubled each time. */
#define GROW_BACKOFF_FIRST 16u
#define GROW_BACKOFF_MOST  4096u

/* Of an extent's slots, the share that is used where frames may be taken by force. The container has
 * at least as many slots for each frame, and physmem as many extents (PHYSMEM_EXTENT_SHARE). */
#define SPREAD_SHARE 8u

uint32_t growth_allowance(const struct pager *pager)
{
    uint64_t sum = (uint64_t)pager->guaranteed + pager->extra;

    check(sum <= UINT64_MAX / 2 && pager->held <= pager->config.slots);
    return sum < pager->config.slots ? (uint32_t)sum : pager->config.slots;
}

bool growth_may_ask(const struct pager *pager)
{
    if (pager->allocating || pager->losing > 0 || pager->held >= growth_allowance(pager))
        return false;
    check(growth_allowance(pager) <= pager->config.slots);
    if (pager->held < pager->guaranteed)
        return true;
    return pager->owed == 0 && pager->stats->faults >= pager->grow_after;
}

/* Slots of an extent that get frames now. Where frames are spread the first extents have 1, 1, 2, 4, 8... of them:
 * some of these extents and full ones have together any number of frames that may be missing. */
static uint32_t room_of(const struct pager *pager, uint32_t extent)
{
    uint32_t room = pager->spread;

    check(room > 0 && room <= pager->config.extent_pages);
    if (room < pager->config.extent_pages && extent < 32)
        room = least_of(room, extent == 0 ? 1 : 1u << (extent - 1));
    return room;
}

/* Whether a hole has no memory: see pager_growth_barred. */
static bool is_barred(struct pager *pager, uint32_t slot)
{
    uint32_t extent = slot / pager->config.extent_pages;
    uint32_t first = extent * pager->config.extent_pages;

    check(pager->slot[slot].state == SLOT_HOLE);
    if (pager->barred[extent] == 0)
        return false;
    if (pager_slots_are_empty(pager, first, pager->config.extent_pages))
        pager->barred[extent] = 0;
    return pager->barred[extent] != 0 && slot - first >= pager->barred[extent];
}

/* Whether frames are asked for in a slot now. */
static bool is_wanted_hole(struct pager *pager, uint32_t slot)
{
    uint32_t extent = slot / pager->config.extent_pages;

    return pager->slot[slot].state == SLOT_HOLE &&
           slot - extent * pager->config.extent_pages < room_of(pager, extent) &&
           !is_barred(pager, slot);
}

/* The first slot in which to ask for frames; `slots` if none is left that has memory. */
static uint32_t find_hole(struct pager *pager)
{
    uint32_t slots = pager->config.slots;
    uint32_t slot = pager->hole_hint;

    while (slot < slots && !is_wanted_hole(pager, slot))
        slot++;
    if (slot == slots) {
        pager->spread = pager->config.extent_pages; /* there are no other slots */
        for (slot = 0; slot < slots && !is_wanted_hole(pager, slot); slot++)
            continue;
    }
    pager->hole_hint = slot < slots ? slot : 0;
    return slot;
}

bool growth_ask(struct pager *pager)
{
    bool extra = pager->held >= pager->guaranteed;
    uint32_t allowance = growth_allowance(pager);
    uint32_t limit = extra ? allowance : least_of(pager->guaranteed, allowance);
    uint32_t want =
        least_of(limit - pager->held, least_of(GROW_MOST, pager->held < 32 ? 8 : pager->held / 4));
    uint32_t count = 0;
    uint32_t slot;

    if (!growth_may_ask(pager))
        return false;
    check(limit > pager->held && want > 0 && want <= GROW_MOST);
    slot = find_hole(pager);
    if (slot == pager->config.slots)
        return false;
    while (count < want && slot + count < pager->config.slots &&
           is_wanted_hole(pager, slot + count))
        count++;
    ensure(count > 0);
    pager->allocating = true;
    pager->allocation_unmapped = false;
    pager->allocation_lost = 0;
    pager->allocate_slot = slot;
    pager->allocate_count = count;
    effects_add(pager, (struct pager_effect){
                           .kind = EFFECT_ALLOCATE, .slot = slot, .count = count, .extra = extra});
    return true;
}

void pager_growth_allocated(struct pager *pager, uint32_t slot, uint32_t count, uint8_t rights,
                            bool zero)
{
    uint32_t came = 0;

    ensure(count <= pager->config.slots && slot <= pager->config.slots - count);
    slots_begin(pager);
    check(!pager->allocating || (slot == pager->allocate_slot && count <= pager->allocate_count));
    pager->allocating = false;
    if (pager->allocation_unmapped)
        rights = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i < GROW_MOST && (pager->allocation_lost >> i & 1) != 0) {
            /* Whether the frame came before the loss or after it cannot be known; giving back one
             * that is gone does no harm. */
            effects_add(pager, (struct pager_effect){.kind = EFFECT_RETURN, .slot = slot + i});
            continue;
        }
        pager->slot[slot + i].rights = rights;
        pager->slot[slot + i].flags = zero ? SLOT_ZERO : 0;
        slots_append(pager, slot + i);
        came++;
    }
    if (slot + count > pager->slots_top)
        pager->slots_top = slot + count;
    slots_set_held(pager, pager->held + came);
    pager->owed = least_of(pager->owed, pager->held);
    if (count > 0) {
        pager->grow_backoff = GROW_BACKOFF_FIRST;
    } else if (pager->held >= pager->guaranteed) {
        pager->grow_after = pager->stats->faults + pager->grow_backoff;
        pager->grow_backoff = least_of(2 * pager->grow_backoff, GROW_BACKOFF_MOST);
    }
    while (pager->owed > 0 && pager->free > 0 && pager->held > pager->guaranteed &&
           pager->returns_now < pager->config.batch)
        slots_return(pager);
    check(pager->owed <= pager->held);
}

void pager_growth_barred(struct pager *pager, uint32_t slot)
{
    uint32_t within = slot % pager->config.extent_pages;

    check(slot < pager->config.slots && !pager->allocating);
    pager->barred[slot / pager->config.extent_pages] = within > 0 ? within : 1;
    pager_growth_possible(pager);
}

void pager_growth_possible(struct pager *pager)
{
    pager->grow_after = 0;
    pager->grow_backoff = GROW_BACKOFF_FIRST;
    check(pager->grow_backoff <= GROW_BACKOFF_MOST);
}

void pager_growth_spread(struct pager *pager)
{
    check(pager->config.extent_pages > 0);
    pager->spreads = true;
}

bool pager_growth_gather(struct pager *pager)
{
    bool gathers = pager->spread < pager->config.extent_pages;

    check(!pager->allocating);
    pager->spreads = false;
    pager->spread = pager->config.extent_pages;
    pager->hole_hint = 0;
    return gathers;
}

/* How many slots of each extent get frames first. */
static uint32_t decide_spread(const struct pager *pager)
{
    uint32_t whole = pager->config.extent_pages;
    uint32_t least = whole / SPREAD_SHARE;
    uint32_t share = (growth_allowance(pager) + PAGER_SPREAD - 1) / PAGER_SPREAD;

    check(whole > 0);
    if (!pager->spreads)
        return whole;
    if (share < least)
        share = least;
    return share > 0 ? least_of(share, whole) : 1;
}

void pager_growth_allow(struct pager *pager, uint32_t guaranteed, uint32_t extra)
{
    uint32_t spread;

    pager->guaranteed = guaranteed;
    pager->extra = extra;
    pager->stats->guaranteed = guaranteed;
    pager->stats->extra = extra;
    spread = decide_spread(pager);
    if (spread != pager->spread)
        pager->hole_hint = 0;
    pager->spread = spread;
    pager_growth_possible(pager);
    check(growth_allowance(pager) <= pager->config.slots);
}
