/* What the files of the pager share with each other, and with nobody else. */
#ifndef CORE_PAGER_INTERNAL_H
#define CORE_PAGER_INTERNAL_H

#include "core/pager/pager.h"

/* ---- pager.c ---- */

void pager_emit(struct pager *pager, struct pager_effect effect);
enum sp_kind pager_kind(const struct pager *pager, sp_page page);
void pager_env_init(struct pager *pager);
void pager_policy_insert(struct pager *pager, sp_page page, bool write);
void pager_policy_remove(struct pager *pager, sp_page page, enum sp_removal why);

/* True if the policy may name the page. */
static inline bool pager_with_policy(const struct pager_page *page)
{
    return page->state == PAGE_RESIDENT && page->pins == 0 && (page->flags & PAGE_SKIPPED) == 0;
}

/* ---- pager_stack.c ---- */

/* Note which frames physmem has taken from the frame stack. */
void pager_stack_sweep(struct pager *pager);

/* List a slot that has come free on the frame stack. */
void pager_stack_offer(struct pager *pager, uint32_t slot);

/* Have a free slot for ourselves alone. False if physmem has taken its frame: it is a hole now. */
bool pager_stack_claim(struct pager *pager, uint32_t slot);

/* Each call that may store pages or return frames begins so. */
static inline void pager_begin(struct pager *pager)
{
    pager->stores_now = 0;
    pager->returns_now = 0;
    if (frame_offers_were_taken(&pager->offers))
        pager_stack_sweep(pager);
}

/* ---- pager_slots.c ---- */

/* Frames that the contracts allow, as far as the container has slots for them. */
uint32_t pager_allowance(const struct pager *pager);

/* Frames to keep at hand: below `low` eviction starts, until there are `high`. */
uint32_t pager_low(const struct pager *pager);
uint32_t pager_high(const struct pager *pager);

/* A free slot for the page, now USED by it. Sets page->slot. False if none is left: there was none,
 * or physmem was faster. */
bool pager_slot_take(struct pager *pager, sp_page page);

/* A free slot's frame is physmem's. */
void pager_slot_lost(struct pager *pager, uint32_t slot);

/* The slot's frame is not needed any more: pay a debt with it, or keep it at hand. */
void pager_slot_free(struct pager *pager, uint32_t slot);

/* Give a free frame, if one is left, back to physmem, which is owed one. */
void pager_slot_return(struct pager *pager);

/* Have a free slot, which is not free any more, for ourselves. False if physmem has taken it. */
bool pager_free_slot_take(struct pager *pager, uint32_t slot);

void pager_set_held(struct pager *pager, uint32_t held);

/* Ask for more frames (EFFECT_ALLOCATE), if that makes sense now. */
bool pager_grow(struct pager *pager);
bool pager_may_grow(const struct pager *pager);

/* ---- pager_lost.c ---- */

/* A lost slot is used by no page any more; rights for one that is gone have come or not. */
void pager_lost_slot_free(struct pager *pager, uint32_t slot);
void pager_lost_granted(struct pager *pager, uint32_t slot);

/* What becomes of a page whose frame is lost, once it is in transit no more. */
void pager_lost_page_end(struct pager *pager, sp_page page);

/* ---- pager_mapping.c ---- */

/* Record a page's mapping, counting what the kernel needs for it, and emit the effect. */
void pager_map(struct pager *pager, sp_page page, uint8_t protection);
void pager_protect(struct pager *pager, sp_page page, uint8_t protection);
void pager_unmap(struct pager *pager, sp_page page);

/* True if one more mapping may be made; gives up others to make it so. */
bool pager_make_map_room(struct pager *pager);

/* ---- pager_evict.c ---- */

/* Let up to `want` pages leave. Returns how many left or are leaving. */
uint32_t pager_evict(struct pager *pager, uint32_t want, bool drop_only);
void pager_set_dirty(struct pager *pager, struct pager_page *page);
void pager_clear_dirty(struct pager *pager, struct pager_page *page);

#endif
