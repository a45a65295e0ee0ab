#include "task/effects/extents.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/assert.h"
#include "os/extent.h"
#include "os/unlocked.h"
#include "task/effects/lost.h"
#include "task/state/end.h"
#include "task/state/hold.h"
#include "task/state/known.h"
#include "task/state/say.h"

void extents_arrived(struct sp_task *task, const struct wire_message *message, int consume_fd)
{
    check(message->type == WIRE_EXTENT);
    if (consume_fd < 0)
        return;
    if (extent_check(consume_fd, message->extent.pages) != 0) {
        close(consume_fd);
        return;
    }
    futex_lock_take(&task->lock);
    known_add(task, message->extent.extent, message->extent.pages, consume_fd);
    futex_lock_release(&task->lock);
}

/* An extent lies where another one was that physmem has taken: let go of that. */
static void abandon_extent(struct sp_task *task, uint32_t index)
{
    struct task_extent *extent = &task->extents[index];
    struct wire_message message = {.type = WIRE_FORGET_EXTENT};

    check(index < task->extents_max && extent->known);
    if (!lost_extent_is_gone(task, index))
        say_and_die(task, "physmem mapped extent %u where there is another", index);
    message.forget_extent.extent = extent->number;
    if (task->has_swap && channel_ask(&task->swap, &message, -1, &message) != 0)
        end_swap_gone(task);
    if (extent->fd >= 0)
        close(extent->fd);
    extent->fd = -1;
    extent->known = false;
}

/* Descriptors left to the program, and to extents that arrive. */
#define FILES_FOR_OTHERS 16u

/* Whether what the window maps can be mapped once more without a descriptor: Linux does it, and Valgrind
 * and qemu-user do not. */
static bool maps_again(void *window)
{
    void *again = mremap(window, 0, SP_PAGE_SIZE, MREMAP_MAYMOVE);

    return again != MAP_FAILED && munmap(again, SP_PAGE_SIZE) == 0;
}

/* Keep the descriptor of an extent as long as the limit of open files is not near; -1: it was closed, and
 * pages are mapped through the window (memory_map). */
static int keep_descriptor(int consume_fd, void *window)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT32_MAX ||
        (rlim_t)consume_fd + FILES_FOR_OTHERS < limit.rlim_cur || !maps_again(window))
        return consume_fd;
    check(consume_fd >= 0);
    close(consume_fd);
    return -1;
}

/* Returns false if swap refuses an extent that physmem has just taken by force. */
static bool show_to_swap(struct sp_task *task, uint32_t extent, uint32_t pages, int fd)
{
    struct wire_message message = {.type = WIRE_GIVE_EXTENT};

    check(task->has_swap && fd >= 0 && pages > 0);
    message.give_extent.extent = extent;
    message.give_extent.pages = pages;
    if (channel_ask(&task->swap, &message, fd, &message) != 0)
        end_swap_gone(task);
    if (message.error != 0 && lost_possible(task) && known_is_cut(fd))
        return false;
    if (message.error != 0)
        say_and_die(task, "the swap server refuses an extent: %s", strerror((int)message.error));
    return true;
}

/* The descriptor of an extent that is not adopted yet; -1: physmem has already taken the extent by force. */
static int descriptor_of(struct sp_task *task, uint32_t number, uint32_t *pagesp)
{
    int fd;

    check(!hold_is_ours());
    futex_lock_take(&task->lock);
    fd = known_take(task, number, pagesp);
    futex_lock_release(&task->lock);
    if (lost_possible(task) && (fd < 0 || known_is_cut(fd))) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    if (fd < 0)
        say_and_die(task,
                    "physmem mapped extent %u without its descriptor (is the limit of open "
                    "files, ulimit -n, reached?)",
                    number);
    return fd;
}

/* The window of a new extent takes the place of the one that was there before: others may still write to
 * that. */
bool extents_adopt(struct sp_task *task, const struct wire_map *item)
{
    struct task_extent *extent = &task->extents[item->slot / task->extent_pages];
    void *place = extent->window;
    uint32_t pages;
    int fd;

    ensure(item->slot / task->extent_pages < task->extents_max);
    if (extent->known && extent->number == item->extent)
        return true;
    fd = descriptor_of(task, item->extent, &pages);
    if (fd < 0)
        return false;
    if (extent->known)
        abandon_extent(task, item->slot / task->extent_pages);
    extent->window = unlocked_map(place, (size_t)task->extent_pages * SP_PAGE_SIZE,
                                  MAP_SHARED | (place != NULL ? MAP_FIXED : 0), fd);
    if (extent->window == NULL)
        say_and_die(task, "cannot map an extent: %s", strerror(errno));
    extent->number = item->extent;
    extent->known = !task->has_swap || show_to_swap(task, item->extent, pages, fd);
    if (!extent->known) {
        close(fd);
        return false;
    }
    extent->fd = keep_descriptor(fd, extent->window);
    check(extent->known && extent->number == item->extent && extent->window != NULL);
    return true;
}
