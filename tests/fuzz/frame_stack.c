/* Any memory as a frame stack that a task wrote, while physmem walks it; and any memory as what
 * both sides left there, while the task adds, claims and sweeps. The input is the memory, in words,
 * and then bytes that say what happens. */
#include <stdlib.h>
#include <string.h>

#include "shm/frame_stack.h"

#define PLACES 24u
#define STEPS  64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct frame_stack *stack;
    const uint8_t *next;
    const uint8_t *end;
};

static uint32_t byte_next(struct world *world)
{
    return world->next < world->end ? *world->next++ : 0;
}

/* The other side writes anything into some word. */
static void meddle(struct world *world)
{
    uint32_t word = byte_next(world) * 0x01010101u;

    switch (byte_next(world) % 4) {
    case 0:
        atomic_store(&world->stack->head, word);
        break;
    case 1:
        atomic_store(&world->stack->span, word);
        break;
    default:
        atomic_store(&world->stack->place[byte_next(world) % PLACES], word);
    }
}

/* A walk looks at as many places as it was told to at most, whatever stands there. */
static void walk(struct world *world)
{
    uint32_t most = byte_next(world), looked = 0, slot;
    struct frame_walk walk = frame_stack_walk_start(world->stack, PLACES, most);

    while ((slot = frame_stack_walk_next(&walk)) != FRAME_STACK_NONE) {
        if (++looked > most || looked > PLACES)
            abort();
        if (byte_next(world) % 2)
            meddle(world);
        if (byte_next(world) % 2)
            frame_stack_walk_claim(&walk);
    }
    frame_stack_tell(world->stack, byte_next(world));
    (void)frame_stack_demand(world->stack);
    (void)frame_stack_ghost_hits(world->stack);
}

static void note_lost(void *context, uint32_t slot)
{
    unsigned *lost = context;

    (void)slot;
    if (++*lost > PLACES)
        abort(); /* more than there are places */
}

/* The task's side, which physmem's writes must not lead out of the stack. */
static void offer(struct world *world, struct frame_offers *offers)
{
    uint32_t slot = byte_next(world);
    unsigned lost = 0;
    uint32_t place;

    switch (byte_next(world) % 4) {
    case 0:
        place = frame_stack_offers_add(offers, slot);
        if (place > PLACES)
            abort();
        if (place > 0 && byte_next(world) % 2)
            frame_stack_offers_claim(offers, place, slot);
        break;
    case 1:
        frame_stack_offers_sweep(offers, note_lost, &lost);
        break;
    case 2:
        frame_stack_offers_in_the_way(offers, &slot);
        break;
    default:
        frame_stack_offers_tell_demand(offers, slot);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world world = {.next = data, .end = data + size};
    struct frame_offers offers;
    size_t bytes = frame_stack_size(PLACES);

    world.stack = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (world.stack == NULL)
        abort();
    memset(world.stack, 0, bytes);
    frame_stack_offers_init(&offers, world.stack, PLACES);
    for (unsigned i = 0; i < STEPS && world.next < world.end; i++)
        switch (byte_next(&world) % 3) {
        case 0:
            walk(&world);
            break;
        case 1:
            offer(&world, &offers);
            break;
        default: /* only physmem's walk must stand what is hostile */
            meddle(&world);
            walk(&world);
            memset(world.stack, 0, bytes);
            frame_stack_offers_init(&offers, world.stack, PLACES);
        }
    free(world.stack);
    return 0;
}
