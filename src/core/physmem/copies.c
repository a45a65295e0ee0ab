#include "core/physmem/copies.h"

#include "core/physmem/emit.h"

struct extent *copies_extent_new(struct physmem *physmem, struct physmem_task *task, uint32_t pages)
{
    struct extent *extent = container_clean_new(physmem->allocator, pages);
    struct physmem_effect *effect;

    check(task->state == STANDING_THERE);
    if (extent == NULL)
        return NULL;
    if (memory_reserve(physmem->allocator, &extent->clean->reader, &extent->clean->reader_capacity,
                       sizeof(*extent->clean->reader), 2) == 0)
        extent->handle = handles_new(&physmem->extents, extent);
    if (extent->handle == 0) {
        container_clean_free(physmem->allocator, extent);
        return NULL;
    }
    extent->pending = true;
    physmem->cleans++;
    effect = emit_effect(physmem, PHYSMEM_EXTENT_CREATE, task);
    effect->extent.extent = extent->handle;
    effect->extent.count = pages;
    return extent;
}

void copies_extent_end(struct physmem *physmem, struct extent *extent)
{
    struct physmem_effect *effect;

    ensure(extent->allocated == 0 && physmem->cleans > 0);
    if (!extent->pending) {
        effect = emit_effect(physmem, PHYSMEM_EXTENT_DESTROY, NULL);
        effect->extent.extent = extent->handle;
        effect->extent.descriptor = extent->descriptor;
        effect->extent.count = extent->pages;
    }
    handles_free(&physmem->extents, extent->handle);
    physmem->cleans--;
    container_clean_free(physmem->allocator, extent);
}

void copies_clear_unused(struct physmem *physmem, const struct extent *extent)
{
    const struct clean *clean = extent->clean;
    struct physmem_effect *effect = NULL;

    check(extent->handle != 0 && !extent->pending);
    for (uint32_t page = 0; page < extent->pages; page++) {
        if (clean->user[page] > 0) {
            effect = NULL;
            continue;
        }
        if (effect == NULL) {
            effect = emit_effect(physmem, PHYSMEM_EXTENT_PUNCH, NULL);
            effect->extent.extent = extent->handle;
            effect->extent.descriptor = extent->descriptor;
            effect->extent.offset = page;
        }
        effect->extent.count++;
    }
}

/* The reader of this number, at the first place from now on; NULL if there is none. */
static struct clean_reader *reader_find(struct clean *clean, uint32_t task)
{
    check(task > 0 && clean->readers <= clean->reader_capacity);
    for (uint32_t i = 0; i < clean->readers; i++) {
        const struct clean_reader found = clean->reader[i];

        if (found.task != task)
            continue;
        clean->reader[i] = clean->reader[0];
        clean->reader[0] = found;
        return &clean->reader[0];
    }
    return NULL;
}

/* Whether the task of this number is there. Tasks are listed by number, which is never used again. */
static bool is_there(const struct physmem *physmem, uint32_t id)
{
    uint32_t low = 0, high = physmem->tasks;

    check(id > 0);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (physmem->task[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < physmem->tasks && physmem->task[low]->id == id &&
           physmem->task[low]->state != STANDING_GONE;
}

/* Readers that are gone need no place. */
static void forget_gone(const struct physmem *physmem, struct clean *clean)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < clean->readers; i++)
        if (is_there(physmem, clean->reader[i].task))
            clean->reader[kept++] = clean->reader[i];
    check(kept <= clean->readers);
    clean->readers = kept;
}

int copies_reserve(struct physmem *physmem, struct extent *extent)
{
    struct clean *clean = extent->clean;
    uint32_t needed;

    ensure(clean != NULL);
    needed = clean->readers + 1;
    if (needed > clean->reader_capacity) {
        forget_gone(physmem, clean);
        /* A list that stayed nearly full would be looked through for every reader. */
        if (clean->readers <= clean->reader_capacity / 2)
            needed = clean->readers + 1;
    }
    return memory_reserve(physmem->allocator, &clean->reader, &clean->reader_capacity,
                          sizeof(*clean->reader), needed);
}

void copies_mark(struct extent *extent, uint32_t page, uint64_t pass)
{
    struct clean *clean = extent->clean;
    uint64_t bit = UINT64_C(1) << page % 64;

    ensure(page < extent->pages && clean->user[page] > 0);
    if (clean->pass != pass) {
        clean->pass = pass;
        clean->marked = 0;
        memset(clean->seen, 0, sizeof(clean->seen));
    }
    clean->marked += (clean->seen[page / 64] & bit) == 0;
    clean->seen[page / 64] |= bit;
    check(clean->marked <= extent->allocated);
}

bool copies_admit(struct extent *extent, const struct physmem_task *task, uint64_t pass)
{
    struct clean *clean = extent->clean;

    ensure(clean->pass == pass);
    clean->admitted = reader_find(clean, task->id) != NULL || clean->marked == extent->allocated;
    return clean->admitted;
}

/* The owner of a slot that is about to name a page becomes a reader. There is room. */
static void reader_add(const struct physmem *physmem, const struct extent *home,
                       struct clean *clean)
{
    const struct container *container = handles_object(&physmem->containers, home->container);
    const struct physmem_task *task;

    ensure(container != NULL);
    task = container->owner;
    if (reader_find(clean, task->id) != NULL)
        return;
    ensure(clean->readers < clean->reader_capacity);
    clean->reader[clean->readers++] = (struct clean_reader){.task = task->id};
}

static struct copied *copied_of(struct extent *home, uint32_t slot)
{
    check(extent_slot(home, slot)->copy && home->copied != NULL);
    return &home->copied[slot % EXTENT_PAGES];
}

struct extent *copies_extent(const struct physmem *physmem, struct extent *home, uint32_t slot)
{
    struct extent *clean = handles_object(&physmem->extents, copied_of(home, slot)->extent);

    ensure(clean != NULL && clean->clean != NULL);
    return clean;
}

/* The last effect, if it is of this kind and not taken yet; or NULL. */
static struct physmem_effect *last_effect(struct physmem *physmem, enum physmem_effect_kind kind)
{
    struct physmem_effect *effect;

    check(physmem->effect_next <= physmem->effects);
    if (physmem->effects == physmem->effect_next)
        return NULL;
    effect = &physmem->effect[physmem->effects - 1];
    return effect->kind == kind ? effect : NULL;
}

/* A page of a clean extent has no user any more. */
static void page_clear(struct physmem *physmem, struct extent *clean, uint32_t page)
{
    struct physmem_effect *effect = last_effect(physmem, PHYSMEM_EXTENT_PUNCH);

    check(clean->clean->user[page] == 0 && clean->allocated > 0);
    if (clean->clean->stored != NULL)
        stored_hide(&physmem->stored, &clean->clean->stored[page]);
    if (--clean->allocated == 0) {
        copies_extent_end(physmem, clean);
        return;
    }
    if (effect != NULL && effect->extent.extent == clean->handle &&
        effect->extent.offset + effect->extent.count == page) {
        effect->extent.count++;
        return;
    }
    effect = emit_effect(physmem, PHYSMEM_EXTENT_PUNCH, NULL);
    effect->extent.extent = clean->handle;
    effect->extent.descriptor = clean->descriptor;
    effect->extent.offset = page;
    effect->extent.count = 1;
}

/* A page has one user less. */
static void user_leaves(struct physmem *physmem, struct extent *clean, uint32_t page)
{
    uint32_t *user = &clean->clean->user[page];

    ensure(*user > 0);
    if (--*user == 1) {
        check(physmem->pages_shared > 0);
        physmem->pages_shared--;
    }
    if (*user == 0)
        page_clear(physmem, clean, page);
}

void copies_join(struct physmem *physmem, struct extent *home, uint32_t slot, struct extent *clean,
                 uint32_t page)
{
    struct container_slot *entry = extent_slot(home, slot);
    struct copied before;
    bool left = entry->copy;

    ensure(slot_is_allocated(entry) && home->copied != NULL && page < clean->pages);
    before = home->copied[slot % EXTENT_PAGES];
    reader_add(physmem, home, clean->clean);
    home->copied[slot % EXTENT_PAGES] = (struct copied){clean->handle, page};
    home->copies += !left;
    entry->copy = 1;
    check(entry->rights == 0 && !entry->unmapping); /* the request was checked */
    if (++clean->clean->user[page] == 1)
        clean->allocated++;
    else if (clean->clean->user[page] == 2)
        physmem->pages_shared++;
    /* After joining: it may be the same page. */
    if (left)
        user_leaves(physmem, handles_object(&physmem->extents, before.extent), before.page);
}

void copies_leave(struct physmem *physmem, struct extent *home, uint32_t slot)
{
    struct extent *clean = copies_extent(physmem, home, slot);

    ensure(home->copies > 0);
    home->copies--;
    extent_slot(home, slot)->copy = 0;
    user_leaves(physmem, clean, home->copied[slot % EXTENT_PAGES].page);
}

void copies_move(struct physmem *physmem, const struct extent *from, uint32_t from_page,
                 const struct extent *to, uint32_t to_page)
{
    struct physmem_effect *effect = last_effect(physmem, PHYSMEM_EXTENT_COPY);

    check(!from->pending && !to->pending && from_page < from->pages && to_page < to->pages);
    physmem->counters.moved++;
    if (effect != NULL && effect->move.from == from->handle && effect->move.to == to->handle &&
        effect->move.from_page + effect->move.count == from_page &&
        effect->move.to_page + effect->move.count == to_page) {
        effect->move.count++;
        return;
    }
    effect = emit_effect(physmem, PHYSMEM_EXTENT_COPY, NULL);
    effect->move.from = from->handle;
    effect->move.from_descriptor = from->descriptor;
    effect->move.from_page = from_page;
    effect->move.to = to->handle;
    effect->move.to_descriptor = to->descriptor;
    effect->move.to_page = to_page;
    effect->move.count = 1;
}

uint32_t copies_run(struct extent *home, uint32_t slot, uint32_t stop)
{
    const struct copied first = *copied_of(home, slot);
    uint32_t end = slot + 1;

    check(slot < stop && first.extent != 0);
    while (end < stop && extent_slot(home, end)->copy &&
           slot_is_allocated(extent_slot(home, end)) &&
           home->copied[end % EXTENT_PAGES].extent == first.extent &&
           home->copied[end % EXTENT_PAGES].page == first.page + (end - slot))
        end++;
    return end;
}

void copies_show(struct physmem *physmem, struct physmem_task *task, struct extent *extent)
{
    struct clean_reader *reader = reader_find(extent->clean, task->id);
    struct physmem_effect *effect;

    ensure(!extent->pending && reader != NULL);
    if (reader->shown)
        return;
    reader->shown = true;
    effect = emit_effect(physmem, PHYSMEM_EXTENT_SEND, task);
    effect->extent.extent = extent->handle;
    effect->extent.descriptor = extent->descriptor;
    effect->extent.count = extent->pages;
    effect->extent.read_only = true;
}

void copies_break(struct physmem *physmem, struct extent *home, uint32_t slot, uint32_t stop)
{
    ensure(home->handle != 0 && !home->pending);
    for (uint32_t s = slot; s < stop; s++)
        if (extent_slot(home, s)->copy)
            copies_move(physmem, copies_extent(physmem, home, s), copied_of(home, s)->page, home,
                        s % EXTENT_PAGES);
    for (uint32_t s = slot; s < stop; s++)
        if (extent_slot(home, s)->copy) {
            copies_leave(physmem, home, s);
            physmem->counters.broken++;
        }
}
