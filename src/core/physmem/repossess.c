/* A mapping can only be taken away with the whole extent that it lies in, or with all that lies behind it there: a page
 * that is merely cleared would silently read as zeros, and memory that was cut off an extent cannot come back. Frames
 * therefore go like this, and the task is told which slots had them:
 * - those of extents that were never mapped first, one by one;
 * - then the largest extent that has no more than is missing, again and again, if in the end that takes less beyond it;
 *   else the smallest extent that covers what is missing, or, while there is none, the largest there is. A task spreads
 *   its frames so that the first of these takes nothing beyond what is missing (pager_growth_spread);
 * - where that took more than is missing, the last frames of an extent, with which it is cut. Its slots from there on are
 *   of no use before all of it has been given up, which a pager knows: that is done to the container that the frame
 *   stack of a task is for, and to no other.
 * So no recall takes anything of what the task keeps, however many there are one after the other. */
#include "core/physmem/repossess.h"

#include "base/probe.h"
#include "core/physmem/books.h"
#include "core/physmem/emit.h"
#include "core/physmem/recall.h"
#include "core/physmem/slots.h"
#include "core/physmem/vital.h"

/* A task's extents, one after the other. */
struct extent_walk {
    struct container *container;
    struct extent *extent;
    uint32_t slot; /* from which the next is looked for */
};

/* The next extent that may be taken. */
static bool walk_on(struct extent_walk *walk, const struct physmem_task *task)
{
    while (walk->container != NULL) {
        walk->slot = container_skip(walk->container, walk->slot);
        if (walk->slot == walk->container->slots) {
            walk->container = walk->container->next;
            walk->slot = 0;
            continue;
        }
        check(walk->container->owner == task);
        walk->extent = container_extent(walk->container, walk->slot);
        walk->slot += walk->extent->pages;
        if (walk->extent->allocated > 0 && !walk->extent->pending &&
            !vital_in_extent(task, walk->container, walk->extent))
            return true;
    }
    return false;
}

static struct extent_walk walk_start(const struct physmem_task *task)
{
    return (struct extent_walk){.container = task->container_list};
}

/* What can be taken from a task. */
struct takeable {
    uint32_t loose;  /* frames of extents that were never mapped: these go one by one */
    uint32_t frames; /* these, and those of other extents */
    uint32_t with[EXTENT_PAGES + 1]; /* of the others, how many have so many frames */
};

/* Note an extent. */
static void takeable_add(struct takeable *takeable, const struct extent *extent)
{
    check(extent->allocated > 0 && extent->allocated <= EXTENT_PAGES);
    takeable->frames += extent->allocated;
    if (extent->handle == 0)
        takeable->loose += extent->allocated;
    else
        takeable->with[extent->allocated]++;
}

static struct takeable takeable_of(const struct physmem_task *task)
{
    struct extent_walk walk = walk_start(task);
    struct takeable takeable = {0};

    while (walk_on(&walk, task))
        takeable_add(&takeable, walk.extent);
    check(takeable.frames <= task->held);
    return takeable;
}

/* How many frames the extent that goes next has. If `sparing`, it is the fullest of those that have no more than is
 * missing, as long as there are any; otherwise the emptiest of those that have enough, as long as there are any. */
static uint32_t next_size(const struct takeable *takeable, uint32_t missing, bool sparing)
{
    uint32_t below = smaller(missing, EXTENT_PAGES);
    uint32_t enough = missing;

    check(missing > 0);
    while (below > 0 && takeable->with[below] == 0)
        below--;
    while (enough <= EXTENT_PAGES && takeable->with[enough] == 0)
        enough++;
    ensure(below > 0 || enough <= EXTENT_PAGES);
    return enough > EXTENT_PAGES || (sparing && below > 0) ? below : enough;
}

/* How many frames go beyond what is missing. */
static uint32_t taken_beyond(struct takeable takeable, uint32_t missing, bool sparing)
{
    uint32_t size = 0;

    for (missing -= smaller(missing, takeable.loose); missing > size; takeable.with[size]--) {
        missing -= size;
        size = next_size(&takeable, missing, sparing);
    }
    check(size == 0 || size >= missing);
    return size > 0 ? size - missing : 0;
}

/* What the task is told of the slots that one extent loses: pieces in physmem->item. */
struct told {
    uint32_t first;
    uint32_t count;
    uint32_t frames;
};

/* Begin to note slots of one extent, for which there is room: there are at most half as many pieces as there are slots.
 * False: there is no memory. */
static bool begin_telling(struct physmem *physmem, struct told *told)
{
    check(physmem->items <= UINT32_MAX - EXTENT_PAGES);
    *told = (struct told){.first = physmem->items};
    if (memory_reserve(physmem->allocator, &physmem->item, &physmem->item_capacity,
                       sizeof(*physmem->item), physmem->items + EXTENT_PAGES) == 0)
        return true;
    physmem->failed = true;
    return false;
}

/* Note one more slot. */
static void tell_slot(struct physmem *physmem, struct told *told, uint32_t slot)
{
    struct physmem_map_item *last;

    told->frames++;
    if (told->count > 0) {
        last = &physmem->item[told->first + told->count - 1];
        if (last->slot + last->count == slot) {
            last->count++;
            return;
        }
    }
    ensure(physmem->items < physmem->item_capacity);
    physmem->item[physmem->items++] = (struct physmem_map_item){.slot = slot, .count = 1};
    told->count++;
}

/* Tell the task what was noted. */
static void tell(struct physmem *physmem, const struct container *container,
                 const struct told *told, uint64_t id)
{
    struct physmem_effect *effect =
        emit_effect(physmem, PHYSMEM_SEND_REPOSSESSED, container->owner);

    check(told->count > 0 || told->frames == 0);
    effect->repossessed.id = id;
    effect->repossessed.container = container->handle;
    effect->repossessed.first = told->first;
    effect->repossessed.count = told->count;
    effect->repossessed.frames = told->frames;
}

/* Drop up to `most` frames of an extent in slots from `from` on, all with its soft ones if `whole`, and note them. Their
 * memory is gone. */
static void drop_told(struct physmem *physmem, const struct extent_walk *walk, uint32_t from,
                      uint32_t most, bool whole, struct told *told)
{
    struct extent *extent = walk->extent;
    uint32_t end = extent->number * EXTENT_PAGES + extent->pages;
    struct punch punch = {NULL};

    check(extent->handle == 0 || (extent->cut > 0 && from % EXTENT_PAGES == extent->cut));
    for (uint32_t slot = from; slot < end; slot++) {
        const struct container_slot *entry = extent_slot(extent, slot);

        if (entry->frame == SLOT_NO_FRAME || (!whole && (entry->soft || told->frames == most)))
            continue;
        if (!entry->soft)
            tell_slot(physmem, told, slot);
        slots_drop(physmem, walk->container, extent, slot, &punch);
    }
    ensure(punch.extent == NULL); /* there is no backing any more */
}

/* Take up to `most` frames of an extent, or, if it is backed, all of them with the backing. Returns how
 * many were held. */
static uint32_t take(struct physmem *physmem, struct physmem_task *task,
                     const struct extent_walk *walk, uint32_t most, uint64_t id)
{
    struct container *container = walk->container;
    bool whole = walk->extent->handle != 0 || most >= walk->extent->allocated;
    uint32_t first = walk->extent->number * EXTENT_PAGES;
    struct told told;

    check(most > 0);
    if (!begin_telling(physmem, &told))
        return 0;
    slots_extent_destroy(physmem, task, walk->extent);
    container->version++;
    drop_told(physmem, walk, first, most, whole, &told);
    tell(physmem, container, &told, id);
    container_extent_trim(physmem->allocator, container, first);
    return told.frames;
}

/* Whether extents of a container may be cut. A physmem that has its memory from another one cannot do it. */
static bool may_be_cut(const struct physmem *physmem, const struct container *container)
{
    const struct physmem_task *task = container->owner;

    check(container->handle != 0);
    return container->handle == task->stack_container && !container->blocks &&
           !physmem->config.stacked;
}

/* Whether a task has a container whose extents may be cut. */
static bool has_to_cut(const struct physmem *physmem, const struct physmem_task *task)
{
    const struct container *container = handles_object(&physmem->containers, task->stack_container);

    check(task->state == STANDING_THERE);
    return container != NULL && container->owner == task && may_be_cut(physmem, container);
}

/* The extent to cut for `frames` frames, and not for all it has: one that is cut already, or the emptiest. False: there is
 * none. */
static bool find_to_cut(const struct physmem *physmem, const struct physmem_task *task,
                        uint32_t frames, struct extent_walk *bestp)
{
    struct extent_walk walk = walk_start(task);

    check(frames > 0);
    bestp->extent = NULL;
    while (walk_on(&walk, task)) {
        const struct extent *best = bestp->extent;

        if (walk.extent->handle != 0 && walk.extent->allocated > frames &&
            may_be_cut(physmem, walk.container) &&
            (best == NULL || (walk.extent->cut > 0 && best->cut == 0) ||
             ((walk.extent->cut > 0) == (best->cut > 0) &&
              walk.extent->allocated < best->allocated)))
            *bestp = walk;
    }
    return bestp->extent != NULL;
}

/* The slot from which on an extent has `frames` frames. */
static uint32_t last_frames(struct extent *extent, uint32_t frames)
{
    uint32_t slot = extent->number * EXTENT_PAGES + extent->pages;

    check(frames > 0 && frames < extent->allocated);
    while (frames > 0)
        frames -= slot_is_allocated(extent_slot(extent, --slot));
    return slot;
}

/* Take the last `frames` frames of an extent, which has more. Returns them; 0: there is no memory to say so. */
static uint32_t take_last(struct physmem *physmem, const struct extent_walk *walk, uint32_t frames,
                          uint64_t id)
{
    uint32_t slot = last_frames(walk->extent, frames);
    struct told told;

    if (!begin_telling(physmem, &told))
        return 0;
    slots_extent_cut(physmem, walk->extent, slot);
    walk->container->version++;
    drop_told(physmem, walk, slot, frames, true, &told);
    ensure(told.frames == frames);
    tell(physmem, walk->container, &told, id);
    return frames;
}

/* Take the extent that goes next, or no more of one than is missing. Returns the frames taken. */
static uint32_t take_next(struct physmem *physmem, struct physmem_task *task, uint32_t missing,
                          bool sparing, uint64_t id)
{
    struct takeable takeable = takeable_of(task);
    struct extent_walk walk;
    uint32_t size = takeable.loose == 0 ? next_size(&takeable, missing, sparing) : 0;

    check(missing > 0);
    if (size > missing && find_to_cut(physmem, task, missing, &walk))
        return take_last(physmem, &walk, missing, id);
    walk = walk_start(task);
    while (walk_on(&walk, task))
        if (size == 0 ? walk.extent->handle == 0 : walk.extent->allocated == size)
            break;
    ensure(walk.container != NULL);
    return take(physmem, task, &walk, missing, id);
}

/* Frames were taken: they count against what is owed. */
static void count_taken(struct physmem *physmem, struct physmem_task *task, uint32_t taken)
{
    check(task->state == STANDING_THERE && (taken > 0 || physmem->failed));
    task->repossessed += taken;
    PROBE2(repossess, task->id, taken);
    physmem->counters.repossessed += taken;
    books_row_changed(physmem, task);
    books_availability_changed(physmem);
}

bool repossess_is_all(const struct physmem_task *task)
{
    bool all = task->contract_list != NULL;

    check(task->state == STANDING_THERE);
    for (const struct contract *c = task->contract_list; c != NULL && all; c = c->next)
        all = c->terms.on_breach == SP_BREACH_REPOSSESS;
    return all;
}

void repossess_extent(struct physmem *physmem, struct container *container, struct extent *extent)
{
    struct physmem_task *task = container->owner;
    struct extent_walk walk = {.container = container, .extent = extent};
    uint32_t taken;

    ensure(extent->handle != 0 && !extent->pending);
    taken = take(physmem, task, &walk, UINT32_MAX, 0);
    count_taken(physmem, task, taken);
    recall_pay(physmem, task, taken);
}

bool repossess_missing(struct physmem *physmem, struct recall *recall)
{
    struct physmem_task *task = recall_debtor(recall);
    uint64_t id = recall->id;
    uint32_t missing = recall->missing;
    uint32_t taken = 0;
    struct takeable takeable = takeable_of(task);
    bool sparing;

    check(recall->missing > 0);
    if (takeable.frames < missing)
        return false;
    sparing = taken_beyond(takeable, missing, true) < taken_beyond(takeable, missing, false) ||
              has_to_cut(physmem, task); /* what is then beyond stays */
    while (taken < missing && !physmem->failed)
        taken += take_next(physmem, task, missing - taken, sparing, id);
    count_taken(physmem, task, taken);
    if (!recall->overdue)
        recall_restart(physmem, recall); /* it was not met, however it ends */
    recall_settle(physmem, recall, smaller(taken, missing));
    recall_pay(physmem, task, taken - smaller(taken, missing));
    check(taken >= missing || physmem->failed);
    return true;
}
