#include "peer.h"

/* Frames in one ALLOCATE. */
#define ALLOCATE_MOST 4096u

void peer_ask(struct bench *bench, struct peer *peer, struct wire_message *message,
              enum wire_type expected, struct wire_message *reply)
{
    struct sp_error error;

    if (caller_ask_for(&peer->request, message, expected, reply, NULL, &error) != 0)
        bench_fail(bench, "%s", error.text);
}

/* Open one of the two connections. */
static void connect_as(struct bench *bench, const char *path, struct caller *caller,
                       const struct hello *hello, struct wire_message *welcome)
{
    struct sp_error error;

    caller_init(caller, "physmem", CALLER_FOREVER);
    if (caller_open(caller, path, hello, welcome, &error) != 0)
        bench_fail(bench, "%s", error.text);
}

void peer_open_at(struct bench *bench, struct peer *peer, const char *path)
{
    struct hello hello = {.role = WIRE_ROLE_TASK, .name = "bench"};
    struct wire_message welcome;

    connect_as(bench, path, &peer->request, &hello, &welcome);
    hello.role = WIRE_ROLE_CONTROL;
    hello.id = welcome.welcome.id;
    hello.key = welcome.welcome.key;
    connect_as(bench, path, &peer->control, &hello, &welcome);
}

void peer_open(struct bench *bench, struct peer *peer)
{
    peer_open_at(bench, peer, bench->directory.physmem);
}

void peer_close(struct peer *peer)
{
    caller_close(&peer->control);
    caller_close(&peer->request);
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
                   print_reason_text(reply.offer.reason));
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
