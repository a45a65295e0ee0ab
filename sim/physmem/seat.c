#include "seat.h"

#include <stdlib.h>
#include <string.h>

#include "send.h"

struct held_reply {
    struct held_reply *next;
    bool control; /* goes over the control connection */
    uint32_t size;
    uint8_t bytes[]; /* the message, encoded */
};

struct seat *seat_new(struct connection *request)
{
    struct seat *seat = calloc(1, sizeof(*seat));

    if (seat == NULL)
        return NULL;
    seat->request = request;
    seat->references = 1;
    return seat;
}

static void held_drop(struct seat *seat)
{
    struct held_reply *first = seat->held;

    seat->held = first->next;
    seat->held_count--;
    free(first);
}

static void held_clear(struct seat *seat)
{
    while (seat->held != NULL)
        held_drop(seat);
}

void seat_release(struct seat *seat)
{
    if (--seat->references > 0)
        return;
    held_clear(seat);
    free(seat);
}

struct seat *seat_of(const struct physmem_effect *effect)
{
    return physmem_task_identity(effect->task)->peer;
}

static struct connection *connection_of(const struct seat *seat, bool control)
{
    return control ? seat->control : seat->request;
}

static void held_add(struct service *service, struct seat *seat, bool control)
{
    uint8_t bytes[WIRE_MESSAGE_MAX];
    size_t size = wire_encode(&service->message, bytes, sizeof(bytes));
    struct held_reply *held = malloc(sizeof(*held) + size);
    struct held_reply **link = &seat->held;

    if (held == NULL || seat->held_count == SEAT_HELD_MAX) {
        free(held);
        seat_end(seat, "too many of its requests wait until its memory is cleared");
        return;
    }
    held->next = NULL;
    held->control = control;
    held->size = (uint32_t)size;
    memcpy(held->bytes, bytes, size);
    while (*link != NULL)
        link = &(*link)->next;
    *link = held;
    seat->held_count++;
}

void seat_reply(struct service *service, struct seat *seat, bool control)
{
    if (seat->ended)
        return;
    if (seat->clearing > 0)
        held_add(service, seat, control);
    else
        send_to(service, connection_of(seat, control), -1);
}

void seat_cleared(struct service *service, struct seat *seat)
{
    size_t size;

    seat->clearing--;
    while (seat->clearing == 0 && seat->held != NULL) {
        struct held_reply *held = seat->held;

        if (wire_decode(held->bytes, held->size, &service->message, &size) == WIRE_OK)
            send_to(service, connection_of(seat, held->control), -1);
        held_drop(seat);
    }
}

void seat_end(struct seat *seat, const char *why)
{
    seat->ended = true;
    held_clear(seat);
    if (seat->request != NULL)
        connection_close(seat->request, CONNECTION_VIOLATION, "%s", why);
}
