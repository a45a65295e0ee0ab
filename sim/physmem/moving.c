#include "moving.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "os/holes.h"
#include "backing.h"
#include "change.h"
#include "clear.h"
#include "reading.h"
#include "seat.h"
#include "waiter.h"

/* Pages in a row of an extent, to be written from `to_page` on of another; NULL, and errno. */
static struct contents *contents_read(const struct backing *from, uint32_t page, uint32_t to_page,
                                      uint32_t count)
{
    struct contents *contents = malloc(sizeof(*contents) + (size_t)count * SP_PAGE_SIZE);
    int code;

    if (contents == NULL)
        return NULL;
    *contents = (struct contents){.page = to_page, .count = count};
    code = reading_pages(from, page, count, contents->bytes);
    if (code == 0)
        return contents;
    contents_free(&contents);
    errno = -code;
    return NULL;
}

/* Write pages in a row of an extent at once. Returns 0 or a negative errno. */
static int write_at_once(const struct backing *to, uint32_t page, uint32_t count,
                         const uint8_t *bytes)
{
    size_t size = (size_t)count * SP_PAGE_SIZE;

    if (to->given)
        return holes_fill(to->service->holes_fd, to->holes, page, count, bytes);
    return pwrite(to->fd, bytes, size, (off_t)page * (off_t)SP_PAGE_SIZE) < 0 ? -errno : 0;
}

/* Move pages at once, in a way in which nobody can block it: to an extent that nobody else has had, or
 * (-EEXIST if there is none) to holes. Returns 0 or a negative errno. */
static int move_at_once(const struct backing *from, const struct backing *to,
                        const struct physmem_effect *effect)
{
    uint8_t *bytes = to->service->moving;
    int code = 0;

    for (uint32_t done = 0, some; done < effect->move.count && code == 0; done += some) {
        some = effect->move.count - done;
        if (some > SERVICE_MOVING_PAGES)
            some = SERVICE_MOVING_PAGES;
        code = reading_pages(from, effect->move.from_page + done, some, bytes);
        if (code == 0)
            code = write_at_once(to, effect->move.to_page + done, some, bytes);
    }
    return code;
}

/* Whether it is worth trying: nothing that is to be made before stands against it. */
static bool can_move_at_once(const struct backing *to, uint32_t page, uint32_t count)
{
    if (to->lease != NULL)
        return false;
    ensure(to->given || (!to->changing && to->fill == NULL));
    return !to->given || (to->holes != NULL && reading_is_settled(to, page, count));
}

void moving_copy(struct service *service, const struct physmem_effect *effect)
{
    const struct backing *from = backing_at(service, effect->move.from_descriptor);
    struct backing *to = backing_at(service, effect->move.to_descriptor);
    uint32_t count = effect->move.count;
    struct contents **link = &to->fill;
    struct contents *contents = NULL;
    bool at_once;
    int code = 0;

    ensure(count > 0 && effect->move.to_page + count <= EXTENT_PAGES);
    clear_spare(to, effect->move.to_page, count);
    at_once = can_move_at_once(to, effect->move.to_page, count);
    if (at_once)
        code = move_at_once(from, to, effect);
    if (at_once && code != 0 && to->given) {
        at_once = false; /* pages are there, or no memory: the errand sees */
        clear_soon(to);  /* it clears the others, so that next time there are holes */
        code = 0;
    }
    if (!at_once && (contents = contents_read(from, effect->move.from_page, effect->move.to_page,
                                              count)) == NULL)
        code = -errno;
    if (code != 0) {
        backing_complain(service, "move pages of", code);
        seat_end(to->seat, "contents of its pages could not be moved: they are lost");
    }
    if (contents == NULL)
        return;
    while (*link != NULL)
        link = &(*link)->next;
    *link = contents;
    if (to->lease != NULL) {
        lease_use(to->lease, effect->move.to_page, count);
        waiter_hold(to, to->seat);
    }
    change_begin(to, true);
}
