#include "backing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/allotment.h"
#include "base/assert.h"
#include "os/clock.h"
#include "os/extent.h"
#include "seat.h"

#define TABLE_FIRST 64u

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

struct backing *backing_at(struct service *service, uint32_t descriptor)
{
    ensure(descriptor < service->backings && service->backing[descriptor] != NULL);
    return service->backing[descriptor];
}

struct backing *backing_of(struct service *service, const struct physmem_effect *effect)
{
    return backing_at(service, effect->extent.descriptor);
}

void backing_forget(struct service *service, uint32_t descriptor)
{
    service->backing[descriptor] = NULL;
    if (descriptor < service->backing_hint)
        service->backing_hint = descriptor;
}

void backing_complain(struct service *service, const char *what, int64_t code)
{
    log_line(&service->server.log, "extent", "cannot %s an extent: %s", what, strerror((int)-code));
}

void backing_free(struct backing *backing)
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

uint32_t backing_extent(const void *owner)
{
    const struct backing *backing = owner;

    return backing->handle;
}

/* ---- A new one ---- */

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
    backing->lease = lease_new(&service->relet->leases, backing, pages);
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
    if (service->relet != NULL && service->relet->leases.lessee.book.leases >= LESSEE_LEASES)
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

/* Whether the task wants one extent more to spread its frames, and too few are left for that. */
static bool spreads_too_far(const struct service *service, const struct seat *seat)
{
    uint32_t left = service->extents_max - service->extents;

    check(service->extents <= service->extents_max);
    return seat->extents >= physmem_task_extents_needed(seat->task) &&
           seat->extents + 1 > left / BACKING_SHARE_SPREAD;
}

/* Make an extent, or tell the core why there is none. */
static void make(struct service *service, const struct physmem_effect *effect)
{
    struct backing *backing = NULL;
    int64_t number = number_find(service);
    int code = number < 0 ? (int)number
                          : backing_new(service, seat_of(effect), effect->extent.count, &backing);

    if (code < 0) {
        if (number >= 0)
            backing_forget(service, (uint32_t)number);
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

void backing_make(struct service *service, const struct physmem_effect *effect)
{
    if (spreads_too_far(service, seat_of(effect))) /* it lays its frames side by side from now on */
        physmem_extent_ready(service->physmem, clock_now_ns(), effect->extent.extent, 0, EMFILE);
    else
        make(service, effect);
}

void backing_fini(struct service *service)
{
    free(service->backing);
    service->backing = NULL;
    service->backings = 0;
}
