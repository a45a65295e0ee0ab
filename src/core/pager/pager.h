/* The pager's state: which pages a task has, where their contents are, and what happens next.
 *
 * It is pure: it makes no system call, allocates nothing, and waits for nothing. Its driver (the
 * fault handler of a live task, a test, a world in virtual time) serialises the calls. After each call
 * the driver takes the effects of that call with pager_next_effect, in order, until there are none, and
 * carries out each one before it takes the next; it reports how the slow ones ended. All memory is
 * given at init, filled with zeros, and is touched only when it is first needed: what was never used
 * costs nothing.
 *
 * A page is in one of these states:
 *
 *      touch                   loaded, refilled
 *   ABSENT ----> LOADING ----------------------> RESIDENT -----> ABSENT    never written, discarded
 *   SWAPPED ---> LOADING                            |  ^   \---> SWAPPED   clean, swap has a copy
 *                                            dirty  v  | touched before the store was acknowledged
 *                                                 LEAVING -----> SWAPPED   stored
 *
 * and DEAD, if physmem repossesses the frame that had the only copy, until it is discarded.
 *
 * A driver may unmap pages that leave after others have called the pager again (`evicts_apart`). Clean ones are
 * LEAVING, too, until then.
 *
 * (an ABSENT page without a refill becomes RESIDENT at once). A slot of the task's container is a
 * HOLE (no frame), FREE (a frame at hand) or USED (by the page it names).
 *
 * Caller errors are undefined behaviour, and many are asserted against. Policy errors are caught,
 * counted and corrected.
 *
 * THE FILES, from the bottom; each may call those above it in this list:
 *   effects.h page regions       the queue; a page's kind, dirtiness, and the policy's knowledge of it
 *   judge sense                  what became of pages that were read ahead; which pages were referenced
 *   slots mapping check          frames, free ones, the frame stack; kernel mappings; the books
 *   growth rights env lost       more frames; rights to map; what a policy may ask; frames taken by force
 *   resident                     a page becomes resident, and is mapped
 *   evict                        which page leaves, and how
 *   ahead                        what is loaded before it is needed
 *   fault debts pin discard advice   what the driver calls
 *   pager                        memory, and the way out of the queue */
#ifndef CORE_PAGER_PAGER_H
#define CORE_PAGER_PAGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <selfpage/policy.h>
#include <selfpage/stats.h>
#include <selfpage/task.h>

#include "base/assert.h"
#include "base/random.h"
#include "shm/fault_table.h"
#include "shm/frame_stack.h"

#define PAGER_NONE          UINT32_MAX
#define PAGER_KEPT_MOST     16u /* pages that one instruction may need at once */
#define PAGER_REGIONS_MAX   SP_REGIONS_MAX
#define PAGER_POPULATE_MOST 64u /* pages that one call of pager_advice_populate looks at */
/* Stores that one call starts at most, and frames that it returns at most, unless less is configured.
 */
#define PAGER_BATCH 64u
/* Stores not answered at any time, at most. */
#define PAGER_STORES_MAX 256u

enum page_state {
    PAGE_ABSENT = 0, /* zero, so that fresh memory is right */
    PAGE_SWAPPED,
    PAGE_DEAD,    /* its contents are gone for good */
    PAGE_LOADING, /* from here on a page has a frame */
    PAGE_RESIDENT,
    PAGE_LEAVING,
};

#define PAGE_DIRTY      0x01u /* swap has no copy, or a stale one */
#define PAGE_MAPPED     0x02u /* the page's address maps its frame, with whatever protection */
#define PAGE_STORING    0x04u /* a store of its frame has not been answered */
#define PAGE_REDIRTIED  0x08u /* written since that store was sent */
#define PAGE_LOST       0x10u /* contents were dropped since the program last was told */
#define PAGE_SKIPPED    0x20u /* taken from the policy for the length of one eviction */
#define PAGE_HAS_SWAP   0x40u /* `swap` is the number of a slot we own */
#define PAGE_REFERENCED 0x80u /* referenced before it lost its mapping */

#define BITS_AREA  1u /* the kernel gives the page's area present bits of single pages */
#define BITS_ARMED 2u /* the kernel will know if it is referenced; no reference is known since */
#define BITS_NEW   4u /* armed by the current call, which has not carried it out */

#define PAGE_READ  1u /* protections: bits like WIRE_RIGHT_* */
#define PAGE_WRITE 2u

struct pager_page {
    uint32_t slot; /* of the container, while LOADING, RESIDENT or LEAVING; while SWAPPED or ABSENT,
                      the evictions there had been when it was evicted, modulo 2^32; 0: it was not */
    uint32_t swap; /* slot of the swap server, if PAGE_HAS_SWAP */
    uint8_t state;
    uint8_t flags;
    uint8_t protection; /* of the mapping: PAGE_READ, PAGE_WRITE; 0 if not mapped */
    uint8_t pins;
    uint8_t region; /* index plus one; 0: no region */
    bool ahead : 1; /* read ahead; no reference to it is known */
    bool open : 1;  /* end of what a run has read: watched when the run goes on */
    bool watch : 1; /* a policy wants it watched then */
    bool going : 1; /* LEAVING: its mapping is still being removed, see pager_evict_unmapped */
    uint8_t bits;   /* BITS_*; 0 if not mapped */
    uint8_t
        kernel; /* for the driver; world/pager_shell.h keeps here what the kernel of a world knows */
};

enum slot_state {
    SLOT_HOLE = 0,
    SLOT_FREE,
    SLOT_USED,
    SLOT_GONE, /* its frame was lost; a map request for it has not been answered */
};

#define SLOT_ZERO     0x01u /* the frame holds zeros */
#define SLOT_GRANTING 0x02u /* a map request for it has not been answered */
#define SLOT_TAKEN    0x04u /* physmem took rights since that request was sent */
#define SLOT_LOST     0x08u /* physmem repossessed the frame; something is under way for it */

struct pager_slot {
    uint32_t page_or_prev; /* USED: its page; FREE: previous free slot */
    uint32_t next;         /* FREE: next free slot; USED: link of the skipped list */
    uint32_t place : 24;   /* FREE: on the frame stack, plus one; 0: not listed there */
    uint32_t state : 2;
    uint32_t flags : 4;
    uint32_t rights : 2; /* that physmem granted and did not take back: PAGE_READ | PAGE_WRITE */
};

struct pager_region {
    uint32_t first; /* page */
    uint32_t pages; /* 0: unused entry */
    uint8_t kind;   /* enum sp_kind */
    bool undefined; /* frames need not be cleared */
    bool refill;
    uint32_t resident;         /* pages that are RESIDENT */
    struct fault_tally *tally; /* what becomes of its pages is counted here; NULL: nowhere */
};

/* What a call wants done. MAP to CLEAR concern the task alone; they must be carried out before the
 * next effect is taken. The others need a round trip, which may begin later; its end is reported by the
 * function named. */
enum pager_effect_kind {
    EFFECT_MAP,     /* page -> slot with `protection`; on failure: pager_mapping_failed */
    EFFECT_PROTECT, /* change the protection of a mapped page */
    EFFECT_ARM, /* take a mapped page out of the page table: the kernel puts it back when it is referenced,
                         and `config.referenced` will tell; first make the area such a one, unless it is `watched` */
    EFFECT_UNMAP,     /* the page's address must fault from now on */
    EFFECT_CLEAR,     /* fill the slot's frame with zeros */
    EFFECT_STORE,     /* write the slot's frame to swap, free `swap` first if it is not NONE;
                         pager_evict_stored */
    EFFECT_LOAD,      /* read `swap` into the slot's frame; pager_fault_loaded */
    EFFECT_REFILL,    /* have the region's callback fill the slot's frame; pager_fault_loaded */
    EFFECT_ALLOCATE,  /* `count` frames for the holes from `slot`; pager_growth_allocated */
    EFFECT_GRANT,     /* map rights for `count` slots from `slot`; pager_rights_granted for each */
    EFFECT_FREE_SWAP, /* give back the swap slot `swap`; nothing to report */
    EFFECT_RETURN,    /* give back the slot's frame to physmem; nothing to report */
};

struct pager_effect {
    enum pager_effect_kind kind : 8;
    uint8_t protection;
    bool extra : 1;   /* ALLOCATE: beyond the guarantee */
    bool apart : 1;   /* ARM, UNMAP: may be carried out later, see `evicts_apart` */
    bool watched : 1; /* ARM: the page's area is a watched one already, or has no other page */
    sp_page page;
    uint32_t slot;
    union {
        uint32_t swap;
        uint32_t count; /* ALLOCATE, GRANT */
    };
};

/* How a page fault goes on. */
enum pager_verdict {
    PAGER_DONE, /* retry the access */
    PAGER_CALL, /* there are effects with a round trip: report their end, then ask again */
    PAGER_WAIT, /* the page or a frame is in another thread's hands: ask again after any end */
    PAGER_WAIT_STORE,  /* frames are free once a store is answered: ask again then */
    PAGER_WAIT_GROWTH, /* there is nothing to evict, and physmem has no frame for us now */
    PAGER_STUCK,       /* no frame can be freed: see pager_fault_stuck_reason */
    PAGER_NO_PAGE,     /* the page belongs to no region */
    PAGER_DEAD,        /* its contents were lost: see pager_lost */
};

struct pager_config {
    uint32_t pages;        /* pages there can be */
    uint32_t slots;        /* slots of the container: frames there can be */
    uint32_t extent_pages; /* slots of one extent */
    uint32_t map_limit;    /* kernel mappings the regions may use */
    uint32_t batch;        /* stores and returns of one call, at most; 0: PAGER_BATCH */
    uint32_t
        read_ahead; /* pages loaded with the one that is needed, at most; below `batch`; 0: none */
    bool evicts_later; /* the driver calls pager_ahead_evict when a load is under way */
    /* The driver carries out what pager_ahead_evict does to mappings after it has let others call the pager again, and
     * then calls pager_evict_unmapped. Effects of this kind are `apart`. */
    bool evicts_apart;
    uint64_t seed; /* for the policy's env->random */
    const struct sp_policy *policy;
    const double *params;   /* of the policy; outlive the pager */
    struct sp_stats *stats; /* counters are kept here; outlives the pager */
    /* Whether the page, which is mapped, has been referenced since the last EFFECT_ARM for it was carried out. Called
     * within calls of the pager. NULL: the kernel does not tell; pages are then watched by their protection, and
     * the first reference to each is a fault. Only for policies with SP_POLICY_SAMPLES. */
    bool (*referenced)(void *arg, sp_page page);
    void *referenced_arg;
};

/* Faults that follow each other with one stride: see ahead.c. */
struct pager_run {
    sp_page last; /* fault */
    sp_page from; /* what was read ahead last: `length` pages from here, in steps of `stride` */
    uint32_t length;
    uint32_t window; /* how many that were to be */
    int32_t stride;  /* 0: there was one fault */
    int64_t next;    /* page behind them; may lie outside of the region */
    uint64_t time;   /* of the last fault, by pager_ahead.clock */
    uint8_t faults;  /* up to 255; 0: unused entry */
};

#define PAGER_RUNS 8u

/* Pages that wait to be watched, at most. */
#define PAGER_WATCHING 16u

struct pager_ahead {
    struct pager_run run[PAGER_RUNS];
    uint64_t clock;        /* loads */
    uint32_t most;         /* pages of a window, as experience says */
    uint32_t used, wasted; /* pages, of late */
};

/* INVARIANTS, between calls; pager_check counts both sides. `pages in STATE` counts struct pager_page,
 * `slots in STATE` struct pager_slot.
 *
 *   held        == slots FREE + slots USED
 *   free        == slots FREE == length of the list from free_head
 *   slots USED  == pages LOADING + pages RESIDENT + pages LEAVING
 *   loading     == pages LOADING                     leaving == pages LEAVING
 *   with_policy == pages RESIDENT without a pin      dirty   == pages with PAGE_DIRTY
 *   stores      == pages with PAGE_STORING           leaving <= stores + going
 *   going       == pages that are going, all LEAVING    stores <= PAGER_STORES_MAX
 *   going_clean == of these, those without PAGE_DIRTY
 *   pinned      == pages with a pin
 *   owed        <= held + (allocating ? allocate_count : 0)
 *   losing      == slots with SLOT_LOST
 *   offers.live == slots with a place                slots with a place are FREE
 *   offer_head  == PAGER_NONE, and the queue of effects is empty
 *   for each page with a frame: slot[page.slot].page_or_prev == page
 *   for each page: page.protection is within slot[page.slot].rights, and 0 unless it is mapped
 *   for each precious page that is not dirty: its mapping does not permit writing
 *   for each page: it is ARMED only if its area is watched, or has no other page, and its mapping permits something
 *   watching    <= PAGER_WATCHING */
struct pager {
    struct pager_page *page;
    struct pager_slot *slot;
    uint32_t *
        barred; /* by extent, from which of its slots on none has memory: see pager_growth_barred; 0: all have some */
    struct pager_effect
        *effect; /* the queue: those from effects_next to effects_end are still in it */
    uint32_t effects_next, effects_end;
    uint32_t effects_most; /* room */
    void *policy_state;
    struct sp_policy_env env;
    struct sp_policy_config policy_config;
    struct pager_config config;
    struct sp_stats *stats;
    struct random_source random;
    struct pager_region region[PAGER_REGIONS_MAX];
    uint32_t regions; /* entries in use or once used */

    uint32_t guaranteed; /* frames, as the contracts say */
    uint32_t extra;
    uint32_t held;        /* frames we have: slots that are not holes */
    uint32_t free;        /* of these, at hand */
    uint32_t leaving;     /* of these, free once a store is answered, and the page unmapped */
    uint32_t going;       /* of these, not unmapped yet */
    uint32_t going_clean; /* of these, waiting for nothing else */
    uint32_t loading;     /* of these, being filled */
    uint32_t owed;        /* frames physmem waits for */
    uint32_t with_policy; /* pages the policy may name */
    uint32_t dirty;       /* of all pages that have a frame, those that PAGE_DIRTY */
    uint32_t stores;      /* stores not answered */
    uint32_t stores_now;  /* emitted by the current call */
    uint32_t returns_now; /* returns emitted by the current call */
    uint32_t free_head;   /* the slot that has been free longest */
    uint32_t free_tail;   /* the one that came free last */
    uint32_t offer_head;  /* free slots from here to the tail are not on the frame stack yet */
    sp_page watch[PAGER_WATCHING]; /* pages to be watched with the next ones */
    uint32_t watching;
    bool apart;           /* mappings that the current call changes may change later */
    uint32_t late_wanted; /* frames that are to be free or leaving, by pager_ahead_evict; 0: none */
    sp_page late_page;    /* the page that was loaded then */
    bool spreads;         /* physmem may take frames by force: see pager_growth_spread */
    uint32_t spread;      /* slots from the start of each extent that get frames first */
    uint32_t hole_hint;   /* no hole of those lies below */
    uint32_t slots_top;   /* no slot from here on ever had a frame */
    uint32_t maps;        /* kernel mappings that the regions use now */
    uint32_t map_limit;
    uint32_t pinned;
    uint32_t scan_hand;            /* slot where a search past the policy goes on */
    uint32_t map_hand;             /* slot where the search for mappings to give up goes on */
    sp_page faulting;              /* page that the current call brings in, or maps */
    sp_page kept[PAGER_KEPT_MOST]; /* see pager_evict_keep */
    uint32_t kept_count;
    uint64_t kept_until; /* env.time */
    uint32_t skipped_head, skipped_tail;
    uint32_t store_failures; /* in a row */
    int store_error;         /* the last one; errno value */
    uint64_t grow_after;     /* faults count from which extra frames are asked for again */
    uint32_t grow_backoff;
    uint32_t demand;          /* frames that would be used now, in all, as far as faults show */
    bool allocating;          /* an EFFECT_ALLOCATE has not been answered */
    uint32_t losing;          /* slots that were lost, for which something is under way */
    uint64_t allocation_lost; /* bit i: slot allocate_slot + i was lost before the answer came */
    bool allocation_unmapped; /* physmem took rights in that range before the answer came */
    uint32_t allocate_slot, allocate_count;
    struct frame_offers offers; /* the free slots, on the frame stack */
    struct pager_ahead ahead;
};

/* Bytes of memory that pager_init needs for this configuration, 64-byte aligned. */
size_t pager_size(const struct pager_config *config);

/* Start with no region, no frame and no allowance. `memory` has pager_size bytes, all zero, 64-byte
 * aligned, and outlives the pager, which also must not move. */
void pager_init(struct pager *pager, const struct pager_config *config, void *memory);

/* From now on list free frames on this frame stack, the one that has been free longest on top.
 * Physmem may then take them at any moment: the pager finds out before it uses one, and at the
 * beginning of each call. */
void pager_slots_publish(struct pager *pager, struct frame_stack *stack, uint32_t places);

/* Whether none of `count` slots from `first` on has a frame, as far as the pager has heard. Where another extent
 * of physmem lies now, the old one is let go of only then: contents may still be on their way to or from it. */
bool pager_slots_are_empty(const struct pager *pager, uint32_t first, uint32_t count);

/* ---- Effects ---- */

/* The effects of a call have been carried out: list the frames that came free on the frame stack.
 * pager_next_effect does it. */
void pager_offer_freed(struct pager *pager);

/* Take the oldest effect of the last call out of the queue. The one taken before has been carried out,
 * or, if it needs a round trip, has been noted. False: there is none left. */
static inline bool pager_next_effect(struct pager *pager, struct pager_effect *effect)
{
    check(pager->effects_end <= pager->effects_most);
    if (pager->effects_next < pager->effects_end) {
        *effect = pager->effect[pager->effects_next++];
        if (effect->kind == EFFECT_ARM)
            pager->page[effect->page].bits &= (uint8_t)~BITS_NEW;
        return true;
    }
    pager->effects_next = 0;
    pager->effects_end = 0;
    if (pager->offer_head != PAGER_NONE)
        pager_offer_freed(pager);
    return false;
}

/* After pager_next_effect gave `first`, a MAP, an UNMAP, a PROTECT or an ARM: take those that go on with it too, the
 * neighbours that one call can map, unmap, protect or arm, together. Returns how many there are with the first. */
uint32_t pager_take_neighbours(struct pager *pager, const struct pager_effect *first);

static inline uint32_t pager_next_neighbours(struct pager *pager, const struct pager_effect *first)
{
    check(pager->effects_next <= pager->effects_end);
    return pager->effects_next == pager->effects_end ? 1 : pager_take_neighbours(pager, first);
}

/* ---- Regions ---- */

/* Find room for a region and make it. Returns its first page, or SP_NO_PAGE if there are too many
 * regions or too few pages left in one piece. One page is left free behind each region. */
sp_page pager_regions_create(struct pager *pager, uint32_t pages, enum sp_kind kind, bool undefined,
                             bool refill);

/* Write all regions to the frame stack that pager_slots_publish was called with, where physmem sees them, and
 * write each change there from now on. `address` is that of page 0. */
void pager_regions_publish(struct pager *pager, uint64_t address);

/* The region of a page; NULL if it is in none. */
static inline const struct pager_region *pager_regions_of(const struct pager *pager, sp_page page)
{
    if (page >= pager->config.pages || pager->page[page].region == 0)
        return NULL;
    check(pager->page[page].region <= pager->regions);
    return &pager->region[pager->page[page].region - 1];
}

/* Forget a region whose pages are all ABSENT (pager_discard). */
void pager_regions_destroy(struct pager *pager, sp_page first);

/* ---- Contract ---- */

/* Frames that active contracts guarantee and allow. */
void pager_growth_allow(struct pager *pager, uint32_t guaranteed, uint32_t extra);

/* Extents over which a pager spreads its frames, more or less: each costs a descriptor. */
#define PAGER_SPREAD 32u

/* Physmem may take frames by force, and does that by whole extents as far as it can (see
 * core/physmem/repossess.c). From the next call of pager_growth_allow on, frames are asked for in few slots of each extent, as long as there are such slots: an
 * eighth of the extent, or one in PAGER_SPREAD of all frames that the contracts allow, whichever is
 * more; and in fewer of the first extents (1, 1, 2, 4, 8...), so that physmem can take what is missing and no more. */
void pager_growth_spread(struct pager *pager);

/* Physmem has no descriptor for another extent: until pager_growth_spread is called again, the pager asks for frames in the
 * extents that the task has already. False: it did that before this call, too, and asking again will not help. */
bool pager_growth_gather(struct pager *pager);

/* Physmem has no memory for a slot, one of those that it was asked for last, nor for those behind it in its extent, from which
 * it has taken frames by force: none is asked for there before all that are left in the extent have been given up. */
void pager_growth_barred(struct pager *pager, uint32_t slot);

/* Physmem has extra frames again. */
void pager_growth_possible(struct pager *pager);

/* Physmem wants `frames` frames back (EFFECT_RETURN pays the debt): of those we have, or of those
 * that an allocation has brought whose answer is still to come. */
void pager_debts_owe(struct pager *pager, uint32_t frames);

/* Return frames as long as some are owed: free ones first, then by eviction, at most `limit` (and
 * PAGER_BATCH) in one call; if `drop_only`, pages that would have to be written are left alone.
 * Returns the frames still owed; those of them that are `leaving` come with the answers to stores.
 */
uint32_t pager_debts_pay(struct pager *pager, uint32_t limit, bool drop_only);

/* ---- Faults ---- */

/* A reference to `page` failed. On PAGER_DONE the page is mapped with enough rights. */
enum pager_verdict pager_fault(struct pager *pager, sp_page page, bool write);

/* Why pager_fault said PAGER_STUCK, in words, without a newline. */
const char *pager_fault_stuck_reason(const struct pager *pager);

/* EFFECT_ALLOCATE ended: `count` of the slots from `slot` have frames, with these rights, holding
 * zeros or not. Fewer than asked for: there were no more. */
void pager_growth_allocated(struct pager *pager, uint32_t slot, uint32_t count, uint8_t rights,
                            bool zero);

/* EFFECT_GRANT ended: physmem gave `rights` (0: none) for the slot, one of those asked for. Rights
 * that physmem has taken back since are not given: the two messages may overtake each other. */
void pager_rights_granted(struct pager *pager, uint32_t slot, uint8_t rights);

/* EFFECT_LOAD or EFFECT_REFILL ended. If `map`, the page was faulted for (by a write, if `write`)
 * and is mapped now. */
void pager_fault_loaded(struct pager *pager, sp_page page, bool ok, bool map, bool write);

/* Keep these pages, at most PAGER_KEPT_MOST, from leaving for a while: one instruction needs them all at
 * once, and has failed to get them. While others are kept, which is for 64 faults at most, nothing changes.
 * They leave all the same if another page can get no frame otherwise. */
void pager_evict_keep(struct pager *pager, const sp_page *pages, uint32_t count);

/* EFFECT_STORE ended: error is 0 and `swap` the slot, or a positive errno value. */
void pager_evict_stored(struct pager *pager, sp_page page, uint32_t swap, int error);

/* EFFECT_MAP could not be carried out for want of kernel mappings: nothing is mapped there. */
void pager_mapping_failed(struct pager *pager, sp_page page);

/* ---- What the program says ---- */

/* Pin a page that is resident and mapped for writing (pager_fault with write said DONE and nothing
 * came between). False if it has 255 pins. */
bool pager_pin(struct pager *pager, sp_page page);
void pager_pin_undo(struct pager *pager, sp_page page);

/* True, once, if contents of the page were dropped since this was last asked. */
bool pager_discard_noted(struct pager *pager, sp_page page);

/* Drop a page's contents. Returns 1 if it was resident, 0 if it was not or is pinned, and -1 if it
 * is in transit (try again after any end). */
int pager_discard(struct pager *pager, sp_page page);

/* Start loading a swapped page if a frame is at hand without evicting. True if EFFECT_LOAD came. */
bool pager_advice_prefetch(struct pager *pager, sp_page page);

/* Bring in absent pages among `count` from `page`, at most PAGER_POPULATE_MOST, which lie in one region: they
 * are about to be written. Each gets a frame, and is mapped for writing; pages that a callback makes are passed
 * over. Takes frames that are at hand without evicting, and never the last ones. Returns how many pages were
 * looked at, `count` unless frames are short; *growsp: physmem was asked for more (EFFECT_ALLOCATE): go on when
 * it has answered. */
uint32_t pager_advice_populate(struct pager *pager, sp_page page, uint32_t count, bool *growsp);

void pager_advice_hint(struct pager *pager, sp_page page, enum sp_hint hint);

/* After pager_fault has begun to load `page`, and before its effects are taken: load with it, of the next
 * `pages` pages of its region at this stride, those that are in swap, as long as there are frames. The caller
 * sees to it that all loads of the call are one batch at most. Returns how many are loaded. */
uint32_t pager_ahead_more(struct pager *pager, sp_page page, int32_t stride, uint32_t pages);

/* Pages that one call of pager_ahead_evict is asked for while `loads` pages are read: as many as the reading takes
 * time for, more or less. */
#define PAGER_TURN_PAGES     8u
#define PAGER_TURN_RUN_PAGES 32u

static inline uint32_t pager_ahead_turn(uint32_t loads)
{
    return loads > PAGER_TURN_PAGES ? PAGER_TURN_RUN_PAGES : PAGER_TURN_PAGES;
}

/* With `evicts_later`, after a load has begun: evict at most `most` pages, so that the next faults find frames. Without
 * it the fault itself has done so. Returns true if there are more to evict.
 *
 * With `evicts_apart` the driver may carry out the effects that are `apart` in its own time, in their order, while
 * others call the pager. Until pager_evict_unmapped has said that this has happened, the page keeps its frame, and
 * faults on it wait. Stores of these pages begin after that. At most one such call is on its way. */
bool pager_ahead_evict(struct pager *pager, uint32_t most);

/* EFFECT_UNMAP that was `apart` has been carried out. Returns true if the page has left, or stays: faults may wait for
 * that. False: it waits for its store. */
bool pager_evict_unmapped(struct pager *pager, sp_page page);

/* The `pages` pages from `from` at this stride, all of one region, were used if they were loaded this way. */
void pager_ahead_used(struct pager *pager, sp_page from, int32_t stride, uint32_t pages);

/* Have what becomes of the region's pages counted, from now on, in `tally`, which outlives the region. */
void pager_regions_tally(struct pager *pager, sp_page first, struct fault_tally *tally);

/* Start stores for up to PAGER_BATCH dirty resident pages without evicting them, if fewer than
 * `droppable` pages could be dropped without a write. Returns how many were started. */
uint32_t pager_evict_clean(struct pager *pager, uint32_t droppable);

/* ---- What physmem does ---- */

/* Physmem takes `rights` of `count` slots from `slot`. Adds the pages that had been accessible, and
 * those that had been writable, to *referenced and *dirty. No page may be going. */
void pager_rights_taken(struct pager *pager, uint32_t slot, uint32_t count, uint8_t rights,
                        uint32_t *referenced, uint32_t *dirty);

/* Physmem has repossessed `count` slots from `slot`; those that had no frame are passed over. Pages
 * whose contents are nowhere else are dead: the next fault says PAGER_DEAD. No page may be going. */
void pager_lost(struct pager *pager, uint32_t slot, uint32_t count);

/* Physmem took `frames` of the frames that are owed. */
void pager_debts_forgive(struct pager *pager, uint32_t frames);

/* Whether the frame that a page had is lost, as far as we know. */
bool pager_lost_has(const struct pager *pager, sp_page page);

/* ---- Checking ---- */

/* NULL if all books agree, else what does not. Takes time proportional to pages and slots. */
const char *pager_check(const struct pager *pager);

#endif
