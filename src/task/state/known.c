#include "task/state/known.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "os/unlocked.h"

#define ROOM_FIRST 64u

bool known_is_cut(int fd)
{
    struct stat info;

    check(fd >= 0);
    return fstat(fd, &info) == 0 && info.st_size == 0;
}

/* Close what is of no more use. */
static void sweep(struct sp_task *task)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < task->known_count; i++) {
        if (known_is_cut(task->known[i].fd))
            close(task->known[i].fd);
        else
            task->known[kept++] = task->known[i];
    }
    check(kept <= task->known_count);
    task->known_count = kept;
}

/* Room for one more. False without memory. */
static bool make_room(struct sp_task *task)
{
    uint32_t room = task->known_room == 0 ? ROOM_FIRST : 2 * task->known_room;
    struct known_extent *known;

    if (task->known_count < task->known_room)
        return true;
    sweep(task);
    /* A table that stayed nearly full would be swept for every extent. */
    if (task->known_count < task->known_room / 2)
        return true;
    known = unlocked_map(NULL, room * sizeof(*known), MAP_PRIVATE | MAP_ANONYMOUS, -1);
    if (known == NULL)
        return false;
    if (task->known != NULL) {
        memcpy(known, task->known, task->known_count * sizeof(*known));
        munmap(task->known, task->known_room * sizeof(*known));
    }
    task->known = known;
    task->known_room = room;
    check(task->known_count < room);
    return true;
}

void known_add(struct sp_task *task, uint32_t number, uint32_t pages, int consume_fd)
{
    check(consume_fd >= 0);
    if (!make_room(task)) {
        close(consume_fd);
        return;
    }
    task->known[task->known_count++] =
        (struct known_extent){.number = number, .pages = pages, .fd = consume_fd};
}

/* The place of an extent in the table; known_count if it is not there. The latest is what counts.
 * */
static uint32_t place_of(const struct sp_task *task, uint32_t number)
{
    for (uint32_t i = task->known_count; i > 0; i--)
        if (task->known[i - 1].number == number)
            return i - 1;
    return task->known_count;
}

int known_find(const struct sp_task *task, uint32_t number)
{
    uint32_t place = place_of(task, number);

    check(place <= task->known_count);
    return place < task->known_count ? task->known[place].fd : -1;
}

int known_take(struct sp_task *task, uint32_t number, uint32_t *pagesp)
{
    uint32_t place = place_of(task, number);
    int fd = -1;

    *pagesp = 0;
    if (place == task->known_count)
        return -1;
    fd = task->known[place].fd;
    *pagesp = task->known[place].pages;
    task->known[place] = task->known[--task->known_count];
    check(fd >= 0);
    return fd;
}

void known_close(struct sp_task *task)
{
    for (uint32_t i = 0; i < task->known_count; i++)
        close(task->known[i].fd);
    if (task->known != NULL)
        munmap(task->known, task->known_room * sizeof(*task->known));
    task->known = NULL;
    task->known_count = task->known_room = 0;
    check(known_find(task, 1) < 0);
}
