#include "selfpage/bench/peer.h"

void bench_peer_init(struct bench_peer *peer)
{
    caller_init(&peer->request, "physmem", BENCH_PEER_PATIENCE_MS);
    caller_init(&peer->control, "physmem", BENCH_PEER_PATIENCE_MS);
}

int bench_peer_connect(struct bench_peer *peer, const char *path, struct wire_message *message,
                       struct sp_error *error)
{
    struct hello hello = {.role = WIRE_ROLE_TASK, .name = "bench-probe"};
    int code = caller_open(&peer->request, path, &hello, message, error);

    if (code != 0)
        return code;
    hello.role = WIRE_ROLE_CONTROL;
    hello.id = message->welcome.id;
    hello.key = message->welcome.key;
    return caller_open(&peer->control, path, &hello, message, error);
}

int bench_peer_open(struct bench_peer *peer, const char *path, uint32_t slots,
                    struct wire_message *message, struct sp_error *error)
{
    int code = bench_peer_connect(peer, path, message, error);

    if (code != 0)
        return code;
    message->type = WIRE_CONTAINER_CREATE;
    message->error = 0;
    message->container_create.slots = slots;
    code = caller_ask_for(&peer->request, message, WIRE_CONTAINER, message, NULL, error);
    if (code == 0)
        peer->container = message->container.container;
    return code;
}

void bench_peer_close(struct bench_peer *peer)
{
    caller_close(&peer->request);
    caller_close(&peer->control);
}
