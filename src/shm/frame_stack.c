#include "shm/frame_stack.h"

#include <selfpage/contract.h>

#include "base/assert.h"

/* ---- The task's side ---- */

static void publish(struct frame_offers *offers)
{
    atomic_store_explicit(&offers->stack->head, offers->head, memory_order_relaxed);
    atomic_store_explicit(&offers->stack->span, offers->span, memory_order_release);
}

void frame_stack_offers_init(struct frame_offers *offers, struct frame_stack *stack,
                             uint32_t places)
{
    *offers = (struct frame_offers){.stack = stack, .places = places};
}

static uint32_t word_at(const struct frame_offers *offers, uint32_t place)
{
    return atomic_load_explicit(&offers->stack->place[place], memory_order_acquire);
}

/* Pass over places at the head that are empty. */
static void head_advance(struct frame_offers *offers)
{
    while (offers->span > 0 && word_at(offers, offers->head) == FRAME_STACK_EMPTY) {
        if (++offers->head == offers->places)
            offers->head = 0;
        offers->span--;
    }
    if (offers->span == 0) /* a short stack keeps to a few cache lines */
        offers->head = 0;
    publish(offers);
}

static void place_clear(struct frame_offers *offers, uint32_t place)
{
    atomic_store_explicit(&offers->stack->place[place], FRAME_STACK_EMPTY, memory_order_relaxed);
    offers->live--;
    offers->taken++;
}

uint32_t frame_stack_offers_add(struct frame_offers *offers, uint32_t slot)
{
    uint32_t place;

    if (offers->stack == NULL || offers->span == offers->places)
        return 0;
    place = (offers->head + offers->span) % offers->places;
    offers->span++;
    offers->live++;
    /* What was done to the frame happened before physmem finds it. */
    atomic_store_explicit(&offers->stack->place[place], slot + 1, memory_order_release);
    publish(offers);
    return place + 1;
}

uint32_t frame_stack_offers_in_the_way(const struct frame_offers *offers, uint32_t *slot)
{
    uint32_t word;

    if (offers->stack == NULL || offers->span < offers->places || offers->live == offers->places)
        return 0;
    word = word_at(offers, offers->head);
    *slot = (word & ~FRAME_STACK_TAKEN) - 1;
    return offers->head + 1;
}

bool frame_stack_offers_claim(struct frame_offers *offers, uint32_t place_plus_one, uint32_t slot)
{
    uint32_t place = place_plus_one - 1;
    uint32_t word = slot + 1;
    bool won = atomic_compare_exchange_strong_explicit(&offers->stack->place[place], &word,
                                                       FRAME_STACK_EMPTY, memory_order_acq_rel,
                                                       memory_order_acquire);

    if (won)
        offers->live--;
    else
        place_clear(offers, place);
    head_advance(offers);
    return won;
}

void frame_stack_offers_sweep(struct frame_offers *offers,
                              void (*lost)(void *context, uint32_t slot), void *context)
{
    for (uint32_t i = 0; i < offers->span && frame_offers_were_taken(offers); i++) {
        uint32_t place = (offers->head + i) % offers->places;
        uint32_t word = word_at(offers, place);

        if ((word & FRAME_STACK_TAKEN) == 0)
            continue;
        place_clear(offers, place);
        lost(context, (word & ~FRAME_STACK_TAKEN) - 1);
    }
    head_advance(offers);
}

void frame_stack_offers_tell_region(struct frame_offers *offers, uint32_t index, uint32_t first,
                                    uint32_t pages, uint32_t kind, uint32_t regions)
{
    struct frame_stack_region *region;

    if (offers->stack == NULL)
        return;
    atomic_store_explicit(&offers->stack->regions, regions, memory_order_relaxed);
    if (index >= FRAME_STACK_REGIONS)
        return;
    region = &offers->stack->region[index];
    atomic_store_explicit(&region->pages, 0, memory_order_relaxed);
    atomic_store_explicit(&region->resident, 0, memory_order_release);
    atomic_store_explicit(&region->first, first, memory_order_relaxed);
    atomic_store_explicit(&region->kind, kind, memory_order_relaxed);
    atomic_store_explicit(&region->pages, pages, memory_order_release);
}

/* ---- Physmem's side ---- */

struct frame_walk frame_stack_walk_start(struct frame_stack *stack, uint32_t places, uint32_t most)
{
    struct frame_walk walk = {.stack = stack, .places = places};

    walk.left = atomic_load_explicit(&stack->span, memory_order_acquire);
    walk.place = atomic_load_explicit(&stack->head, memory_order_relaxed) % places;
    if (walk.left > places)
        walk.left = places;
    if (walk.left > most)
        walk.left = most;
    /* So that the first step comes to the head. */
    walk.place = (walk.place + places - 1) % places;
    return walk;
}

uint32_t frame_stack_walk_next(struct frame_walk *walk)
{
    while (walk->left > 0) {
        walk->left--;
        walk->place = (walk->place + 1) % walk->places;
        walk->word = atomic_load_explicit(&walk->stack->place[walk->place], memory_order_acquire);
        if (walk->word != FRAME_STACK_EMPTY && (walk->word & FRAME_STACK_TAKEN) == 0)
            return walk->word - 1;
    }
    return FRAME_STACK_NONE;
}

bool frame_stack_walk_claim(struct frame_walk *walk)
{
    uint32_t word = walk->word;

    return atomic_compare_exchange_strong_explicit(&walk->stack->place[walk->place], &word,
                                                   word | FRAME_STACK_TAKEN, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

void frame_stack_tell(struct frame_stack *stack, uint32_t taken)
{
    atomic_store_explicit(&stack->taken, taken, memory_order_release);
}

struct frame_stack_region_said frame_stack_region_said(const struct frame_stack *stack,
                                                       uint32_t index)
{
    const struct frame_stack_region *region = &stack->region[index];
    struct frame_stack_region_said said = {
        .pages = atomic_load_explicit(&region->pages, memory_order_acquire)};
    uint32_t first = atomic_load_explicit(&region->first, memory_order_relaxed);

    check(index < FRAME_STACK_REGIONS);
    said.address =
        atomic_load_explicit(&stack->base, memory_order_relaxed) + (uint64_t)first * SP_PAGE_SIZE;
    said.resident = atomic_load_explicit(&region->resident, memory_order_relaxed);
    said.kind = atomic_load_explicit(&region->kind, memory_order_relaxed);
    return said;
}
