#include "task/effects/swapping.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "task/effects/apart.h"
#include "task/effects/frames.h"
#include "task/effects/lost.h"
#include "task/effects/memory.h"
#include "task/effects/own_file.h"
#include "task/effects/turn.h"
#include "task/state/end.h"
#include "task/state/events.h"
#include "task/state/hold.h"
#include "task/state/say.h"
#include "task/state/units.h"

/* Begin a message. Its body is filled in by hand, and not cleared first: it has two thousand bytes, and
 * each load and store is one. */
static void begin(struct wire_message *message, uint8_t type)
{
    check(type != 0);
    message->type = type;
    message->nfds = 0;
    message->seq = 0;
    message->error = 0;
}

/* Send a message that has no answer. If swap is gone, the next request finds out. Never inline: its caller would
 * keep the batch on its stack. */
static __attribute__((noinline)) void send_one(struct channel *channel,
                                               const struct wire_message *message)
{
    struct channel_batch batch;

    check(!hold_is_ours());
    batch.size = 0;
    channel_add(&batch, message);
    (void)channel_send(channel, &batch, -1);
}

/* ---- Stores ---- */

/* Note which pages a STORE carries, so that its answer can be told to the pager. */
static uint32_t open_store_batch(struct sp_task *task, const struct work *work,
                                 struct channel *swap)
{
    uint32_t seq = channel_next_seq(swap);

    check(work->stores > 0 && work->stores <= PAGER_BATCH && !hold_is_ours());
    for (;;) {
        uint32_t events = __atomic_load_n(&task->events, __ATOMIC_ACQUIRE);

        futex_lock_take(&task->lock);
        for (uint32_t i = 0; i < TASK_STORE_BATCHES; i++) {
            struct store_batch *batch = &task->batch[i];

            if (batch->channel != NULL)
                continue;
            batch->channel = swap;
            if (swap == &task->swap)
                __atomic_add_fetch(&task->stores_unanswered, 1, __ATOMIC_RELAXED);
            batch->seq = seq;
            batch->count = work->stores;
            for (uint32_t n = 0; n < work->stores; n++)
                batch->page[n] = work->store[n].page;
            futex_lock_release(&task->lock);
            return seq;
        }
        futex_lock_release(&task->lock);
        if (channel_poll(swap) != 0)
            end_swap_gone(task);
        events_wait(task, events, INT64_C(1000000));
    }
}

/* A page was stored, or not; the answers about its base pages begin with the one numbered `first`.
 * Where not all could be stored, those that were are noted in `frees`: they are of no use. */
static void store_answered(struct sp_task *task, sp_page page, const struct wire_message *message,
                           uint32_t first, struct wire_message *frees)
{
    uint32_t frees_before = frees->free.slots_count;
    uint32_t swap = page; /* see units_swap_slot */
    int error = 0;

    check(hold_is_ours() && frees_before + unit_pages(task) <= WIRE_BATCH);
    for (uint32_t i = first; i < first + unit_pages(task); i++) {
        if (message->type != WIRE_STORED || i >= message->stored.slots_count) {
            error = message->error != 0 ? (int)message->error : EIO;
        } else if (message->stored.slots[i].error != 0) {
            error = (int)message->stored.slots[i].error;
        } else if (task->page_order == 0) {
            swap = message->stored.slots[i].slot;
            own_file_stored(task, page, message->stored.slots[i].checksum);
        } else {
            own_file_stored(task, units_base(task, page) + i - first,
                            message->stored.slots[i].checksum);
            task->swap_slots[units_base(task, page) + i - first] = message->stored.slots[i].slot;
            frees->free.slots[frees->free.slots_count++].value = message->stored.slots[i].slot;
        }
    }
    if (error == 0)
        frees->free.slots_count = (uint16_t)frees_before;
    pager_evict_stored(&task->pager, page, swap, error);
}

/* Tell the pager how stores ended. Swap slots that became free are noted in `frees`. */
static void stores_answered(struct sp_task *task, struct channel *channel,
                            const struct wire_message *message, struct work *work,
                            struct wire_message *frees)
{
    work_clear(work);
    hold_take(task);
    for (uint32_t i = 0; i < TASK_STORE_BATCHES; i++) {
        struct store_batch *batch = &task->batch[i];

        if (batch->channel != channel || batch->seq != message->seq)
            continue;
        check(batch->count <= PAGER_BATCH);
        for (uint32_t n = 0; n < batch->count; n++)
            store_answered(task, batch->page[n], message, n * unit_pages(task), frees);
        batch->channel = NULL;
        if (channel == &task->swap)
            __atomic_sub_fetch(&task->stores_unanswered, 1, __ATOMIC_RELAXED);
        break;
    }
    check(hold_is_ours());
    work_collect(task, work);
    hold_release(task);
    events_signal(task);
}

void swapping_answered(struct sp_task *task, struct channel *channel,
                       const struct wire_message *message)
{
    struct wire_message frees;
    struct work work;

    check(channel == &task->swap || channel == &task->cleaner);
    begin(&frees, WIRE_FREE);
    frees.free.slots_count = 0;
    stores_answered(task, channel, message, &work, &frees);
    if (work.returns > 0)
        frames_return(task, &work);
    if (frees.free.slots_count > 0)
        send_one(channel, &frees);
}

/* ---- Swap ---- */

/* Where a slot lies in physmem's extents. */
static struct wire_place place(const struct sp_task *task, uint32_t slot)
{
    check(slot / task->extent_pages < task->extents_max &&
          task->extents[slot / task->extent_pages].known);
    return (struct wire_place){.extent = task->extents[slot / task->extent_pages].number,
                               .offset = slot % task->extent_pages};
}

/* Where the i-th base page of a list of pages lies. */
static struct wire_place base_place(const struct sp_task *task, const struct work_page *pages,
                                    uint32_t i)
{
    check(pages[units_in(task, i)].slot < task->pager.config.slots);
    return place(task, units_base(task, pages[units_in(task, i)].slot) + i % unit_pages(task));
}

static void add_frees(const struct sp_task *task, struct channel_batch *batch,
                      const struct work *work)
{
    struct wire_message message;
    uint32_t count = 0;

    begin(&message, WIRE_FREE);
    for (uint32_t i = 0; i < units_base(task, work->stores); i++) {
        const struct work_page *page = &work->store[units_in(task, i)];

        if (page->swap != PAGER_NONE)
            message.free.slots[count++].value =
                units_swap_slot(task, page->page, page->swap, i % unit_pages(task));
    }
    check(count <= WIRE_BATCH && work->frees <= WIRE_BATCH);
    message.free.slots_count = (uint16_t)count;
    if (count > 0)
        channel_add(batch, &message);
    if (work->frees == 0)
        return;
    for (uint32_t i = 0; i < work->frees; i++)
        message.free.slots[i].value = work->free_swap[i];
    message.free.slots_count = (uint16_t)work->frees;
    channel_add(batch, &message);
}

/* Sort the pages, so that neighbours of a region lie side by side in swap and one read brings them back: swap gives
 * the pages of a message slots in a row. By insertion, since victims are mostly in order already where it matters.
 * */
static void sort_stores(struct work *work)
{
    check(work->stores <= PAGER_BATCH);
    for (uint32_t i = 1; i < work->stores; i++) {
        struct work_page page = work->store[i];
        uint32_t to = i;

        for (; to > 0 && work->store[to - 1].page > page.page; to--)
            work->store[to] = work->store[to - 1];
        work->store[to] = page;
    }
}

static void add_store(struct sp_task *task, struct channel_batch *batch, const struct work *work,
                      struct channel *swap)
{
    struct wire_message message;

    begin(&message, WIRE_STORE);
    message.seq = open_store_batch(task, work, swap);
    check(units_base(task, work->stores) <= WIRE_BATCH);
    message.store.pages_count = (uint16_t)units_base(task, work->stores);
    for (uint32_t i = 0; i < message.store.pages_count; i++)
        message.store.pages[i] = base_place(task, work->store, i);
    channel_add(batch, &message);
}

/* 0, or why the i-th page that was asked for was not loaded, and which slot it could not be from. */
static uint32_t load_error(const struct sp_task *task, const struct wire_message *reply,
                           const struct work_page *page, uint32_t i, uint32_t *slotp)
{
    uint32_t first = units_base(task, i);

    check(i < PAGER_BATCH);
    if (reply->type != WIRE_LOADED || first + unit_pages(task) > reply->loaded.errors_count)
        return reply->error != 0 ? reply->error : EIO;
    for (uint32_t n = 0; n < unit_pages(task); n++) {
        if (reply->loaded.errors[first + n].value == 0)
            continue;
        *slotp = units_swap_slot(task, page->page, page->swap, n);
        return reply->loaded.errors[first + n].value;
    }
    return 0;
}

/* Pages that could not be loaded since their frames are gone: wait until that is known. */
static void await_losses(struct sp_task *task, const struct work *work,
                         const struct wire_message *reply)
{
    check(!hold_is_ours() && work->loads <= PAGER_BATCH);
    for (uint32_t i = 0; i < work->loads; i++) {
        uint32_t slot;
        uint32_t error = load_error(task, reply, &work->load[i], i, &slot);

        if (error != 0 && error != EBADMSG && !task->pager.page[work->load[i].page].ahead)
            lost_in_the_end(task, work->load[i].page);
    }
}

/* Tell the pager how loads ended, and have `work` say what that leaves to do. */
static void loads_answered(struct sp_task *task, struct work *work,
                           const struct wire_message *reply, bool map, bool write)
{
    uint32_t loads = work->loads;

    check(!hold_is_ours() && loads > 0);
    if (lost_possible(task) && map)
        await_losses(task, work, reply);
    hold_take(task);
    for (uint32_t i = 0; i < loads; i++) {
        uint32_t slot = work->load[i].swap;
        uint32_t error = load_error(task, reply, &work->load[i], i, &slot);

        if (error != 0 && map && !task->pager.page[work->load[i].page].ahead &&
            !pager_lost_has(&task->pager, work->load[i].page))
            say_and_die(task, "swap slot %u cannot be read back: %s", slot,
                        error == EBADMSG ? "its checksum is wrong, the swap device is corrupt"
                                         : strerror((int)error));
        pager_fault_loaded(&task->pager, work->load[i].page, error == 0, map,
                           write && !task->pager.page[work->load[i].page].ahead);
    }
    work_clear(work);
    memory_early_begin(task, &work->early);
    work_collect(task, work);
    memory_early_end(task);
    hold_release(task);
    events_signal(task);
}

/* The i-th base page that is to be loaded. */
static struct wire_loading loading(const struct sp_task *task, const struct work *work, uint32_t i)
{
    const struct work_page *page = &work->load[units_in(task, i)];
    struct wire_place to = base_place(task, work->load, i);

    check(units_in(task, i) < work->loads);
    return (struct wire_loading){
        .slot = units_swap_slot(task, page->page, page->swap, i % unit_pages(task)),
        .extent = to.extent,
        .offset = to.offset};
}

static void add_load(struct sp_task *task, struct channel_batch *batch, const struct work *work,
                     struct channel *swap, struct channel_call *call, struct wire_message *reply)
{
    struct wire_message *message = reply; /* until it is answered */

    check(work->loads > 0 && units_base(task, work->loads) <= WIRE_BATCH);
    begin(message, WIRE_LOAD);
    message->load.pages_count = (uint16_t)units_base(task, work->loads);
    for (uint32_t i = 0; i < message->load.pages_count; i++)
        message->load.pages[i] = loading(task, work, i);
    channel_expect(swap, call, message, reply);
    channel_add(batch, message);
}

/* Send all that is for swap, in one go; loads only with a `call` for their answer. */
static __attribute__((noinline)) void send_all(struct sp_task *task, struct work *work,
                                               struct channel *swap, struct channel_call *call,
                                               struct wire_message *reply)
{
    struct channel_batch batch;

    check(call == NULL || work->loads > 0);
    batch.size = 0;
    sort_stores(work);
    add_frees(task, &batch, work);
    if (work->stores > 0)
        add_store(task, &batch, work, swap);
    if (call != NULL)
        add_load(task, &batch, work, swap, call, reply);
    else if (own_file_tell(task, reply))
        channel_add(&batch, reply);
    if (channel_send(swap, &batch, -1) != 0)
        end_swap_gone(task);
}

/* The same without loads. */
static void send_stores(struct sp_task *task, struct work *work, struct channel *swap)
{
    struct channel_batch batch;

    check(work->stores + work->frees > 0);
    batch.size = 0;
    sort_stores(work);
    add_frees(task, &batch, work);
    if (work->stores > 0)
        add_store(task, &batch, work, swap);
    if (channel_send(swap, &batch, -1) != 0)
        end_swap_gone(task);
}

/* ---- Loads by the task itself ---- */

/* Have swap load the pages that the task could not. Rare, and its message is large. */
static __attribute__((noinline)) void load_left(struct sp_task *task, const struct work *work,
                                                struct channel *swap, struct wire_message *reply)
{
    struct wire_message message;
    uint32_t count = 0;

    begin(&message, WIRE_LOAD);
    for (uint32_t i = 0; i < reply->loaded.errors_count; i++)
        if (reply->loaded.errors[i].value != 0)
            message.load.pages[count++] = loading(task, work, i);
    check(count > 0 && count <= WIRE_BATCH);
    message.load.pages_count = (uint16_t)count;
    if (channel_ask(swap, &message, -1, &message) != 0)
        end_swap_gone(task);
    count = 0;
    for (uint32_t i = 0; i < reply->loaded.errors_count; i++) {
        uint32_t *error = &reply->loaded.errors[i].value;

        if (*error == 0)
            continue;
        if (message.type == WIRE_LOADED && count < message.loaded.errors_count)
            *error = message.loaded.errors[count++].value;
        else
            *error = message.error != 0 ? message.error : EIO;
    }
}

/* With fewer free frames the pager reads nothing ahead: its reserve, and the first window of a run. */
#define FRAMES_FEW 12u

/* Would the next fault find too few frames to read as much ahead as this one? */
static bool frames_are_short(struct sp_task *task, const struct work *work)
{
    uint32_t wanted = work->loads > FRAMES_FEW ? work->loads : FRAMES_FEW;
    bool are_short;

    check(!hold_is_ours());
    hold_take(task);
    are_short = task->pager.free < wanted;
    hold_release(task);
    return are_short;
}

/* Stores travel while the task reads; their answers are taken, if they are there. They are waited for only where
 * frames are short: faults would be served page by page. */
static void stores_look(struct sp_task *task, const struct work *work)
{
    uint32_t progress;

    check(!hold_is_ours());
    if (__atomic_load_n(&task->stores_unanswered, __ATOMIC_RELAXED) == 0)
        return;
    if (channel_poll(&task->swap) != 0)
        end_swap_gone(task);
    progress = channel_progress(&task->swap);
    if (__atomic_load_n(&task->stores_unanswered, __ATOMIC_SEQ_CST) > 0 &&
        frames_are_short(task, work) && channel_wait_progress(&task->swap, progress) != 0)
        end_swap_gone(task);
}

/* Evict pages while others are read, and send the stores, as many as one message carries. Where another thread does it,
 * it does it for both. */
static __attribute__((noinline)) void evict_meanwhile(struct sp_task *task, uint32_t loads,
                                                      struct channel *swap)
{
    uint32_t most = pager_ahead_turn(loads);
    bool more = true;
    struct work work;

    if (!apart_enter(task))
        return;
    work_clear(&work);
    for (uint32_t turns = 0; more && turns < PAGER_BATCH / PAGER_TURN_PAGES; turns++) {
        more = turn_evict(task, most, &work);
        if (work.stores + most > task->pager.config.batch || work.returns > 0)
            break;
    }
    apart_leave(task);
    check(work.loads == 0 && !work.refill && !work.allocate && !work.grant);
    if (work.returns > 0)
        frames_return(task, &work);
    if (work.stores + work.frees > 0)
        send_stores(task, &work, swap);
}

/* Map the frame that is read into. Not while another thread evicts: it asks the kernel about pages, under the lock, and
 * the kernel has it sleep while mappings change. */
static void map_meanwhile(struct sp_task *task, struct work *work)
{
    check(work->loads > 0 && !work->early.made);
    if (!apart_enter(task))
        return;
    memory_map_early(task, work->load[0].page, work->load[0].slot, &work->early);
    apart_leave(task);
}

static void load_from_own_file(struct sp_task *task, const struct work *work, int reading,
                               struct channel *swap, struct wire_message *reply)
{
    uint32_t left;

    check(!hold_is_ours() && work->loads > 0);
    left =
        reading >= 0 ? own_file_end(task, work, reading, reply) : own_file_load(task, work, reply);
    if (left > 0)
        load_left(task, work, swap, reply);
    stores_look(task, work);
}

void swapping_perform(struct sp_task *task, struct work *work, struct channel *swap, bool map,
                      bool write)
{
    struct channel_call call;
    struct wire_message reply;
    bool itself = work->loads > 0 && own_file_is_open(task);
    bool asks = work->loads > 0 && !itself;
    int reading = itself ? own_file_begin(task, work) : -1;

    ensure(!hold_is_ours());
    if (asks || work->stores + work->frees > 0 || own_file_should_tell(task))
        send_all(task, work, swap, asks ? &call : NULL, &reply);
    work->stores = work->frees = 0;
    work->early.made = false;
    if (work->loads == 0)
        return;
    if (reading >= 0 && map && work->loads == 1)
        map_meanwhile(task, work);
    if (work->late)
        evict_meanwhile(task, work->loads, swap);
    if (itself)
        load_from_own_file(task, work, reading, swap, &reply);
    else if (channel_wait(swap, &call) != 0)
        end_swap_gone(task);
    check(work->stores == 0 && work->frees == 0);
    loads_answered(task, work, &reply, map, write);
}

void swapping_tell(struct sp_task *task)
{
    struct wire_message message;

    check(!hold_is_ours());
    if (task->has_swap && own_file_tell(task, &message))
        send_one(&task->swap, &message);
}
