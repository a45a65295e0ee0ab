#include "giving.h"

#include "base/assert.h"
#include "os/extent.h"
#include "os/holes.h"
#include "change.h"
#include "seat.h"
#include "send.h"
#include "waiter.h"

/* A descriptor that can only read, or a negative errno. */
static int reading_of(struct backing *backing)
{
    ensure(!backing->doomed);
    if (backing->reading < 0)
        backing->reading = extent_reopen_read_only(backing->fd);
    return backing->reading;
}

/* Mappings for os/holes.h, of two areas each: a process may have 65,530 of any kind. */
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
        backing_complain(service, "open", fd);
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

void giving_send(struct service *service, const struct physmem_effect *effect)
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

void giving_ready(void *owner)
{
    struct backing *backing = owner;
    struct waiter *waiters = backing->waiters;

    backing->waiters = NULL;
    backing->fd = backing->lease->fd;
    for (struct waiter *waiter = waiters; waiter != NULL; waiter = waiter->next)
        for (unsigned read_only = 0; read_only < 2; read_only++)
            if (waiter->sends[read_only])
                send_extent(backing, waiter->seat, read_only != 0);
    change_begin(backing, true);
    waiter_end_all(backing->service, waiters);
}

void giving_refused(void *owner)
{
    struct backing *backing = owner;

    log_line(&backing->service->server.log, "extent",
             "the physmem above gives no more extents to this one: its contract is for too few "
             "frames, or its tasks use slots too far apart");
    seat_end(backing->seat, "there is no extent for it above");
}

void giving_use(struct service *service, struct seat *seat, uint32_t descriptor, uint32_t first,
                uint32_t count)
{
    struct backing *backing = backing_at(service, descriptor);

    if (backing->lease == NULL)
        return;
    lease_use(backing->lease, first, count);
    waiter_hold(backing, seat);
}

int giving_lend(struct service *service, uint32_t descriptor)
{
    struct backing *backing = backing_at(service, descriptor);

    ensure(backing->fd >= 0 && backing->lease == NULL);
    backing->given = true;
    return backing->fd;
}
