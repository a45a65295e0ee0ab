/* The request to have pages back: what is still in memory first, then what must be loaded. It is looked at from the
 * start whenever something that it waited for has come. */
#include "core/physmem/swap_in.h"

#include "core/physmem/copies.h"
#include "core/physmem/emit.h"
#include "core/physmem/input.h"
#include "core/physmem/punch.h"
#include "core/physmem/settle.h"
#include "core/physmem/soft.h"
#include "core/physmem/swap.h"
#include "core/physmem/swapping.h"

/* Most pages of an account that are being loaded for other tasks when one more of these may begin. A load has up to
 * PHYSMEM_SWAP_MAX pages, and each may be a request of the account's own; the swap server takes 256 that it has not
 * answered, and ends a client that sends more. */
#define LOADING_MOST 128u

/* A request that is being looked at. */
struct look {
    struct physmem *physmem;
    struct physmem_task *task;
    struct swapping *swapping;
    struct container *container;
};

static struct stored_reference *reference_of(const struct look *look, uint32_t i)
{
    check(i < look->swapping->count);
    return stored_find(&look->physmem->stored, look->swapping->account, look->swapping->number[i]);
}

/* The page of slot i is back: its number is used up. */
static void use_up(const struct look *look, uint32_t i)
{
    struct stored_reference *reference = reference_of(look, i);

    ensure(reference != NULL);
    look->swapping->number[i] = 0;
    swapping_release(look->physmem, reference);
}

/* Take back the soft frame of slot i if that still has this very page. Returns 0; ENOENT: the slot has no frame;
 * EBUSY or ENOMEM. *backp: it is back. */
static int recover(const struct look *look, uint32_t i, bool *backp)
{
    uint32_t slot = look->swapping->start + i;
    struct extent *extent = container_extent(look->container, slot);
    const struct container_slot *entry;
    int error = 0;

    *backp = false;
    if (extent == NULL || extent_slot(extent, slot)->frame == SLOT_NO_FRAME)
        return ENOENT;
    entry = extent_slot(extent, slot);
    if (slot_is_allocated(entry))
        return entry->rights != 0 || entry->unmapping ? EBUSY : 0;
    check(entry->soft);
    if (extent->swapped == NULL ||
        extent->swapped[slot % EXTENT_PAGES] != reference_of(look, i)->serial)
        return ENOENT;
    error = soft_recover(look->physmem, look->container, slot);
    *backp = error == 0;
    return error;
}

/* Take back what can be taken back softly. Returns 0 if all other slots have frames, or what is in the way. */
static int recover_all(const struct look *look)
{
    int worst = 0;

    for (uint32_t i = 0; i < look->swapping->count; i++) {
        bool back;
        int error;

        if (look->swapping->number[i] == 0)
            continue;
        error = recover(look, i, &back);
        if (back) {
            look->container->version++;
            look->physmem->counters.swap_recovered++;
            use_up(look, i);
        } else if (error != 0 && (worst == 0 || error != ENOENT)) {
            worst = error;
        }
    }
    check(worst >= 0);
    return worst;
}

/* Slot i names a page of a clean extent from now on; there is room for that. What it holds at home is cleared. */
static void name_page(const struct look *look, uint32_t i, struct extent *clean, uint32_t page)
{
    uint32_t slot = look->swapping->start + i;
    struct extent *home = container_extent(look->container, slot);
    struct punch punch = {.when = PUNCH_LATER};
    bool was_home = !extent_slot(home, slot)->copy;

    check(slot_is_allocated(extent_slot(home, slot)));
    copies_join(look->physmem, home, slot, clean, page);
    if (was_home)
        punch_add(look->physmem, &punch, home, slot);
    punch_flush(look->physmem, &punch);
    look->container->version++;
}

/* The clean extent that shows the page of slot i in memory; NULL: none does. */
static struct extent *shown_by(const struct look *look, uint32_t i)
{
    const struct stored_reference *reference =
        look->swapping->number[i] != 0 ? reference_of(look, i) : NULL;
    struct extent *extent;

    if (reference == NULL || reference->page->extent == 0)
        return NULL;
    extent = handles_object(&look->physmem->extents, reference->page->extent);
    ensure(extent != NULL && extent->clean != NULL);
    return extent;
}

/* Let slots name pages that memory still shows, as far as their owner may read them. Returns 0 or ENOMEM. */
static int join_shown(const struct look *look)
{
    uint64_t pass = ++look->physmem->copy_pass;

    for (uint32_t i = 0; i < look->swapping->count; i++) {
        struct extent *clean = shown_by(look, i);

        if (clean == NULL)
            continue;
        copies_mark(clean, reference_of(look, i)->page->offset, pass);
        if (copies_reserve(look->physmem, clean) != 0 ||
            container_extent_copied(look->physmem->allocator,
                                    container_extent(look->container, look->swapping->start + i)) !=
                0)
            return ENOMEM;
    }
    for (uint32_t i = 0; i < look->swapping->count; i++) {
        struct extent *clean = shown_by(look, i);

        if (clean == NULL || !copies_admit(clean, look->task, pass))
            continue;
        name_page(look, i, clean, reference_of(look, i)->page->offset);
        look->physmem->counters.swap_shown++;
        use_up(look, i);
    }
    check(look->swapping->loads == 0);
    return 0;
}

/* Whether loads of other tasks under way are in the way of one of a page. */
static bool is_busy(const struct look *look, const struct stored_page *page)
{
    check(page->account->loading <= page->account->pages);
    return page->loading ||
           (page->account != look->swapping->account && page->account->loading >= LOADING_MOST);
}

/* The request that has waited longest for a page; NULL: none waits. */
static const struct swapping *first_waiting(const struct look *look, const struct stored_page *page)
{
    const struct stored_account *account =
        handles_object(&look->physmem->stored.accounts, page->waiter);
    const struct physmem_task *task = account != NULL ? account->task : NULL;

    check(task == NULL || task->swapping != NULL);
    if (task == NULL || task->swapping->step != SWAPPING_OTHERS ||
        task->swapping->turn != page->turn)
        return NULL;
    return task->swapping;
}

/* Whether a page has to be waited for: another task is having it loaded, or has waited for longer, so that a request that
 * is made again and again keeps no other one from the page. */
static bool must_wait(const struct look *look, struct stored_page *page)
{
    const struct swapping *first = first_waiting(look, page);
    bool later = first != NULL && first->turn < look->swapping->turn;

    if (!later && !is_busy(look, page))
        return false;
    if (!later) {
        page->waiter = look->swapping->account->handle;
        page->turn = look->swapping->turn;
    }
    check(page->turn <= look->swapping->turn);
    return true;
}

/* Choose what to load: the pages that others have, too, or else the rest, so that what comes back shared has an
 * extent of its own. Returns 0, or EIO (a page is lost) or EAGAIN (others have to be waited for). */
static int choose(const struct look *look)
{
    struct swapping *swapping = look->swapping;
    bool shared = false;

    swapping->loads = 0;
    for (uint32_t i = 0; i < swapping->count; i++) {
        struct stored_page *page = swapping->number[i] != 0 ? reference_of(look, i)->page : NULL;

        if (page == NULL)
            continue;
        if (page->state == STORED_LOST)
            return EIO;
        if (must_wait(look, page))
            return EAGAIN;
        shared |= page->references > 1;
    }
    for (uint32_t i = 0; i < swapping->count; i++)
        if (swapping->number[i] != 0 && (reference_of(look, i)->page->references > 1) == shared)
            swapping->load[swapping->loads++] = i;
    check(swapping->loads <= swapping->count);
    return 0;
}

/* Ask for an extent for the pages that were chosen. Two slots may want one page: it is loaded once, and the second
 * slot has its turn when it is there. Returns 0 or ENOMEM. */
static int ask_extent(const struct look *look)
{
    struct swapping *swapping = look->swapping;
    struct extent *extent;
    uint32_t kept = 0;

    for (uint32_t k = 0; k < swapping->loads; k++) {
        struct stored_page *page = reference_of(look, swapping->load[k])->page;

        if (page->loading)
            continue;
        swapping_mark(page, true);
        swapping->load[kept++] = swapping->load[k];
    }
    ensure(kept > 0);
    swapping->loads = kept;
    extent = copies_extent_new(look->physmem, look->task, kept);
    if (extent == NULL) {
        swapping_unload(look->physmem, swapping);
        return ENOMEM;
    }
    extent->number = look->task->id;
    swapping->extent = extent->handle;
    swapping->step = SWAPPING_EXTENT;
    return 0;
}

static const char *text_of(int error)
{
    check(error > 0);
    switch (error) {
    case ENOENT:
        return "some slots have no frame: allocate, and ask again";
    case EBUSY:
        return "the task still has rights to a slot: give them up first";
    case EIO:
        return "a page cannot be had back from swap: it cannot be read, or is not what was stored";
    case ENOMEM:
        return "not within what the contracts allow now, or physmem has no memory";
    case ETIMEDOUT:
        return "the swap server does not answer: try again";
    default:
        return "physmem could not make an extent to load into";
    }
}

void swap_in_go_on(struct physmem *physmem, struct physmem_task *task)
{
    struct swapping *swapping = task->swapping;
    struct look look = {physmem, task, swapping,
                        handles_object(&physmem->containers, swapping->container)};
    int error;

    check(swapping->in && swapping->loads == 0);
    if (look.container == NULL || look.container->owner != task ||
        container_is_locked(look.container)) {
        swapping_answer(physmem, task, EBUSY, "the container is gone, or locked");
        return;
    }
    error = recover_all(&look);
    if (error == 0)
        error = join_shown(&look);
    if (error == 0)
        error = choose(&look);
    if (error == EAGAIN) {
        swapping->step = SWAPPING_OTHERS;
        return;
    }
    if (error == 0 && swapping->loads > 0)
        error = ask_extent(&look);
    if (error != 0 || swapping->loads == 0)
        swapping_answer(physmem, task, error, error != 0 ? text_of(error) : NULL);
    if (error != 0)
        swapping->loads = 0;
}

void physmem_swap_in(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                     uint32_t handle, uint32_t start, const uint32_t *numbers, uint32_t count)
{
    const struct physmem_range range = {start, count};
    struct container *container = input_ranges(physmem, now, request, handle, &range, 1);
    struct physmem_task *task = request->task;

    if (container == NULL || !swapping_begin(physmem, request) ||
        !swapping_numbers_fit(physmem, request, numbers, count))
        return;
    if (swapping_open(physmem, task) != 0) {
        emit_done(physmem, request, ENOMEM, 0, "physmem has no memory for a request to swap");
        return;
    }
    *task->swapping = (struct swapping){.account = task->swapping->account,
                                        .step = SWAPPING_OTHERS,
                                        .in = true,
                                        .control = request->control,
                                        .seq = request->seq,
                                        .container = handle,
                                        .turn = ++physmem->swap_turn,
                                        .start = start,
                                        .count = count};
    memcpy(task->swapping->number, numbers, count * sizeof(*numbers));
    check(container->owner == task);
    swap_in_go_on(physmem, task);
    settle_input(physmem);
}

/* The task whose request an extent was made for; NULL: none. */
static struct physmem_task *waiting_task(const struct physmem *physmem, const struct extent *extent)
{
    struct physmem_task *task = physmem->first;

    check(extent->clean != NULL);
    while (task != NULL && task->id != extent->number)
        task = task->next;
    if (task == NULL || !swapping_waits(task) || task->swapping->step != SWAPPING_EXTENT ||
        task->swapping->extent != extent->handle)
        return NULL;
    return task;
}

bool swap_in_extent(struct physmem *physmem, struct extent *extent, uint32_t descriptor, int error)
{
    struct physmem_task *task = waiting_task(physmem, extent);
    uint32_t first = physmem->items;
    struct swapping *swapping;
    struct physmem_effect *effect;

    if (task == NULL)
        return false;
    swapping = task->swapping;
    ensure(extent->pending && extent->allocated == 0);
    if (error == 0) {
        extent->pending = false;
        extent->descriptor = descriptor;
    }
    if (error == 0 && memory_reserve(physmem->allocator, &physmem->item, &physmem->item_capacity,
                                     sizeof(*physmem->item), first + swapping->loads) != 0)
        error = ENOMEM;
    if (error != 0) {
        bool made = !extent->pending;

        swapping_unload(physmem, swapping); /* with the extent, if it was made */
        if (!made)
            copies_extent_end(physmem, extent);
        swapping_answer(physmem, task, error, text_of(error));
        return true;
    }
    for (uint32_t i = 0; i < swapping->loads; i++) {
        const struct stored_page *page =
            stored_find(&physmem->stored, swapping->account, swapping->number[swapping->load[i]])
                ->page;

        physmem->item[physmem->items++] =
            (struct physmem_map_item){.slot = page->handle,
                                      .count = 1,
                                      .extent = page->slot,
                                      .offset = i,
                                      .descriptor = page->account->handle};
    }
    swapping->version =
        ((struct container *)handles_object(&physmem->containers, swapping->container))->version;
    swapping->step = SWAPPING_LOAD;
    extent->clean->filling = true;
    effect = emit_effect(physmem, PHYSMEM_SWAP_LOAD, task);
    effect->load.account = swapping->account->handle;
    effect->load.extent = extent->handle;
    effect->load.descriptor = descriptor;
    effect->load.first = first;
    effect->load.count = swapping->loads;
    return true;
}

/* The pages that were loaded without an error are named by their slots. Returns EIO or ETIMEDOUT if there were others, EBUSY if the
 * slots are not as they were, ENOMEM, or 0. */
static int take_loaded(const struct look *look, struct extent *extent, const uint32_t *errors)
{
    struct swapping *swapping = look->swapping;
    int worst = 0;

    if (look->container == NULL || look->container->version != swapping->version)
        return EBUSY;
    if (container_clean_stored(look->physmem->allocator, extent) != 0)
        return ENOMEM;
    for (uint32_t k = 0; k < swapping->loads; k++) {
        uint32_t i = swapping->load[k];
        struct stored_page *page = reference_of(look, i)->page;
        struct extent *home = container_extent(look->container, swapping->start + i);

        if (errors[k] != 0 || home == NULL ||
            !slot_is_allocated(extent_slot(home, swapping->start + i)) ||
            extent_slot(home, swapping->start + i)->rights != 0 ||
            container_extent_copied(look->physmem->allocator, home) != 0) {
            worst = errors[k] == 0 ? EBUSY : errors[k] == ETIMEDOUT ? ETIMEDOUT : EIO;
            continue;
        }
        swapping_mark(page, false);
        name_page(look, i, extent, k);
        if (page->references > 1 && page->extent == 0)
            stored_show(page, &extent->clean->stored[k], extent->handle, k);
        look->physmem->counters.swap_loaded++;
        use_up(look, i);
    }
    return worst;
}

/* Some pages were loaded for slots that did not take them. They are cleared: a reader of the extent could see them. As
 * that takes time, no task becomes a reader by a number that it has in swap. */
static void forget_rest(struct physmem *physmem, struct extent *extent)
{
    check(extent->clean->stored != NULL);
    copies_clear_unused(physmem, extent);
    for (uint32_t page = 0; page < extent->pages; page++)
        stored_hide(&physmem->stored, &extent->clean->stored[page]);
}

void swap_in_loaded(struct physmem *physmem, struct physmem_task *task, const uint32_t *errors,
                    uint32_t count)
{
    struct swapping *swapping = task->swapping;
    struct extent *extent = handles_object(&physmem->extents, swapping->extent);
    const struct look look = {physmem, task, swapping,
                              handles_object(&physmem->containers, swapping->container)};
    int error;

    ensure(swapping->step == SWAPPING_LOAD && count == swapping->loads && extent != NULL);
    extent->clean->filling = false;
    error = take_loaded(&look, extent, errors);
    if (error != 0 && extent->allocated > 0)
        forget_rest(physmem, extent);
    swapping_unload(physmem, swapping);
    if (error == 0)
        swap_in_go_on(physmem, task);
    else
        swapping_answer(physmem, task, error,
                        error == EBUSY ? "the container was used while its pages were being loaded"
                                       : text_of(error));
}
