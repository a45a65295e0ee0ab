/* The request to have pages of slots stored, and their frames released softly. All references are made, then the
 * swap server reserves and stores, then everything is looked at again. */
#include "core/physmem/swap_out.h"

#include "core/physmem/copies.h"
#include "core/physmem/emit.h"
#include "core/physmem/input.h"
#include "core/physmem/recall.h"
#include "core/physmem/settle.h"
#include "core/physmem/slots.h"
#include "core/physmem/swap.h"
#include "core/physmem/swapping.h"

/* Times that a request stores pages itself after others could not. */
#define TRIES_MOST 8u

/* Why a slot cannot be stored now; 0: it can. */
static int slot_hindrance(const struct container *container, uint32_t slot, const char **textp)
{
    struct extent *extent = container_extent(container, slot);
    const struct container_slot *entry;

    *textp = "the slot has no frame";
    if (extent == NULL || !slot_is_allocated(extent_slot(extent, slot)))
        return ENOENT;
    entry = extent_slot(extent, slot);
    *textp = "the task still has rights to the slot: give them up first";
    check(entry->frame != SLOT_NO_FRAME);
    return entry->rights != 0 || entry->unmapping ? EBUSY : 0;
}

/* Check all slots, and make room for what is noted of them. Returns false, and the request is answered, if one is in
 * the way. */
static bool check_slots(struct physmem *physmem, const struct physmem_request *request,
                        struct container *container, uint32_t start, uint32_t count)
{
    const char *text;

    check(count > 0 && count <= PHYSMEM_SWAP_MAX);
    for (uint32_t i = 0; i < count; i++) {
        int error = slot_hindrance(container, start + i, &text);
        struct extent *extent = container_extent(container, start + i);

        if (error == 0 && container_extent_swapped(physmem->allocator, extent) != 0) {
            error = ENOMEM;
            text = "physmem has no memory for a request to swap";
        }
        if (error == 0 && extent_slot(extent, start + i)->copy &&
            container_clean_stored(physmem->allocator, copies_extent(physmem, extent, start + i)) !=
                0) {
            error = ENOMEM;
            text = "physmem has no memory for a request to swap";
        }
        if (error != 0) {
            emit_done(physmem, request, error, i, text);
            return false;
        }
    }
    return true;
}

/* Where the contents of a slot lie now. */
static struct physmem_map_item place_of(const struct physmem *physmem, struct extent *home,
                                        uint32_t slot)
{
    const struct extent *extent = home;
    uint32_t page = slot % EXTENT_PAGES;

    if (extent_slot(home, slot)->copy) {
        extent = copies_extent(physmem, home, slot);
        page = home->copied[page].page;
    }
    /* Without backing it was never mapped: it holds zeros. */
    check(extent->clean == NULL || !extent->pending);
    return (struct physmem_map_item){.count = 1,
                                     .extent = extent->handle,
                                     .offset = page,
                                     .descriptor = extent->descriptor,
                                     .rights =
                                         extent->handle != 0 && !extent->pending ? SLOT_READ : 0};
}

/* The stored page that shows what a slot holds, made if there is none; then *itemp says what is to be stored. NULL
 * without memory. */
static struct stored_page *page_for(struct physmem *physmem, struct stored_account *account,
                                    struct extent *home, uint32_t slot,
                                    struct physmem_map_item *itemp, bool *newp)
{
    struct physmem_map_item item = place_of(physmem, home, slot);
    uint32_t *number = NULL;
    struct stored_page *page = NULL;

    if (extent_slot(home, slot)->copy) {
        number = &copies_extent(physmem, home, slot)->clean->stored[item.offset];
        page = handles_object(&physmem->stored.pages, *number);
    }
    check(number == NULL || page != NULL || *number == 0);
    if (page != NULL && page->state == STORED_LOST) { /* what memory shows can be stored again */
        stored_hide(&physmem->stored, number);
        page = NULL;
    }
    *newp = page == NULL;
    if (page != NULL)
        return page;
    page = stored_page_new(&physmem->stored, account);
    if (page == NULL)
        return NULL;
    if (number != NULL)
        stored_show(page, number, item.extent, item.offset);
    item.slot = page->handle;
    *itemp = item;
    return page;
}

/* Give all references of a request up. */
static void drop_all(struct physmem *physmem, struct swapping *swapping)
{
    for (uint32_t i = 0; i < swapping->count; i++) {
        struct stored_reference *reference =
            stored_find(&physmem->stored, swapping->account, swapping->number[i]);

        swapping->number[i] = 0;
        if (reference != NULL)
            swapping_release(physmem, reference);
    }
    check(swapping->account->asked == 0 && !swapping->account->storing);
}

/* Make the references that are not there. *itemsp: pages that are to be stored. False without memory; what was made is then
 * there. */
static bool refer_all(struct physmem *physmem, struct swapping *swapping,
                      const struct container *container, uint32_t *itemsp)
{
    for (uint32_t i = 0; i < swapping->count; i++) {
        struct extent *home = container_extent(container, swapping->start + i);
        struct physmem_map_item item;
        struct stored_reference *reference;
        struct stored_page *page;
        bool is_new;

        if (swapping->number[i] != 0)
            continue;
        page = page_for(physmem, swapping->account, home, swapping->start + i, &item, &is_new);
        if (page == NULL)
            return false;
        reference =
            stored_refer(&physmem->stored, swapping->account, page, &swapping->account->asked);
        if (reference == NULL) {
            struct stored_freed freed;

            if (is_new)
                (void)stored_written(&physmem->stored, page, STORED_NOWHERE, &freed);
            return false;
        }
        swapping->number[i] = reference->handle;
        if (is_new) {
            physmem->item[physmem->items++] = item;
            ++*itemsp;
        } else {
            physmem->counters.swap_shared++;
        }
    }
    check(*itemsp <= swapping->count);
    return true;
}

/* Pages that nobody will store are lost. */
static void lose_new(struct physmem *physmem, uint32_t first, uint32_t items)
{
    for (uint32_t i = first; i < first + items; i++) {
        struct stored_page *page = handles_object(&physmem->stored.pages, physmem->item[i].slot);
        struct stored_freed freed;

        ensure(page != NULL && page->state == STORED_WRITING);
        (void)stored_written(&physmem->stored, page, STORED_NOWHERE, &freed);
    }
}

/* Make the references of a request, and have the swap server reserve and store what they take. Without memory the request
 * is over, and answered. */
static void store_all(struct physmem *physmem, struct physmem_task *task,
                      const struct container *container)
{
    struct swapping *swapping = task->swapping;
    uint32_t first = physmem->items, items = 0;
    struct physmem_effect *effect;

    ensure(swapping->account->asked == 0 && !swapping->account->storing);
    if (memory_reserve(physmem->allocator, &physmem->item, &physmem->item_capacity,
                       sizeof(*physmem->item), first + swapping->count) != 0 ||
        !refer_all(physmem, swapping, container, &items)) {
        swapping->account->denied += swapping->account->asked;
        swapping->account->asked = 0;
        lose_new(physmem, first, items);
        drop_all(physmem, swapping);
        swapping_fail(physmem, task, ENOMEM, 0, "physmem has no memory for a request to swap");
        return;
    }
    swapping->step = SWAPPING_STORE;
    effect = emit_effect(physmem, PHYSMEM_SWAP_STORE, task);
    effect->store.account = swapping->account->handle;
    effect->store.reserve = swapping->account->asked;
    effect->store.first = first;
    effect->store.count = items;
    swapping->account->storing = true;
}

void physmem_swap_out(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                      uint32_t handle, uint32_t start, uint32_t count)
{
    const struct physmem_range range = {start, count};
    struct container *container = input_ranges(physmem, now, request, handle, &range, 1);
    struct physmem_task *task = request->task;

    if (container == NULL || !swapping_begin(physmem, request))
        return;
    if (count > PHYSMEM_SWAP_MAX) {
        emit_done(physmem, request, EINVAL, 0, "64 slots can be swapped at once: ask in pieces");
        return;
    }
    if (!check_slots(physmem, request, container, start, count))
        return;
    if (swapping_open(physmem, task) != 0) {
        emit_done(physmem, request, ENOMEM, 0, "physmem has no memory for a request to swap");
        return;
    }
    if (!stored_may_refer(&physmem->stored, task->swapping->account, count)) {
        emit_done(physmem, request, EMFILE, 0,
                  "tasks of this user have as many pages in swap as they may");
        return;
    }
    *task->swapping = (struct swapping){.account = task->swapping->account,
                                        .step = SWAPPING_STORE,
                                        .control = request->control,
                                        .seq = request->seq,
                                        .container = handle,
                                        .version = container->version,
                                        .start = start,
                                        .count = count};
    store_all(physmem, task, container);
}

/* The state that decides what becomes of a request: of the page that is furthest from being stored. */
static enum stored_state state_of(const struct physmem *physmem, const struct swapping *swapping)
{
    enum stored_state state = STORED_THERE;

    for (uint32_t i = 0; i < swapping->count; i++) {
        const struct stored_reference *reference =
            stored_find(&physmem->stored, swapping->account, swapping->number[i]);

        ensure(reference != NULL);
        if (reference->page->state == STORED_LOST)
            return STORED_LOST;
        if (reference->page->state == STORED_WRITING)
            state = STORED_WRITING;
    }
    return state;
}

/* Whether the slots of a request can still be released: nothing has happened to their container. */
static bool can_release(const struct container *container, const struct swapping *swapping)
{
    const char *text;

    if (container == NULL || container->version != swapping->version ||
        container_is_locked(container))
        return false;
    check(swapping->start + swapping->count <= container->slots);
    for (uint32_t i = 0; i < swapping->count; i++)
        if (slot_hindrance(container, swapping->start + i, &text) != 0)
            return false;
    return true;
}

/* All is stored: the slots become soft, and each keeps what it is in swap. */
static void release_all(struct physmem *physmem, struct container *container,
                        const struct swapping *swapping)
{
    for (uint32_t i = 0; i < swapping->count; i++) {
        uint32_t slot = swapping->start + i;
        struct extent *extent = container_extent(container, slot);
        const struct stored_reference *reference =
            stored_find(&physmem->stored, swapping->account, swapping->number[i]);

        ensure(reference != NULL && extent->swapped != NULL);
        slots_soften(physmem, container, extent, slot);
        extent->swapped[slot % EXTENT_PAGES] = reference->serial;
    }
    container->version++;
    physmem->counters.swapped += swapping->count;
}

/* Give up the references to pages that could not be stored in accounts of others. False: one is of the request's own. */
static bool drop_failed(struct physmem *physmem, struct swapping *swapping)
{
    bool own = false;

    for (uint32_t i = 0; i < swapping->count; i++) {
        struct stored_reference *reference =
            stored_find(&physmem->stored, swapping->account, swapping->number[i]);

        ensure(reference != NULL);
        if (reference->page->state != STORED_LOST)
            continue;
        own |= reference->page->account == swapping->account;
        if (own)
            break;
        swapping->number[i] = 0;
        swapping_release(physmem, reference);
    }
    check(swapping->tries < TRIES_MOST);
    return !own;
}

void swap_out_go_on(struct physmem *physmem, struct physmem_task *task)
{
    struct swapping *swapping = task->swapping;
    struct container *container = handles_object(&physmem->containers, swapping->container);
    enum stored_state state = state_of(physmem, swapping);

    check(!swapping->in && swapping_waits(task));
    if (state == STORED_WRITING) {
        swapping->step = SWAPPING_OTHERS;
        return;
    }
    /* Why others could not store a page, as that their slots are spent, need not hold for this task. */
    if (state == STORED_LOST && swapping->tries < TRIES_MOST && can_release(container, swapping) &&
        drop_failed(physmem, swapping)) {
        swapping->tries++;
        store_all(physmem, task, container);
        return;
    }
    if (state == STORED_LOST || !can_release(container, swapping)) {
        drop_all(physmem, swapping);
        swapping_fail(physmem, task, state == STORED_LOST ? EIO : EBUSY, 0,
                      state == STORED_LOST
                          ? "the swap server could not store a page"
                          : "the container was used while its pages were being stored");
        return;
    }
    release_all(physmem, container, swapping);
    swapping_answer(physmem, task, 0, NULL);
    physmem->counters.regained += swapping->count;
    recall_pay(physmem, task, swapping->count);
}

void swap_out_stored(struct physmem *physmem, struct physmem_task *task, int error)
{
    struct swapping *swapping = task->swapping;

    ensure(swapping->step == SWAPPING_STORE);
    if (error == 0) {
        swap_out_go_on(physmem, task);
        return;
    }
    drop_all(physmem, swapping);
    swapping_fail(physmem, task, error, 0,
                  error == EDQUOT || error == ENOSPC
                      ? "the swap server has no slots left for this task"
                  : error == EMFILE ? "the user has as many accounts with the swap server as it may"
                  : error == ETIMEDOUT ? "the swap server does not answer: try again"
                  : error == EAGAIN    ? "the swap server takes no connection now: try again"
                                       : "the swap server cannot be used");
}
