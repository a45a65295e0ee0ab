#include "core/physmem/upstream.h"

#include "core/physmem/copies.h"
#include "core/physmem/input.h"
#include "core/physmem/life.h"
#include "core/physmem/pool.h"
#include "core/physmem/promises.h"
#include "core/physmem/repossess.h"
#include "core/physmem/revoke.h"
#include "core/physmem/rights.h"
#include "core/physmem/settle.h"

int upstream_start(struct physmem *physmem)
{
    check(!deadline_is_running(&physmem->upstream.deadline));
    physmem->upstream.deadline.purpose = PURPOSE_UPSTREAM;
    return deadlines_reserve(&physmem->deadlines, 1);
}

void upstream_end(struct physmem *physmem)
{
    deadlines_stop(&physmem->deadlines, &physmem->upstream.deadline);
    check(!deadline_is_running(&physmem->upstream.deadline));
}

uint64_t physmem_upstream_grace(uint64_t grace_ns)
{
    check(grace_ns / 4 < grace_ns || grace_ns == 0);
    return grace_ns - grace_ns / 4;
}

/* ---- What is promised above ---- */

/* The contract that began last, of all that promise frames and are no parts; NULL: there is none. */
static struct contract *youngest(const struct physmem *physmem)
{
    struct contract *last = NULL;

    for (const struct physmem_task *task = physmem->first; task != NULL; task = task->next)
        for (struct contract *c = task->contract_list; c != NULL; c = c->next)
            if (c->state == SP_CONTRACT_ACTIVE && c->part == NULL &&
                contract_is_committed(&c->terms) && (last == NULL || c->begins >= last->begins))
                last = c;
    check(last == NULL || last->state == SP_CONTRACT_ACTIVE);
    return last;
}

void physmem_upstream_promised(struct physmem *physmem, uint64_t now, uint32_t frames,
                               uint64_t ends)
{
    input_advance(physmem, now);
    ensure(physmem->config.stacked && frames <= physmem->config.frames);
    physmem->upstream.ends = ends;
    physmem->upstream.committed = frames;
    physmem->upstream.refused = false;
    while (physmem->guaranteed + physmem->leased > frames_promisable(physmem)) {
        struct contract *contract = youngest(physmem);

        ensure(contract != NULL);
        life_retire(physmem, contract, true);
        promises_tell(physmem, contract, 0, SP_REASON_UPSTREAM);
    }
    books_availability_changed(physmem);
    settle_input(physmem);
}

/* ---- Frames come and go ---- */

void physmem_upstream_granted(struct physmem *physmem, uint64_t now, uint32_t frames)
{
    struct upstream_state *upstream = &physmem->upstream;

    input_advance(physmem, now);
    ensure(frames <= upstream->asked);
    upstream->refused = frames < upstream->asked;
    upstream->asked = 0;
    pool_grow(physmem, frames);
    if (frames > 0)
        physmem->recalled_for_extra = true; /* they were fetched for tasks that were refused some */
    settle_input(physmem);
}

void physmem_upstream_available(struct physmem *physmem, uint64_t now)
{
    input_advance(physmem, now);
    check(physmem->config.stacked);
    physmem->upstream.refused = false;
    settle_input(physmem);
}

void physmem_upstream_recalled(struct physmem *physmem, uint64_t now, uint32_t frames,
                               uint64_t grace_ns)
{
    uint64_t least = grace_ns - grace_ns / 8;
    uint32_t there;

    input_advance(physmem, now);
    check(physmem->config.stacked);
    there = frames_there(physmem) - physmem->upstream.due;
    frames = smaller(frames, there);
    if (frames == 0)
        return;
    pool_owe(physmem, frames,
             least < DEADLINE_NEVER - physmem->now ? physmem->now + least : DEADLINE_NEVER - 1);
    settle_input(physmem);
}

void physmem_upstream_taken(struct physmem *physmem, uint64_t now, uint32_t frames)
{
    uint32_t due = physmem->upstream.due;

    check(physmem->config.stacked);
    physmem->upstream.refused = false; /* what is promised can be had again */
    physmem_upstream_recalled(physmem, now, frames > due ? frames - due : 0, 0);
}

/* ---- Rights ---- */

/* What the physmem above wants unmapped. */
struct wanted_back {
    struct physmem *physmem;
    const struct extent *extent;
    uint32_t page;
    uint32_t count;
    uint64_t grace_ns;
    uint32_t token;
    uint32_t asked;
};

/* Whether a slot is mapped, and shows one of the pages. */
static bool shows(const struct wanted_back *wanted, struct extent *home, uint32_t slot)
{
    const struct container_slot *entry = extent_slot(home, slot);
    uint32_t page = slot % EXTENT_PAGES;

    check(wanted->count > 0);
    if (entry->frame == SLOT_NO_FRAME || (entry->rights == 0 && !entry->unmapping))
        return false;
    if (entry->copy) {
        if (copies_extent(wanted->physmem, home, slot) != wanted->extent)
            return false;
        page = home->copied[slot % EXTENT_PAGES].page;
    } else if (home != wanted->extent) {
        return false;
    }
    return page >= wanted->page && page - wanted->page < wanted->count;
}

/* Ask the owner of a container for the slots of one home that show the pages. */
static void ask_home(struct wanted_back *wanted, struct container *container, uint32_t slot,
                     uint32_t stop)
{
    struct extent *home = container_extent(container, slot);

    check(slot < stop && slot / EXTENT_PAGES == (stop - 1) / EXTENT_PAGES);
    while (slot < stop) {
        struct physmem_range run = {slot, 0};

        while (slot < stop && shows(wanted, home, slot))
            slot++;
        run.count = slot - run.start;
        if (run.count > 0)
            wanted->asked += rights_ask_back_above(wanted->physmem, container->owner, container,
                                                   run, wanted->grace_ns, wanted->token);
        else
            slot++;
    }
}

/* Ask a task for all its slots that show pages of a clean extent. */
static void ask_reader(struct wanted_back *wanted, const struct physmem_task *task)
{
    check(wanted->extent->clean != NULL);
    for (struct container *c = task->container_list; c != NULL; c = c->next)
        for (uint32_t slot = 0; (slot = container_skip(c, slot)) < c->slots;) {
            uint32_t stop = extent_end(slot, c->slots);

            if (container_extent(c, slot)->copies > 0)
                ask_home(wanted, c, slot, stop);
            slot = stop;
        }
}

uint32_t physmem_upstream_unmap(struct physmem *physmem, uint64_t now, uint32_t handle,
                                uint32_t page, uint32_t count, uint64_t grace_ns, uint32_t token)
{
    struct extent *extent = handles_object(&physmem->extents, handle);
    struct wanted_back wanted = {physmem, extent, page, count, physmem_upstream_grace(grace_ns),
                                 token,   0};
    struct container *container;
    uint32_t first;

    input_advance(physmem, now);
    ensure(physmem->config.stacked && token != 0);
    if (extent == NULL || page >= EXTENT_PAGES || count == 0 || count > EXTENT_PAGES - page)
        return 0;
    if (extent->clean != NULL) {
        for (struct physmem_task *task = physmem->first; task != NULL; task = task->next)
            ask_reader(&wanted, task);
        return wanted.asked;
    }
    container = handles_object(&physmem->containers, extent->container);
    ensure(container != NULL);
    first = extent->number * EXTENT_PAGES;
    if (container->owner != &physmem->nobody && page < extent->pages)
        ask_home(&wanted, container, first + page, first + smaller(page + count, extent->pages));
    return wanted.asked;
}

/* ---- By force ---- */

/* Everything is taken from a task, for what has happened above. */
static void take_all(struct physmem *physmem, struct physmem_task *task, uint32_t missing)
{
    revoke_breach(physmem, task, SP_REASON_UPSTREAM, task->held, missing);
    check(task->held == 0);
}

/* Whether a task should lose its frames rather than another one: it is late with more, or owes more, or has more beyond
 * its commitment, or has more in all. A task that still has time has done nothing wrong, however much it owes. */
static bool goes_before(const struct physmem_task *task, const struct physmem_task *other)
{
    check(task->owed <= task_excess(task));
    if (task->overdue != other->overdue)
        return task->overdue > other->overdue;
    if (task->owed != other->owed)
        return task->owed > other->owed;
    if (task_excess(task) != task_excess(other))
        return task_excess(task) > task_excess(other);
    return task->held > other->held;
}

/* Revoke tasks until `frames` frames are free. */
static void take_frames(struct physmem *physmem, uint32_t frames)
{
    while (frames_available(physmem) < frames) {
        struct physmem_task *worst = physmem->first;

        ensure(worst != NULL); /* without tasks everything would be free */
        for (struct physmem_task *task = worst->next; task != NULL; task = task->next)
            if (goes_before(task, worst))
                worst = task;
        take_all(physmem, worst, frames - frames_available(physmem));
    }
}

void upstream_due(struct physmem *physmem)
{
    uint32_t frames = 0;

    for (unsigned i = 0; i < UPSTREAM_RECALLS; i++)
        if (physmem->upstream.recall[i].missing > 0 &&
            physmem->upstream.recall[i].when <= physmem->now)
            frames += physmem->upstream.recall[i].missing;
    ensure(frames > 0);
    take_frames(physmem, frames);
    pool_settle(physmem);
}

/* Whether a task has a page in a clean extent. */
static bool names_pages(const struct physmem *physmem, const struct physmem_task *task,
                        const struct extent *clean)
{
    for (const struct container *c = task->container_list; c != NULL; c = c->next)
        for (uint32_t slot = 0; (slot = container_skip(c, slot)) < c->slots; slot++) {
            struct extent *extent = container_extent(c, slot);

            if (extent_slot(extent, slot)->copy && copies_extent(physmem, extent, slot) == clean)
                return true;
        }
    check(clean->clean != NULL);
    return false;
}

/* A home is lost: to its task, or with its task. */
static void take_extent(struct physmem *physmem, struct container *container, struct extent *extent)
{
    struct physmem_task *task = container->owner;

    ensure(extent->clean == NULL && !extent->pending);
    if (task == &physmem->nobody)
        return;
    if (repossess_is_all(task))
        repossess_extent(physmem, container, extent);
    else
        take_all(physmem, task, extent->allocated);
}

void physmem_upstream_lost(struct physmem *physmem, uint64_t now, uint32_t handle)
{
    struct extent *extent = handles_object(&physmem->extents, handle);
    struct physmem_task *task, *next;
    struct container *container;

    input_advance(physmem, now);
    if (extent == NULL)
        return;
    if (extent->clean == NULL) {
        container = handles_object(&physmem->containers, extent->container);
        ensure(container != NULL);
        take_extent(physmem, container, extent);
        settle_input(physmem);
        return;
    }
    for (task = physmem->first; task != NULL; task = next) {
        next = task->next;
        if (handles_object(&physmem->extents, handle) == extent && extent->clean != NULL &&
            names_pages(physmem, task, extent))
            take_all(physmem, task, extent->allocated);
    }
    settle_input(physmem);
}

void physmem_upstream_gone(struct physmem *physmem, uint64_t now)
{
    input_advance(physmem, now);
    check(physmem->config.stacked);
    while (physmem->first != NULL)
        take_all(physmem, physmem->first, physmem->first->held);
    settle_input(physmem);
}
