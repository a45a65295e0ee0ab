/* The frame stack: frames that a task holds and does not use, in memory that it shares with physmem,
 * in the order in which it would give them up. Physmem takes what lies on top without a message.
 *
 * S. Hand, "Self-paging in the Nemesis operating system", OSDI 1999: there revocation is transparent
 * if the frames on top are unused, and intrusive otherwise.
 *
 * Only unused frames are listed. A used one could not be taken without the task: its page would have
 * to be unmapped and perhaps written first. The eviction policy therefore keeps the order of used
 * frames; it knows it anyway when asked, and need not update it at every reference.
 *
 * A place holds one 32-bit word: nothing, or the number of a slot that is offered (plus one). Each
 * offer is claimed by compare and swap, by exactly one side: the task takes the word away before it
 * uses the frame or returns it by message; physmem marks it as taken before it takes the frame.
 * This way the side that loses a claim knows that the other has the frame, whatever the timing. The
 * places form a ring; `head` and `span` say where to look in it. They are hints, which lie when a
 * task lies; then physmem finds fewer frames. What else the task publishes stands here, too.
 *
 * Physmem must be able to read and write this memory whatever the task does: it makes it, seals its
 * size before the task sees it, and keeps the number of places to itself. It believes nothing that it
 * reads: an offered slot is looked up in its own books. Pure: memory only. */
#ifndef SHM_FRAME_STACK_H
#define SHM_FRAME_STACK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_STACK_NONE       UINT32_MAX
#define FRAME_STACK_PLACES_MAX 65536u /* 260 KiB at most for one task */

#define FRAME_STACK_EMPTY 0u
#define FRAME_STACK_TAKEN 0x80000000u /* with the word that was there */

/* Regions that a task tells of, those with the smallest numbers; it may have more. */
#define FRAME_STACK_REGIONS 16u

/* A region, as the task tells of it. Fields may be of slightly different moments. */
struct frame_stack_region {
    _Atomic uint32_t pages; /* 0: there is no region of this number */
    _Atomic uint32_t first; /* page, from the base on */
    _Atomic uint32_t resident;
    _Atomic uint32_t kind; /* enum sp_kind */
};

/* The shared memory. Filled with zeros it is an empty stack. The sides write to cache lines of their
 * own, but for the places. */
struct frame_stack {
    /* Written by the task alone. */
    _Atomic uint32_t head;       /* place of the frame that would go first */
    _Atomic uint32_t span;       /* places from there on that may hold an offer */
    _Atomic uint64_t ghost_hits; /* faults, ever, on pages that were evicted lately */
    _Atomic uint32_t demand; /* frames that the task would use now, in all; 0: it does not say */
    _Atomic uint64_t faults; /* these three: what it counts, as in struct sp_stats */
    _Atomic uint64_t swapped_out;
    _Atomic uint64_t swapped_in;
    _Atomic uint64_t base;    /* address of page 0 */
    _Atomic uint32_t regions; /* in all, now */
    uint8_t of_the_task[4];
    struct frame_stack_region region[FRAME_STACK_REGIONS];
    /* Written by physmem alone. */
    _Atomic uint32_t taken; /* frames, ever; modulo 2^32 */
    uint8_t of_physmem[60];
    /* Written by both, by compare and swap, but that the task alone fills an empty place. */
    _Atomic uint32_t place[];
};

_Static_assert(sizeof(struct frame_stack) == 64 + FRAME_STACK_REGIONS * 16 + 64,
               "cache lines of the task, one of physmem, then places");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2,
               "atomics work between processes only without locks");

/* Bytes of a stack with `places` places. */
static inline size_t frame_stack_size(uint32_t places)
{
    return sizeof(struct frame_stack) + (size_t)places * sizeof(uint32_t);
}

/* Places that fit into `bytes` bytes: at least one, at most FRAME_STACK_PLACES_MAX. */
static inline uint32_t frame_stack_places(size_t bytes)
{
    size_t places = (bytes - sizeof(struct frame_stack)) / sizeof(uint32_t);

    return places < FRAME_STACK_PLACES_MAX ? (uint32_t)places : FRAME_STACK_PLACES_MAX;
}

/* ---- The task's side ---- */

struct frame_offers {
    struct frame_stack *stack; /* NULL: there is none, and nothing is ever listed */
    uint32_t places;
    uint32_t head;
    uint32_t span;
    uint32_t live;  /* offers that were not claimed, and takings not noticed */
    uint32_t taken; /* takings noticed; modulo 2^32 */
};

/* Start with an empty stack, which stays mapped until the offers are of no use any more. */
void frame_stack_offers_init(struct frame_offers *offers, struct frame_stack *stack,
                             uint32_t places);

/* List a slot behind all others. Returns its place plus one, or 0: there is no stack, or no room. */
uint32_t frame_stack_offers_add(struct frame_offers *offers, uint32_t slot);

/* The place, plus one, and the slot at the head, if the ring has no room at its end though places in
 * its middle are empty; 0 else. Claimed and added again it makes room. */
uint32_t frame_stack_offers_in_the_way(const struct frame_offers *offers, uint32_t *slot);

/* Take back the offer of `slot` that frame_stack_offers_add put there. False if physmem has taken the
 * frame; that is then noticed. */
bool frame_stack_offers_claim(struct frame_offers *offers, uint32_t place_plus_one, uint32_t slot);

/* True if physmem has taken frames without it being noticed. Cheap. */
static inline bool frame_offers_were_taken(const struct frame_offers *offers)
{
    return offers->stack != NULL &&
           (int32_t)(atomic_load_explicit(&offers->stack->taken, memory_order_acquire) -
                     offers->taken) > 0;
}

/* Tell of faults on pages that were evicted lately, ever; if there is a stack. */
static inline void frame_stack_offers_tell_ghost_hits(struct frame_offers *offers, uint64_t hits)
{
    if (offers->stack != NULL)
        atomic_store_explicit(&offers->stack->ghost_hits, hits, memory_order_relaxed);
}

/* State how many frames the task would use now, in all; if there is a stack. */
static inline void frame_stack_offers_tell_demand(struct frame_offers *offers, uint32_t frames)
{
    if (offers->stack != NULL)
        atomic_store_explicit(&offers->stack->demand, frames, memory_order_relaxed);
}

/* Tell what the task has counted, each by its own function where it is counted; if there is a stack. */
static inline void frame_stack_offers_tell_faults(struct frame_offers *offers, uint64_t faults)
{
    if (offers->stack != NULL)
        atomic_store_explicit(&offers->stack->faults, faults, memory_order_relaxed);
}

static inline void frame_stack_offers_tell_swapped_out(struct frame_offers *offers, uint64_t pages)
{
    if (offers->stack != NULL)
        atomic_store_explicit(&offers->stack->swapped_out, pages, memory_order_relaxed);
}

static inline void frame_stack_offers_tell_swapped_in(struct frame_offers *offers, uint64_t pages)
{
    if (offers->stack != NULL)
        atomic_store_explicit(&offers->stack->swapped_in, pages, memory_order_relaxed);
}

/* Tell at which address page 0 lies; if there is a stack. */
static inline void frame_stack_offers_tell_base(struct frame_offers *offers, uint64_t address)
{
    if (offers->stack != NULL)
        atomic_store_explicit(&offers->stack->base, address, memory_order_relaxed);
}

/* Tell of region number `index`, or with 0 pages that there is none, and of how many there are in all; if there is
 * a stack. */
void frame_stack_offers_tell_region(struct frame_offers *offers, uint32_t index, uint32_t first,
                                    uint32_t pages, uint32_t kind, uint32_t regions);

/* Tell how many pages of it have a frame. */
static inline void frame_stack_offers_tell_resident(struct frame_offers *offers, uint32_t index,
                                                    uint32_t pages)
{
    if (offers->stack != NULL && index < FRAME_STACK_REGIONS)
        atomic_store_explicit(&offers->stack->region[index].resident, pages, memory_order_relaxed);
}

/* Notice all takings: `lost` is called for each slot. */
void frame_stack_offers_sweep(struct frame_offers *offers,
                              void (*lost)(void *context, uint32_t slot), void *context);

/* ---- Physmem's side ---- */

/* One walk from the top. */
struct frame_walk {
    struct frame_stack *stack;
    uint32_t places;
    uint32_t place;
    uint32_t left; /* places that are still to be looked at */
    uint32_t word; /* found there */
};

/* Start a walk that looks at up to `most` places. */
struct frame_walk frame_stack_walk_start(struct frame_stack *stack, uint32_t places, uint32_t most);

/* The next slot that is offered, which may be any number; FRAME_STACK_NONE at the end. */
uint32_t frame_stack_walk_next(struct frame_walk *walk);

/* Claim what frame_stack_walk_next found last. False if the task was faster. */
bool frame_stack_walk_claim(struct frame_walk *walk);

/* What the task says of itself: any number. */
static inline uint64_t frame_stack_ghost_hits(const struct frame_stack *stack)
{
    return atomic_load_explicit(&stack->ghost_hits, memory_order_relaxed);
}

/* What a task says that it has counted: any numbers. */
struct frame_stack_said {
    uint64_t faults;
    uint64_t swapped_out;
    uint64_t swapped_in;
};

static inline struct frame_stack_said frame_stack_said(const struct frame_stack *stack)
{
    return (struct frame_stack_said){
        .faults = atomic_load_explicit(&stack->faults, memory_order_relaxed),
        .swapped_out = atomic_load_explicit(&stack->swapped_out, memory_order_relaxed),
        .swapped_in = atomic_load_explicit(&stack->swapped_in, memory_order_relaxed),
    };
}

/* What a task says of a region: any numbers. */
struct frame_stack_region_said {
    uint64_t address;
    uint32_t pages; /* 0: nothing */
    uint32_t resident;
    uint32_t kind;
};

/* What it says of region number `index`, below FRAME_STACK_REGIONS; and how many it says there are in all. */
struct frame_stack_region_said frame_stack_region_said(const struct frame_stack *stack,
                                                       uint32_t index);
static inline uint32_t frame_stack_regions(const struct frame_stack *stack)
{
    return atomic_load_explicit(&stack->regions, memory_order_relaxed);
}

static inline uint32_t frame_stack_demand(const struct frame_stack *stack)
{
    return atomic_load_explicit(&stack->demand, memory_order_relaxed);
}

/* After a walk: tell the task how many frames were taken ever. */
void frame_stack_tell(struct frame_stack *stack, uint32_t taken);

#endif
