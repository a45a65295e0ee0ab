#include "waiter.h"

#include <stdlib.h>

#include "seat.h"

struct waiter *waiter_for(struct backing *backing, struct seat *seat)
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

void waiter_hold(struct backing *backing, struct seat *seat)
{
    struct waiter *waiter = lease_is_ready(backing->lease) ? NULL : waiter_for(backing, seat);

    if (waiter == NULL || waiter->held)
        return;
    waiter->held = true;
    seat->clearing++;
}

void waiter_end_all(struct service *service, struct waiter *waiters)
{
    struct waiter *waiter;

    while ((waiter = waiters) != NULL) {
        waiters = waiter->next;
        if (waiter->held)
            seat_cleared(service, waiter->seat);
        seat_release(waiter->seat);
        free(waiter);
    }
}
