#include "backing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <selfpage/contract.h>

#include "base/allotment.h"
#include "base/assert.h"
#include "os/clock.h"
#include "os/extent.h"
#include "os/holes.h"
#include "core/leases/pages.h"
#include "contents.h"
#include "seat.h"
#include "send.h"

#define TABLE_FIRST 64u

struct backing {
    struct errand errand; /* first */
    struct service *service;
    struct user *user;    /* one reference: whose share it counts for */
    struct seat *seat;    /* one reference */
    struct backing *next; /* among those that change */
    struct backing *prev;
    uint64_t begun_ns; /* when the change under way was submitted */
    int fd;
    int reading;                /* a descriptor for tasks that may only read; -1: not opened yet */
    int error;                  /* of the change that has ended */
    void *holes;                /* its mapping for os/holes.h; NULL: none */
    struct lease *lease;        /* NULL: the memory is physmem's own */
    uint32_t handle;            /* of the extent */
    uint32_t pages;             /* that the memory has, and its task is told of */
    struct waiter *waiters;     /* for the lease to be ready */
    bool given;                 /* somebody else has had a descriptor */
    bool changing;              /* the errand is under way */
    bool holds;                 /* replies to its task wait until all changes are made */
    bool later;                 /* all that is in `clear` can wait */
    struct backing *next_later; /* among those with pages that are cleared later */
    struct backing *prev_later;
    bool doomed; /* must be truncated and closed after that */
    bool closed;
    bool late;                    /* its task was ended for it */
    uint64_t clear[PAGES_WORDS];  /* pages to clear */
    uint64_t clears[PAGES_WORDS]; /* pages that the errand clears */
    struct contents *fill;        /* to write, in this order */
    struct contents *fills;       /* that the errand writes, after it has cleared */
};

/* A task that waits for a lease to be ready. */
struct waiter {
    struct waiter *next;
    struct seat *seat; /* one reference */
    bool sends[2];     /* the descriptor is to be sent to it: to write, to read */
    bool held;         /* replies to it wait */
};

/* ---- The table ---- */

/* A free number, or -ENOMEM. */
static int64_t number_find(struct service *service)
{
    uint32_t number = service->backing_hint, room;
    struct backing **table;

    while (number < service->backings && service->backing[number] != NULL)
        number++;
    if (number == service->backings) {
        room = service->backings == 0 ? TABLE_FIRST : 2 * service->backings;
        table = realloc(service->backing, room * sizeof(struct backing *));
        if (table == NULL)
            return -ENOMEM;
        memset(table + service->backings, 0, (room - service->backings) * sizeof(struct backing *));
        service->backing = table;
        service->backings = room;
    }
    service->backing_hint = number + 1;
    return number;
}

static struct backing *backing_at(struct service *service, uint32_t descriptor)
{
    ensure(descriptor < service->backings && service->backing[descriptor] != NULL);
    return service->backing[descriptor];
}

static struct backing *backing_of(struct service *service, const struct physmem_effect *effect)
{
    return backing_at(service, effect->extent.descriptor);
}

static void number_give_up(struct service *service, uint32_t number)
{
    service->backing[number] = NULL;
    if (number < service->backing_hint)
        service->backing_hint = number;
}

/* ---- What an extent will hold ---- */

/* Read a page of an extent as it will be once all changes are made. What its task has cut off
 * reads as zeros. Returns 0 or a negative errno. */
static int page_read(const struct backing *backing, uint32_t page, uint8_t *bytes)
{
    const struct contents *lists[] = {backing->fill, backing->fills};
    const uint64_t *clears[] = {backing->clear, backing->clears};
    ssize_t got;

    ensure(page < EXTENT_PAGES);
    memset(bytes, 0, SP_PAGE_SIZE);
    for (unsigned i = 0; i < 2; i++) {
        const uint8_t *there = contents_find(lists[i], page);

        if (there != NULL) {
            memcpy(bytes, there, SP_PAGE_SIZE);
            return 0;
        }
        if (pages_has(clears[i], page) && (i == 0 || backing->changing))
            return 0;
    }
    if (backing->fd < 0)
        return 0;
    got = pread(backing->fd, bytes, SP_PAGE_SIZE, (off_t)page * (off_t)SP_PAGE_SIZE);
    return got < 0 ? -errno : 0;
}

/* Whether pages in a row of an extent are as its memory says: no change of them is under way, or to be
 * made. */
static bool is_settled(const struct backing *backing, uint32_t page, uint32_t count)
{
    if (backing->fill != NULL || (backing->changing && backing->fills != NULL))
        return false;
    for (uint32_t i = page; i < page + count; i++)
        if (pages_has(backing->clear, i) || (backing->changing && pages_has(backing->clears, i)))
            return false;
    return true;
}

/* Read pages in a row of an extent as they will be once all changes are made. Returns 0 or a negative
 * errno. */
static int pages_read(const struct backing *backing, uint32_t page, uint32_t count, uint8_t *bytes)
{
    size_t size = (size_t)count * SP_PAGE_SIZE;
    int code = 0;
    ssize_t got;

    ensure(count > 0 && page + count <= EXTENT_PAGES);
    if (backing->fd < 0 || !is_settled(backing, page, count)) {
        for (uint32_t i = 0; i < count && code == 0; i++)
            code = page_read(backing, page + i, bytes + (size_t)i * SP_PAGE_SIZE);
        return code;
    }
    got = pread(backing->fd, bytes, size, (off_t)page * (off_t)SP_PAGE_SIZE);
    if (got < 0)
        return -errno;
    memset(bytes + got, 0, size - (size_t)got); /* what its task has cut off */
    return 0;
}

/* ---- Changes ---- */

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
            holes_unmap(backing->holes, backing->pages);
        backing->closed = true;
        return;
    }
    while (page < EXTENT_PAGES) {
        for (first = page; page < EXTENT_PAGES && pages_has(backing->clears, page); page++)
            continue;
        if (page > first && code == 0)
            code = extent_punch(backing->fd, first, page - first);
        page++;
    }
    if (code == 0)
        code = contents_write(backing->fd, backing->fills);
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

/* ---- Pages that are cleared later ---- */

/* Time until pages that nobody waits for are cleared. */
#define LATER_MS 10u

/* So many of them may wait at a time, and one for so many frames. */
#define LATER_PAGES 128u
#define LATER_SHARE 64u

static void later_join(struct backing *backing)
{
    struct service *service = backing->service;

    ensure(!backing->later && !pages_any(backing->clear));
    backing->later = true;
    backing->prev_later = NULL;
    backing->next_later = service->later_first;
    if (backing->next_later != NULL)
        backing->next_later->prev_later = backing;
    service->later_first = backing;
}

/* Its pages, if they could wait, can wait no longer. */
static void later_leave(struct backing *backing)
{
    struct service *service = backing->service;

    if (!backing->later)
        return;
    backing->later = false;
    service->later_pages -= pages_count(backing->clear);
    if (backing->next_later != NULL)
        backing->next_later->prev_later = backing->prev_later;
    if (backing->prev_later != NULL)
        backing->prev_later->next_later = backing->next_later;
    else
        service->later_first = backing->next_later;
}

/* Pages that are about to be written whole need not be cleared before. */
static void later_spare(struct backing *backing, uint32_t page, uint32_t count)
{
    uint32_t before = pages_count(backing->clear);

    if (!backing->later)
        return;
    pages_remove(backing->clear, page, count);
    backing->service->later_pages -= before - pages_count(backing->clear);
}

static void extent_fail(struct service *service, const char *what, int64_t code)
{
    log_line(&service->server.log, "extent", "cannot %s an extent: %s", what, strerror((int)-code));
}

static void backing_free(struct backing *backing)
{
    struct service *service = backing->service;

    if (backing->lease != NULL)
        lease_end(backing->lease);
    service->extents--;
    service->holes_maps -= backing->holes != NULL;
    backing->user->extents--;
    backing->seat->extents--;
    user_release(&service->server.users, backing->user);
    seat_release(backing->seat);
    contents_free(&backing->fill);
    contents_free(&backing->fills);
    free(backing);
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
    return (pages_any(backing->clear) && !backing->later) || backing->fill != NULL;
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

/* Begin the next change, if there is one to make. `now`: replies to the task wait until all is made. It may free
 * the backing. */
static void change_next(struct backing *backing, bool now)
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
        extent_fail(service, backing->closed ? "revoke" : "change pages of", backing->error);
    if (backing->error < 0 && backing->fills != NULL)
        seat_end(seat, "contents of its pages could not be moved: they are lost");
    contents_free(&backing->fills);
    if (backing->lease != NULL && !backing->closed)
        lease_clean(backing->lease, backing->clears);
    if (backing->closed)
        backing_free(backing);
    else
        change_next(backing, held); /* before the replies that wait for it, too */
    if (held)
        seat_cleared(service, seat);
    seat_release(seat);
}

/* Clear all pages that could wait. */
static void later_end(struct service *service)
{
    struct backing *backing;

    while ((backing = service->later_first) != NULL) {
        later_leave(backing);
        change_next(backing, false);
    }
    ensure(service->later_pages == 0);
}

static void on_later(uv_timer_t *timer)
{
    later_end(timer->data);
}

/* Clear pages, but not now. */
static void put_off(struct backing *backing, uint32_t page, uint32_t count)
{
    struct service *service = backing->service;
    uint32_t before = pages_count(backing->clear);

    if (!backing->later)
        later_join(backing);
    pages_add(backing->clear, page, count);
    service->later_pages += pages_count(backing->clear) - before;
    if (service->later_pages > LATER_PAGES + service->frames / LATER_SHARE)
        later_end(service);
    else if (!uv_is_active((uv_handle_t *)&service->later) &&
             !uv_is_closing((uv_handle_t *)&service->later))
        uv_timer_start(&service->later, on_later, LATER_MS, 0);
}

/* Whether the pages of an extent that nobody waits for can be cleared later. */
static bool can_put_off(const struct backing *backing)
{
    return backing->lease == NULL && backing->fill == NULL &&
           (backing->later || !pages_any(backing->clear));
}

/* ---- Leases ---- */

/* The waiter for this task; NULL, and the server fails, without memory. */
static struct waiter *waiter_for(struct backing *backing, struct seat *seat)
{
    struct waiter *waiter = backing->waiters;

    while (waiter != NULL && waiter->seat != seat)
        waiter = waiter->next;
    if (waiter != NULL)
        return waiter;
    waiter = calloc(1, sizeof(*waiter));
    if (waiter == NULL) {
        backing->service->failed = true;
        return NULL;
    }
    waiter->seat = seat;
    seat->references++;
    waiter->next = backing->waiters;
    backing->waiters = waiter;
    return waiter;
}

/* Replies to the task wait until the lease is ready. */
static void await(struct backing *backing, struct seat *seat)
{
    struct waiter *waiter = lease_is_ready(backing->lease) ? NULL : waiter_for(backing, seat);

    if (waiter == NULL || waiter->held)
        return;
    waiter->held = true;
    seat->clearing++;
}

/* Nobody waits any more. */
static void waiters_end(struct backing *backing, struct waiter *waiter)
{
    while (waiter != NULL) {
        struct waiter *next = waiter->next;

        if (waiter->held)
            seat_cleared(backing->service, waiter->seat);
        seat_release(waiter->seat);
        free(waiter);
        waiter = next;
    }
}

static void send_extent(struct backing *backing, struct seat *seat, bool read_only);

void backing_ready(void *owner)
{
    struct backing *backing = owner;
    struct waiter *waiters = backing->waiters;

    backing->waiters = NULL;
    backing->fd = backing->lease->fd;
    for (struct waiter *waiter = waiters; waiter != NULL; waiter = waiter->next)
        for (unsigned read_only = 0; read_only < 2; read_only++)
            if (waiter->sends[read_only])
                send_extent(backing, waiter->seat, read_only != 0);
    change_next(backing, true);
    waiters_end(backing, waiters);
}

void backing_refused(void *owner)
{
    struct backing *backing = owner;

    log_line(&backing->service->server.log, "extent",
             "the physmem above gives no more extents to this one: its contract is for too few "
             "frames, or its tasks use slots too far apart");
    seat_end(backing->seat, "there is no extent for it above");
}

uint32_t backing_extent(const void *owner)
{
    const struct backing *backing = owner;

    return backing->handle;
}

void backing_use(struct service *service, struct seat *seat, uint32_t descriptor, uint32_t first,
                 uint32_t count)
{
    struct backing *backing = backing_at(service, descriptor);

    if (backing->lease == NULL)
        return;
    lease_use(backing->lease, first, count);
    await(backing, seat);
}

/* ---- Effects ---- */

/* Whether this task may have one extent more. */
static bool may_have_one(const struct service *service, const struct seat *seat)
{
    const struct user *user = seat->request->owner;

    if (!allotment_may(seat->extents, 1, service->extents, service->extents_max,
                       BACKING_SHARE_TASK))
        return false;
    return allotment_may(user->extents, 1, service->extents, service->extents_max,
                         BACKING_SHARE_USER) ||
           (user->uid == geteuid() && seat->extents < BACKING_SHARE_OWN);
}

/* The descriptor of memory of this server; -1: it is a lease, whose descriptor comes later. Or a negative errno. */
static int memory_make(struct service *service, struct backing *backing, uint32_t pages)
{
    if (service->relet == NULL)
        return extent_create("selfpage", pages, NULL);
    backing->lease = lease_new(&service->relet->lessee, backing, pages);
    return backing->lease != NULL ? -1 : -ENOMEM;
}

/* A backing for an extent of this task, or a negative errno. */
static int backing_new(struct service *service, struct seat *seat, uint32_t pages,
                       struct backing **backingp)
{
    struct backing *backing;
    int fd;

    if (!may_have_one(service, seat))
        return -EMFILE;
    if (service->relet != NULL && service->relet->lessee.book.leases >= LEASE_MOST)
        return -EMFILE;
    backing = calloc(1, sizeof(*backing));
    if (backing == NULL)
        return -ENOMEM;
    fd = memory_make(service, backing, pages);
    if (fd == -ENOMEM || (fd < 0 && service->relet == NULL)) {
        free(backing);
        return fd;
    }
    backing->service = service;
    backing->pages = service->relet != NULL ? EXTENT_PAGES : pages; /* as of a container above */
    backing->fd = fd;
    backing->reading = -1;
    backing->seat = seat;
    backing->user = seat->request->owner;
    backing->user->references++;
    seat->references++;
    service->extents++;
    backing->user->extents++;
    seat->extents++;
    *backingp = backing;
    return 0;
}

void backing_make(struct service *service, const struct physmem_effect *effect)
{
    struct backing *backing = NULL;
    int64_t number = number_find(service);
    int code = number < 0 ? (int)number
                          : backing_new(service, seat_of(effect), effect->extent.count, &backing);

    if (code < 0) {
        if (number >= 0)
            number_give_up(service, (uint32_t)number);
        log_line(&service->server.log, "extent", "cannot make an extent for task %s: %s",
                 physmem_task_identity(effect->task)->name,
                 code == -EMFILE ? "its share of the limit of open files is used up (ulimit -n)"
                                 : strerror(-code));
        physmem_extent_ready(service->physmem, clock_now_ns(), effect->extent.extent, 0,
                             (uint32_t)-code);
        return;
    }
    service->backing[number] = backing;
    backing->handle = effect->extent.extent;
    physmem_extent_ready(service->physmem, clock_now_ns(), effect->extent.extent, (uint32_t)number,
                         0);
}

/* A descriptor that can only read, or a negative errno. */
static int reading_of(struct backing *backing)
{
    ensure(!backing->doomed);
    if (backing->reading < 0)
        backing->reading = extent_reopen_read_only(backing->fd);
    return backing->reading;
}

/* Mappings for os/holes.h: each process may have 65,530 of any kind. */
#define HOLES_MAPS_MOST 16384u

/* A task is about to have the extent for writing, and nobody has had it: make what is needed to fill holes of it
 * at once from now on. Where that cannot be, they are filled in errands. */
static void prepare_holes(struct backing *backing)
{
    struct service *service = backing->service;

    if (backing->given || backing->lease != NULL || backing->holes != NULL ||
        service->holes_maps == HOLES_MAPS_MOST)
        return;
    backing->holes = holes_map(service->holes_fd, backing->fd, backing->pages);
    service->holes_maps += backing->holes != NULL;
}

/* Send the descriptor. */
static void send_extent(struct backing *backing, struct seat *seat, bool read_only)
{
    struct service *service = backing->service;
    int fd = read_only ? reading_of(backing) : backing->fd;
    struct wire_message *message;

    if (fd < 0) {
        extent_fail(service, "open", fd);
        seat_end(seat, "an extent that it may read cannot be opened");
        return;
    }
    if (!read_only)
        prepare_holes(backing);
    message = send_begin(service, WIRE_EXTENT, 0);
    message->extent.extent = backing->handle;
    message->extent.pages = backing->pages;
    backing->given = true;
    send_to(service, seat->request, fd);
}

void backing_send(struct service *service, const struct physmem_effect *effect)
{
    struct backing *backing = backing_of(service, effect);
    struct waiter *waiter;

    if (backing->fd >= 0) {
        send_extent(backing, seat_of(effect), effect->extent.read_only);
        return;
    }
    waiter = waiter_for(backing, seat_of(effect));
    if (waiter != NULL)
        waiter->sends[effect->extent.read_only] = true;
}

void backing_punch(struct service *service, const struct physmem_effect *effect)
{
    struct backing *backing = backing_of(service, effect);
    uint32_t end = effect->extent.offset + effect->extent.count;

    ensure(end <= EXTENT_PAGES);
    if (effect->extent.later && can_put_off(backing)) {
        put_off(backing, effect->extent.offset, effect->extent.count);
        return;
    }
    later_leave(backing);
    pages_add(backing->clear, effect->extent.offset, effect->extent.count);
    for (uint32_t page = effect->extent.offset; page < end; page++)
        contents_forget(backing->fill, page);
    if (backing->lease != NULL)
        lease_soil(backing->lease, effect->extent.offset, effect->extent.count);
    change_next(backing, true);
}

void backing_keep(struct service *service, const struct physmem_effect *effect)
{
    struct backing *backing = backing_of(service, effect);

    ensure(effect->extent.offset + effect->extent.count <= EXTENT_PAGES);
    later_spare(backing, effect->extent.offset, effect->extent.count);
    if (!is_settled(backing, effect->extent.offset, effect->extent.count))
        change_next(backing, true);
}

/* Pages in a row of an extent, to be written from `to_page` on of another; NULL, and errno. */
static struct contents *contents_read(const struct backing *from, uint32_t page, uint32_t to_page,
                                      uint32_t count)
{
    struct contents *contents = malloc(sizeof(*contents) + (size_t)count * SP_PAGE_SIZE);
    int code;

    if (contents == NULL)
        return NULL;
    *contents = (struct contents){.page = to_page, .count = count};
    code = pages_read(from, page, count, contents->bytes);
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
        code = pages_read(from, effect->move.from_page + done, some, bytes);
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
    return !to->given || (to->holes != NULL && is_settled(to, page, count));
}

/* Contents only move between pages of one task: if they cannot, it is this task that ends. */
void backing_copy(struct service *service, const struct physmem_effect *effect)
{
    const struct backing *from = backing_at(service, effect->move.from_descriptor);
    struct backing *to = backing_at(service, effect->move.to_descriptor);
    uint32_t count = effect->move.count;
    struct contents **link = &to->fill;
    struct contents *contents = NULL;
    bool at_once;
    int code = 0;

    ensure(count > 0 && effect->move.to_page + count <= EXTENT_PAGES);
    later_spare(to, effect->move.to_page, count);
    at_once = can_move_at_once(to, effect->move.to_page, count);
    if (at_once)
        code = move_at_once(from, to, effect);
    if (at_once && code != 0 && to->given) {
        at_once = false; /* pages are there, or no memory: the errand sees */
        later_leave(to); /* it clears the others, so that next time there are holes */
        code = 0;
    }
    if (!at_once && (contents = contents_read(from, effect->move.from_page, effect->move.to_page,
                                              count)) == NULL)
        code = -errno;
    if (code != 0) {
        extent_fail(service, "move pages of", code);
        seat_end(to->seat, "contents of its pages could not be moved: they are lost");
    }
    if (contents == NULL)
        return;
    while (*link != NULL)
        link = &(*link)->next;
    *link = contents;
    if (to->lease != NULL) {
        lease_use(to->lease, effect->move.to_page, count);
        await(to, to->seat);
    }
    change_next(to, true);
}

int backing_read(struct service *service, uint32_t descriptor, uint32_t page, uint8_t *bytes)
{
    return page_read(backing_at(service, descriptor), page, bytes);
}

int backing_lend(struct service *service, uint32_t descriptor)
{
    struct backing *backing = backing_at(service, descriptor);

    ensure(backing->fd >= 0 && backing->lease == NULL);
    backing->given = true;
    return backing->fd;
}

void backing_audit(struct service *service, const struct physmem_effect *effect)
{
    const struct backing *backing = backing_of(service, effect);
    int64_t pages;

    if (backing->changing || backing->fd < 0)
        return; /* pages are there that are not to be; or none are */
    pages = extent_blocks(backing->fd);
    if (pages < 0)
        extent_fail(service, "audit", pages);
    else
        physmem_audit_done(service->physmem, clock_now_ns(), effect->extent.extent,
                           effect->extent.count +
                               (backing->later ? pages_count(backing->clear) : 0),
                           (uint64_t)pages);
}

void backing_destroy(struct service *service, const struct physmem_effect *effect)
{
    struct backing *backing = backing_of(service, effect);
    struct waiter *waiters = backing->waiters;

    number_give_up(service, effect->extent.descriptor);
    later_leave(backing);
    backing->doomed = true;
    backing->waiters = NULL;
    waiters_end(backing, waiters);
    change_next(backing, true);
}

void backing_end_late(struct service *service)
{
    uint64_t now_ns = clock_now_ns();
    struct backing *backing, *next;

    for (backing = service->changing; backing != NULL; backing = next) {
        next = backing->next;
        if (backing->late || now_ns - backing->begun_ns < BACKING_LATE_NS)
            continue;
        backing->late = true;
        log_line(&service->server.log, "extent",
                 "an extent of user %ld cannot be %s: a call of its task, or of another process "
                 "that has it, does not return",
                 (long)backing->user->uid, backing->doomed ? "taken back" : "cleared");
        seat_end(backing->seat, "its memory cannot be cleared: a call on it does not return");
    }
}

void backing_fini(struct service *service)
{
    free(service->backing);
    service->backing = NULL;
    service->backings = 0;
}
