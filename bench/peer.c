#include "peer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/sock.h"

/* Frames in one ALLOCATE. */
#define ALLOCATE_MOST 4096u

static void send_message(struct bench *bench, struct peer *peer, const struct wire_message *message)
{
    unsigned char bytes[256]; /* the requests here carry no lists */
    size_t size = wire_encode(message, bytes, sizeof(bytes));

    if (size == 0 || sock_send(peer->fd, bytes, size, -1) != (ssize_t)size)
        bench_fail(bench, "cannot send %s to physmem", wire_type_name(message->type));
}

/* Take in what physmem sends next. */
static void receive_some(struct bench *bench, struct peer *peer)
{
    ssize_t got;
    int fd;

    if (sock_wait(peer->fd, POLLIN, -1) < 0)
        bench_fail(bench, "cannot wait for physmem");
    got = sock_receive(peer->fd, peer->in + peer->used, sizeof(peer->in) - peer->used, &fd);
    if (got <= 0)
        bench_fail(bench, "physmem has closed the connection: its log says why");
    if (fd >= 0)
        close(fd);
    peer->used += (size_t)got;
}

/* Take the first message out of the buffer, if it is complete. */
static bool take_message(struct bench *bench, struct peer *peer, struct wire_message *message)
{
    size_t size;
    enum wire_verdict verdict;

    if (peer->used == 0)
        return false;
    verdict = wire_decode(peer->in, peer->used, message, &size);
    if (verdict == WIRE_MORE)
        return false;
    if (verdict != WIRE_OK)
        bench_fail(bench, "physmem sent a bad message: %s", wire_verdict_text(verdict));
    peer->used -= size;
    memmove(peer->in, peer->in + size, peer->used);
    return true;
}

void peer_ask(struct bench *bench, struct peer *peer, struct wire_message *message,
              enum wire_type expected, struct wire_message *reply)
{
    message->seq = ++peer->seq;
    send_message(bench, peer, message);
    do
        while (!take_message(bench, peer, reply))
            receive_some(bench, peer);
    while (reply->seq != message->seq);
    if (reply->error != 0 || reply->type != expected)
        bench_fail(bench, "physmem answered %s with %s: %s", wire_type_name(message->type),
                   wire_type_name(reply->type),
                   reply->type == WIRE_DONE ? reply->done.text : strerror((int)reply->error));
}

/* Open one of the two connections, as peer->fd; id and key are 0 for the first. */
static void connect_as(struct bench *bench, struct peer *peer, enum wire_role role, uint32_t id,
                       uint64_t key, struct wire_message *welcome)
{
    struct wire_message message = {.type = WIRE_HELLO};
    struct sp_error error;

    peer->used = 0;
    peer->fd = sock_connect(bench->directory.physmem, &error);
    if (peer->fd < 0)
        bench_fail(bench, "%s", error.text);
    message.hello.version = WIRE_VERSION;
    message.hello.role = (uint8_t)role;
    message.hello.id = id;
    message.hello.key = key;
    snprintf(message.hello.name, sizeof(message.hello.name), "bench");
    peer_ask(bench, peer, &message, WIRE_WELCOME, welcome);
}

void peer_open(struct bench *bench, struct peer *peer)
{
    struct wire_message welcome, again;
    int fd;

    peer->seq = 0;
    connect_as(bench, peer, WIRE_ROLE_TASK, 0, 0, &welcome);
    fd = peer->fd;
    connect_as(bench, peer, WIRE_ROLE_CONTROL, welcome.welcome.id, welcome.welcome.key, &again);
    peer->control = peer->fd;
    peer->fd = fd;
}

void peer_close(struct peer *peer)
{
    close(peer->control);
    close(peer->fd);
}

uint32_t peer_contract(struct bench *bench, struct peer *peer, uint32_t frames, uint32_t slots)
{
    struct wire_message message = {.type = WIRE_PROPOSE};
    struct wire_message reply;

    message.propose.kind = SP_GUARANTEED;
    message.propose.min = frames;
    message.propose.frames = frames;
    message.propose.term_ns = SP_FOREVER;
    peer_ask(bench, peer, &message, WIRE_OFFER, &reply);
    if (reply.offer.answer != SP_ACCEPTED)
        bench_fail(bench, "physmem does not guarantee %u frames: %s", frames,
                   wire_reason_text(reply.offer.reason));
    message = (struct wire_message){.type = WIRE_CONTAINER_CREATE};
    message.container_create.slots = slots;
    peer_ask(bench, peer, &message, WIRE_CONTAINER, &reply);
    return reply.container.container;
}

uint32_t peer_map(struct bench *bench, struct peer *peer, uint32_t container, uint32_t start,
                  uint32_t count)
{
    struct wire_message message;
    struct wire_message reply;
    uint32_t mapped = 0;

    message.type = WIRE_MAP;
    message.error = 0;
    message.map.container = container;
    message.map.start = start;
    message.map.count = count;
    message.map.rights = WIRE_RIGHT_READ | WIRE_RIGHT_WRITE;
    peer_ask(bench, peer, &message, WIRE_MAPPED, &reply);
    for (uint32_t i = 0; i < reply.mapped.items_count; i++)
        mapped += reply.mapped.items[i].count;
    return mapped;
}

void peer_allocate(struct bench *bench, struct peer *peer, uint32_t container, uint32_t start,
                   uint32_t count, bool map)
{
    struct wire_message message = {.type = WIRE_ALLOCATE};
    struct wire_message reply;

    for (uint32_t done = 0; done < count; done += reply.allocated.count) {
        message.allocate.container = container;
        message.allocate.start = start + done;
        message.allocate.count = count - done < ALLOCATE_MOST ? count - done : ALLOCATE_MOST;
        peer_ask(bench, peer, &message, WIRE_ALLOCATED, &reply);
        if (reply.allocated.count == 0)
            bench_fail(bench, "physmem allocated no frame");
    }
    for (uint32_t done = 0; map && done < count;)
        done += peer_map(bench, peer, container, start + done, count - done);
}
