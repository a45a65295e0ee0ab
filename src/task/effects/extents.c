#include "task/effects/extents.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/extent.h"
#include "task/effects/lost.h"
#include "task/state/end.h"
#include "task/state/say.h"

void extents_arrived(struct sp_task *task, const struct wire_message *message, int consume_fd)
{
    futex_lock_take(&task->lock);
    if (task->arrived_count < LINK_FDS && extent_check(consume_fd, message->extent.pages) == 0) {
        task->arrived[task->arrived_count].number = message->extent.extent;
        task->arrived[task->arrived_count].pages = message->extent.pages;
        task->arrived[task->arrived_count].fd = consume_fd;
        task->arrived_count++;
        consume_fd = -1;
    }
    futex_lock_release(&task->lock);
    if (consume_fd >= 0)
        close(consume_fd);
}

/* An extent lies where another one was that physmem has taken: let go of that. */
static void abandon_extent(struct sp_task *task, uint32_t index)
{
    struct task_extent *extent = &task->extents[index];
    struct wire_message message = {.type = WIRE_FORGET_EXTENT};
    struct wire_message reply;

    if (!lost_extent_is_gone(task, index))
        say_and_die(task, "physmem mapped extent %u where there is another", index);
    message.forget_extent.extent = extent->number;
    if (task->has_swap && channel_ask(&task->swap, &message, -1, &reply) != 0)
        end_swap_gone(task);
    close(extent->fd);
    extent->fd = -1;
}

/* Take in an extent that a mapping names for the first time, and show it to swap. Its window takes
 * the place of the one that was there before: others may still write to that. */
void extents_adopt(struct sp_task *task, const struct wire_map *item)
{
    struct task_extent *extent = &task->extents[item->slot / task->extent_pages];
    void *place = extent->window;
    uint32_t pages = 0;
    int fd = -1;

    if (extent->fd >= 0 && extent->number == item->extent)
        return;
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
        say_and_die(task,
                 "physmem mapped extent %u without its descriptor (is the limit of open "
                 "files, ulimit -n, reached?)",
                 item->extent);
    if (extent->fd >= 0)
        abandon_extent(task, item->slot / task->extent_pages);
    extent->window = mmap(place, (size_t)task->extent_pages * SP_PAGE_SIZE, PROT_READ | PROT_WRITE,
                          MAP_SHARED | (place != NULL ? MAP_FIXED : 0), fd, 0);
    if (extent->window == MAP_FAILED)
        say_and_die(task, "cannot map an extent: %s", strerror(errno));
    extent->number = item->extent;
    extent->fd = fd;
    if (task->has_swap) {
        struct wire_message message = {.type = WIRE_GIVE_EXTENT};
        struct wire_message reply;

        message.give_extent.extent = item->extent;
        message.give_extent.pages = pages;
        if (channel_ask(&task->swap, &message, fd, &reply) != 0)
            end_swap_gone(task);
        if (reply.error != 0)
            say_and_die(task, "the swap server refuses an extent: %s", strerror((int)reply.error));
    }
}
