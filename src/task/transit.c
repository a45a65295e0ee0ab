/* Round trips: what a fault, a recall or a call of the program's asks of physmem and swap.
 *
 * Stores are sent and not waited for. Their answers are handled by whichever thread next reads the
 * channel; that is nobody as long as nobody needs a frame, so a task that has what it needs is not
 * woken for them. Everything else is waited for. */
#include "task/units.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/extent.h"

/* Physmem has closed the request connection: because the task was revoked, or because it died. */
static _Noreturn void physmem_gone(struct sp_task *task)
{
    task_await_end(task);
    if (__atomic_load_n(&task->end, __ATOMIC_ACQUIRE) == TASK_REVOKED)
        task_die_revoked(task);
    task_die(task, "physmem is gone, and with it all contracts and frames");
}

/* ---- Returning frames ---- */

void transit_return(struct sp_task *task, const struct work *work)
{
    struct channel_batch batch;
    struct wire_message message = {.type = WIRE_DEALLOCATE};
    uint32_t ranges = 0;

    message.deallocate.container = task->container;
    for (uint32_t i = 0; i < work->returns; i++) {
        uint32_t slot = units_base(task, work->return_slot[i]);
        struct wire_range *last = ranges > 0 ? &message.deallocate.ranges[ranges - 1] : NULL;

        if (last != NULL && last->start + last->count == slot)
            last->count += unit_pages(task);
        else
            message.deallocate.ranges[ranges++] =
                (struct wire_range){.start = slot, .count = unit_pages(task)};
    }
    message.deallocate.ranges_count = (uint16_t)ranges;
    batch.size = 0;
    channel_add(&batch, &message);
    /* Should physmem be gone, the control thread sees it too, and says so. */
    (void)channel_send(&task->control, &batch, -1);
}

/* ---- Frames and rights ---- */

static void extent_arrived(struct sp_task *task, const struct wire_message *message, int fd)
{
    futex_lock_take(&task->lock);
    if (task->arrived_count < CHANNEL_FDS && extent_check(fd, message->extent.pages) == 0) {
        task->arrived[task->arrived_count].number = message->extent.extent;
        task->arrived[task->arrived_count].pages = message->extent.pages;
        task->arrived[task->arrived_count].fd = fd;
        task->arrived_count++;
        fd = -1;
    }
    futex_lock_release(&task->lock);
    if (fd >= 0)
        close(fd);
}

/* An extent lies where another one was that physmem has taken: let go of that. */
static void abandon_extent(struct sp_task *task, uint32_t index)
{
    struct task_extent *extent = &task->extents[index];
    struct wire_message message = {.type = WIRE_FORGET_EXTENT};
    struct wire_message reply;

    if (!lost_extent_is_gone(task, index))
        task_die(task, "physmem mapped extent %u where there is another", index);
    message.forget_extent.extent = extent->number;
    if (task->has_swap && channel_ask(&task->swap, &message, -1, &reply) != 0)
        swap_end(task);
    close(extent->fd);
    extent->fd = -1;
}

/* Take in an extent that a mapping names for the first time, and show it to swap. Its window takes
 * the place of the one that was there before: others may still write to that. */
static void adopt_extent(struct sp_task *task, const struct wire_map *item)
{
    struct task_extent *extent = &task->extents[item->slot / task->extent_pages];
    void *place = extent->window;
    uint32_t pages = 0;
    int fd = -1;

    futex_lock_take(&task->lock);
    for (uint32_t i = 0; i < task->arrived_count && fd < 0; i++) {
        if (task->arrived[i].number != item->extent)
            continue;
        fd = task->arrived[i].fd;
        pages = task->arrived[i].pages;
        task->arrived[i] = task->arrived[--task->arrived_count];
    }
    futex_lock_release(&task->lock);
    if (fd < 0)
        task_die(task,
                 "physmem mapped extent %u without its descriptor (is the limit of open "
                 "files, ulimit -n, reached?)",
                 item->extent);
    if (extent->fd >= 0)
        abandon_extent(task, item->slot / task->extent_pages);
    extent->window = mmap(place, (size_t)task->extent_pages * SP_PAGE_SIZE, PROT_READ | PROT_WRITE,
                          MAP_SHARED | (place != NULL ? MAP_FIXED : 0), fd, 0);
    if (extent->window == MAP_FAILED)
        task_die(task, "cannot map an extent: %s", strerror(errno));
    extent->number = item->extent;
    extent->fd = fd;
    if (task->has_swap) {
        struct wire_message message = {.type = WIRE_GIVE_EXTENT};
        struct wire_message reply;

        message.give_extent.extent = item->extent;
        message.give_extent.pages = pages;
        if (channel_ask(&task->swap, &message, fd, &reply) != 0)
            swap_end(task);
        if (reply.error != 0)
            task_die(task, "the swap server refuses an extent: %s", strerror((int)reply.error));
    }
}

/* Ask for map rights on slots of physmem's. Returns how many from `start` have them now. */
static uint32_t map_slots(struct sp_task *task, uint32_t start, uint32_t count)
{
    struct wire_message message = {.type = WIRE_MAP};
    struct wire_message reply;
    uint32_t mapped = 0;

    message.map.container = task->container;
    message.map.start = start;
    message.map.count = count;
    message.map.rights = WIRE_RIGHT_READ | WIRE_RIGHT_WRITE;
    if (channel_ask(&task->physmem, &message, -1, &reply) != 0)
        physmem_gone(task);
    if (reply.type != WIRE_MAPPED || reply.error != 0)
        return 0;
    for (uint32_t i = 0; i < reply.mapped.items_count; i++) {
        const struct wire_map *item = &reply.mapped.items[i];

        if (item->slot != start + mapped || item->count > count - mapped)
            task_die(task, "physmem mapped slots that were not asked for");
        if (task->extents[item->slot / task->extent_pages].fd < 0 ||
            task->extents[item->slot / task->extent_pages].number != item->extent)
            adopt_extent(task, item);
        mapped += item->count;
    }
    return mapped;
}

static void allocate(struct sp_task *task, const struct work *work)
{
    struct wire_message message = {.type = WIRE_ALLOCATE};
    struct wire_message reply;
    uint32_t start = units_base(task, work->allocate_slot);
    struct work more;
    uint32_t count = 0;
    uint32_t mapped = 0;
    bool zeroed;

    message.allocate.container = task->container;
    message.allocate.start = start;
    message.allocate.count = units_base(task, work->allocate_count);
    message.allocate.order = (uint8_t)task->page_order;
    message.allocate.flags = WIRE_ALLOCATE_PARTIAL | (work->extra ? WIRE_ALLOCATE_EXTRA : 0);
    if (channel_ask(&task->physmem, &message, -1, &reply) != 0)
        physmem_gone(task);
    if (reply.type == WIRE_ALLOCATED)
        count = reply.allocated.count;
    if (count > message.allocate.count || count % unit_pages(task) != 0)
        task_die(task, "physmem allocated slots that were not asked for");
    zeroed = reply.type == WIRE_ALLOCATED && reply.allocated.zeroed;
    while (mapped < count) {
        uint32_t n = map_slots(task, start + mapped, count - mapped);

        if (n == 0)
            task_die(task, "physmem does not map slots that it allocated");
        mapped += n;
    }
    task_enter(task, &more, NULL);
    pager_growth_allocated(&task->pager, work->allocate_slot, units_in(task, count),
                    PAGE_READ | PAGE_WRITE, zeroed);
    task_leave(task, NULL);
    task_signal_event(task);
    work_perform(task, &more, &task->swap, false, false);
}

static void grant(struct sp_task *task, const struct work *work)
{
    uint32_t mapped = units_in(task, map_slots(task, units_base(task, work->grant_slot),
                                               units_base(task, work->grant_count)));
    struct work more;

    task_enter(task, &more, NULL);
    for (uint32_t i = 0; i < work->grant_count; i++)
        pager_rights_granted(&task->pager, work->grant_slot + i, i < mapped ? PAGE_READ | PAGE_WRITE : 0);
    task_leave(task, NULL);
    task_signal_event(task);
}

static void refill(struct sp_task *task, const struct work *work, bool write)
{
    const struct pager_region *region = pager_regions_of(&task->pager, work->refilled.page);
    uint32_t index = (uint32_t)(region - task->pager.region);
    uint32_t first = units_base(task, work->refilled.page - region->first);
    unsigned char *frame = memory_window(task, work->refilled.slot);
    struct work more;

    /* The last page may be larger than what is left of the region. */
    for (uint32_t i = 0; i < unit_pages(task) && first + i < task->refills[index].pages; i++) {
        int error;

        crash_refilling(first + i);
        error = task->refills[index].refill(task->refills[index].arg, first + i,
                                            frame + (size_t)i * SP_PAGE_SIZE);
        crash_refilling(SP_NO_PAGE);
        if (error != 0)
            task_die(task, "the refill callback failed for page %u of its region: %s", first + i,
                     strerror(error));
    }
    task_enter(task, &more, NULL);
    pager_fault_loaded(&task->pager, work->refilled.page, true, true, write);
    task_leave(task, NULL);
    task_signal_event(task);
    work_perform(task, &more, &task->swap, false, false);
}

/* ---- */

void work_perform(struct sp_task *task, struct work *work, struct channel *swap, bool map,
                  bool write)
{
    if (work->returns > 0)
        transit_return(task, work);
    if (work->stores + work->loads + work->frees > 0)
        swap_perform(task, work, swap, map, write);
    if (work->refill)
        refill(task, work, write);
    if (work->allocate)
        allocate(task, work);
    if (work->grant)
        grant(task, work);
}

void transit_on_message(void *context, struct channel *channel, const struct wire_message *message,
                        int consume_fd)
{
    struct sp_task *task = context;

    if (message->type == WIRE_EXTENT) {
        extent_arrived(task, message, consume_fd);
        return;
    }
    if (message->type == WIRE_STACK && channel == &task->physmem && task->stack.memory == NULL) {
        (void)shared_open(&task->stack, consume_fd, NULL);
        return;
    }
    if (consume_fd >= 0)
        close(consume_fd);
    if (message->type == WIRE_OFFER)
        contract_note(task, message);
    else if (channel != &task->physmem)
        swap_answered(task, channel, message);
}
