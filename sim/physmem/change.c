#include "change.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "os/clock.h"
#include "os/extent.h"
#include "os/holes.h"
#include "seat.h"

/* On a thread that may block for ever, or at once where no other process had a descriptor. */
static void change(struct errand *errand)
{
    struct backing *backing = (struct backing *)errand;
    uint32_t page = 0, first;
    int code = 0;

    if (backing->doomed) {
        backing->error = backing->fd >= 0 ? extent_truncate(backing->fd) : 0;
        if (backing->fd >= 0)
            close(backing->fd);
        if (backing->reading >= 0)
            close(backing->reading);
        if (backing->holes != NULL)
            holes_unmap(backing->holes);
        backing->closed = true;
        return;
    }
    if (backing->cutting)
        code = extent_cut(backing->fd, backing->end);
    while (page < EXTENT_PAGES) {
        for (first = page; page < EXTENT_PAGES && pages_has(backing->clears, page); page++)
            continue;
        if (page > first && code == 0)
            code = extent_punch(backing->fd, first, page - first);
        page++;
    }
    if (code == 0)
        code = contents_write(backing->fd, backing->fills, backing->end);
    backing->error = code;
}

static void list_insert(struct backing *backing)
{
    backing->prev = NULL;
    backing->next = backing->service->changing;
    if (backing->next != NULL)
        backing->next->prev = backing;
    backing->service->changing = backing;
}

static void list_remove(struct backing *backing)
{
    if (backing->next != NULL)
        backing->next->prev = backing->prev;
    if (backing->prev != NULL)
        backing->prev->next = backing->next;
    else
        backing->service->changing = backing->next;
}

static void changed(struct errand *errand);

/* Whether there is a change to make, and memory to make it in. */
static bool has_change(const struct backing *backing)
{
    if (backing->doomed)
        return true;
    if (backing->lease != NULL &&
        (backing->fd < 0 || (backing->fill != NULL && !lease_is_ready(backing->lease))))
        return false;
    return (pages_any(backing->clear) && !backing->later) || backing->fill != NULL || backing->cuts;
}

/* Replies to the task wait until all changes are made. */
static void hold_replies(struct backing *backing)
{
    ensure(backing->changing);
    if (backing->holds)
        return;
    backing->holds = true;
    backing->seat->clearing++;
}

void change_begin(struct backing *backing, bool now)
{
    struct service *service = backing->service;

    /* The physmem above may have taken the rights to pages that are to be written. */
    if (backing->lease != NULL && backing->fill != NULL && !backing->doomed &&
        !lease_is_ready(backing->lease))
        lease_use(backing->lease, 0, 0);
    if (now && backing->changing)
        hold_replies(backing);
    if (backing->changing || !has_change(backing))
        return;
    contents_free(&backing->fills);
    backing->fills = backing->fill;
    backing->fill = NULL;
    backing->end = backing->cut > 0 ? backing->cut : EXTENT_PAGES;
    backing->cutting = backing->cuts;
    backing->cuts = false;
    memset(backing->clears, 0, sizeof(backing->clears));
    if (!backing->later) {
        memcpy(backing->clears, backing->clear, sizeof(backing->clears));
        memset(backing->clear, 0, sizeof(backing->clear));
    }
    backing->changing = true;
    if (now)
        hold_replies(backing);
    backing->errand.run = change;
    backing->errand.done = changed;
    backing->begun_ns = clock_now_ns();
    list_insert(backing);
    if (backing->given)
        errand_submit(service->server.errands, &backing->user->lane, &backing->errand);
    else {
        change(&backing->errand);
        changed(&backing->errand);
    }
}

/* A change has ended. */
static void changed(struct errand *errand)
{
    struct backing *backing = (struct backing *)errand;
    struct service *service = backing->service;
    struct seat *seat = backing->seat;
    bool held = backing->holds;

    seat->references++; /* it may go with the extent */
    list_remove(backing);
    backing->changing = false;
    backing->holds = false;
    if (backing->error < 0)
        backing_complain(service, backing->closed ? "revoke" : "change pages of", backing->error);
    if (backing->error < 0 && backing->fills != NULL)
        seat_end(seat, "contents of its pages could not be moved: they are lost");
    contents_free(&backing->fills);
    if (backing->lease != NULL && !backing->closed)
        lease_clean(backing->lease, backing->clears);
    if (backing->closed)
        backing_free(backing);
    else
        change_begin(backing, held); /* before the replies that wait for it, too */
    if (held)
        seat_cleared(service, seat);
    seat_release(seat);
}

void change_end_late(struct service *service)
{
    uint64_t now_ns = clock_now_ns();
    struct backing *backing, *next;

    for (backing = service->changing; backing != NULL; backing = next) {
        next = backing->next;
        if (backing->late || now_ns - backing->begun_ns < CHANGE_LATE_NS)
            continue;
        backing->late = true;
        log_line(&service->server.log, "extent",
                 "an extent of user %ld cannot be %s: a call of its task, or of another process "
                 "that has it, does not return",
                 (long)backing->user->uid, backing->doomed ? "taken back" : "cleared");
        seat_end(backing->seat, "its memory cannot be cleared: a call on it does not return");
    }
}
