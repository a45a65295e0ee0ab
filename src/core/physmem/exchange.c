/* The request to exchange frames: some slots give theirs up, and as many others get frames for them. The task holds
 * as many frames as before, so no other task is asked for any, and none can get them in between. A physmem that
 * re-lets its frames moves them this way to where its own tasks
 * need them. */
#include "core/physmem/copies.h"
#include "core/physmem/emit.h"
#include "core/physmem/input.h"
#include "core/physmem/punch.h"
#include "core/physmem/settle.h"
#include "core/physmem/slots.h"

/* What stands in the way of an exchange. */
struct obstacle {
    int error;      /* 0: nothing */
    uint32_t count; /* slots before it */
    const char *text;
};

static bool is_allocated(const struct container *container, uint32_t slot)
{
    struct extent *extent = container_extent(container, slot);

    check(slot < container->slots);
    return extent != NULL && slot_is_allocated(extent_slot(extent, slot));
}

static bool is_hole(const struct container *container, uint32_t slot)
{
    struct extent *extent = container_extent(container, slot);

    check(slot < container->slots);
    return extent == NULL || extent_slot(extent, slot)->frame == SLOT_NO_FRAME;
}

static bool is_cut_off(const struct container *container, uint32_t slot)
{
    const struct extent *extent = container_extent(container, slot);

    check(slot < container->slots);
    return extent != NULL && extent_is_cut_at(extent, slot);
}

static struct obstacle find_obstacle(const struct container *from, const struct container *to,
                                     const struct physmem_exchange *exchange)
{
    check(exchange->count <= PHYSMEM_EXCHANGE_MAX);
    for (uint32_t i = 0; i < exchange->count; i++) {
        if (!is_allocated(from, exchange->from_start + i))
            return (struct obstacle){ENOENT, i, "a slot has no frame to give up"};
        if (!is_hole(to, exchange->to_start + i))
            return (struct obstacle){EEXIST, i, "a slot is occupied"};
        if (is_cut_off(to, exchange->to_start + i))
            return (struct obstacle){ENXIO, i, "the memory of a slot was taken by force"};
    }
    return (struct obstacle){.count = exchange->count};
}

/* Whether the slots are such as can be named at all. */
static bool is_within(const struct container *container, uint32_t start, uint32_t count)
{
    check(count <= PHYSMEM_EXCHANGE_MAX);
    return start < container->slots && count <= container->slots - start;
}

/* Make the tables of the slots that get frames. */
static bool tables_make(struct physmem *physmem, struct container *container, uint32_t start,
                        uint32_t count)
{
    bool made = true;

    check(count > 0);
    for (uint32_t slot = start; slot < start + count && made; slot = extent_end(slot, UINT32_MAX)) {
        struct extent *extent = container_extent_make(physmem->allocator, container, slot);

        made = extent != NULL;
        if (made)
            slots_extent_renew(physmem, container, extent);
    }
    return made;
}

/* Frames leave their slots. */
static void give_up(struct physmem *physmem, struct container *container, uint32_t start,
                    uint32_t count)
{
    uint32_t end = start + count;
    struct punch punch = {NULL};

    for (uint32_t slot = start, stop; slot < end; slot = stop) {
        struct extent *extent = container_extent(container, slot);

        stop = extent_end(slot, end);
        for (uint32_t s = slot; s < stop; s++)
            slots_drop(physmem, container, extent, s, &punch);
        punch_flush(physmem, &punch);
        slots_extent_audit(physmem, extent);
    }
    check(container->allocated <= container->slots);
}

/* Free tables of slots that turned out to be of no use any more. */
static void tables_trim(struct physmem *physmem, struct container *container, uint32_t start,
                        uint32_t count)
{
    check(count > 0);
    for (uint32_t slot = start; slot < start + count; slot = extent_end(slot, UINT32_MAX))
        container_extent_trim(physmem->allocator, container, slot);
}

/* Frames come to holes. Returns whether the pages are known to hold zeros. */
static bool fill(struct physmem *physmem, struct container *container, uint32_t start,
                 uint32_t count)
{
    struct physmem_task *task = container->owner;
    bool zeroed = true;

    for (uint32_t slot = start; slot < start + count; slot++) {
        struct extent *extent = container_extent(container, slot);
        uint32_t frame = frame_table_take(&physmem->frames, 0, 0, container->handle, slot);

        ensure(frame != BUDDY_NONE); /* as many have just become free */
        container_slot_fill(container, extent, slot, frame);
        task->held++;
        zeroed = zeroed && extent->handle == 0;
    }
    return zeroed;
}

void physmem_exchange(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                      const struct physmem_exchange *exchange)
{
    struct container *from, *to;
    struct obstacle obstacle;
    struct physmem_effect *effect;
    uint32_t held;

    if (!input_begin(physmem, now, request))
        return;
    from = input_container(physmem, request, exchange->from);
    to = from != NULL ? input_container(physmem, request, exchange->to) : NULL;
    if (to == NULL)
        return;
    if (exchange->count == 0 || exchange->count > PHYSMEM_EXCHANGE_MAX ||
        !is_within(from, exchange->from_start, exchange->count) ||
        !is_within(to, exchange->to_start, exchange->count)) {
        emit_done(physmem, request, EINVAL, 0,
                  "1 to 256 slots, all within their containers, can be exchanged at once");
        return;
    }
    obstacle = find_obstacle(from, to, exchange);
    if (obstacle.error == 0 && !tables_make(physmem, to, exchange->to_start, exchange->count))
        obstacle = (struct obstacle){ENOMEM, 0, "physmem has no memory for its tables"};
    if (obstacle.error != 0) {
        tables_trim(physmem, to, exchange->to_start, exchange->count);
        emit_done(physmem, request, obstacle.error, obstacle.count, obstacle.text);
        return;
    }
    held = request->task->held;
    from->version++;
    to->version += to != from;
    give_up(physmem, from, exchange->from_start, exchange->count);
    effect = emit_reply(physmem, PHYSMEM_REPLY_ALLOCATED, request, 0, NULL);
    effect->allocated.count = exchange->count;
    effect->allocated.zeroed = fill(physmem, to, exchange->to_start, exchange->count);
    tables_trim(physmem, from, exchange->from_start, exchange->count);
    ensure(request->task->held == held);
    settle_input(physmem);
}
