/* Frames: taking one for a page, giving it up, and the frame stack. */
#ifndef CORE_PAGER_SLOTS_H
#define CORE_PAGER_SLOTS_H

#include "base/assert.h"
#include "base/least.h"
#include "core/pager/pager.h"

/* Note which frames physmem has taken from the frame stack. */
void slots_sweep(struct pager *pager);

/* Each call that may store pages or return frames begins with this. */
static inline void slots_begin(struct pager *pager)
{
    check(pager->free <= pager->held);
    pager->stores_now = 0;
    pager->returns_now = 0;
    if (frame_offers_were_taken(&pager->offers))
        slots_sweep(pager);
}

/* A sixteenth of the frames is kept at hand, up to 16: a fault then finds a frame without waiting
 * for a write, and stores travel in batches. Below 16 frames each one counts more than that. */
#define SLOTS_RESERVE_SHARE 16u
#define SLOTS_RESERVE_MOST  16u

/* Frames to keep at hand: below `low` eviction starts, until there are `high`. */
static inline uint32_t slots_low(const struct pager *pager)
{
    check(pager->held <= pager->config.slots);
    return least_of(SLOTS_RESERVE_MOST, pager->held / SLOTS_RESERVE_SHARE);
}

static inline uint32_t slots_high(const struct pager *pager)
{
    uint32_t low = slots_low(pager);

    check(low <= SLOTS_RESERVE_MOST);
    return low == 0 ? 1 : 2 * low;
}

/* A free slot for the page, now USED by it. Sets page->slot. False if none is left: there was none,
 * or physmem was faster. */
bool slots_take(struct pager *pager, sp_page page);

/* Put a slot, whose frame has come, or is not needed any more, behind the free ones. */
void slots_append(struct pager *pager, uint32_t slot);

/* The slot's frame is not needed any more: pay a debt with it, or keep it at hand; if it was lost, the
 * slot ends. */
void slots_free(struct pager *pager, uint32_t slot);

/* Give a free frame, if one is left, back to physmem, which is owed one. */
void slots_return(struct pager *pager);

/* Take a free slot for the pager; it is no longer free. False if physmem has taken its frame. */
bool slots_claim(struct pager *pager, uint32_t slot);

/* The number of frames changes. Tells the policy. */
void slots_set_held(struct pager *pager, uint32_t held);

/* No page uses a lost slot any more; rights for one that is gone may have come or not. */
void slots_end(struct pager *pager, uint32_t slot);
void slots_end_granted(struct pager *pager, uint32_t slot);

/* List what has come free on the frame stack. The frames must be mapped nowhere: the effects of the
 * call have been carried out. */
void slots_offer(struct pager *pager);

#endif
