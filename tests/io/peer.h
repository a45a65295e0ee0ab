/* A server under test and its peers, all in one thread: the loop is run in steps, and sockets
 * deliver at once, so nothing has to be waited for. A peer is a socket, for it also sends what no client
 * sends; what it receives comes by the link of all clients (client/link.h). */
#ifndef TEST_PEER_H
#define TEST_PEER_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <valgrind/valgrind.h>

#include "client/link.h"
#include "io/server.h"
#include "scratch.h"

/* What the handlers have seen. */
struct seen {
    unsigned accepted;
    unsigned messages;
    unsigned closed;
    unsigned stops;
    unsigned fds;
    struct connection *last;
    enum connection_end end;
    char reason[256];
};

/* The link of a peer that has received something; by its descriptor. */
struct receiver {
    struct link link;
    unsigned char buffer[LINK_BUFFER];
};

#define PEER_FDS_MAX 4096

struct fixture {
    uv_loop_t loop;
    struct server server;
    struct scratch scratch;
    struct seen seen;
    unsigned fds;    /* open before */
    int log;         /* memfd that the server logs to */
    char text[8192]; /* what log_of last read */
    struct receiver *receiver[PEER_FDS_MAX];
};

static inline struct fixture *fixture_of(struct connection *connection)
{
    return connection->server->user;
}

/* Group setup: what libuv opens once for the process, to catch signals, is open before anybody
 * counts descriptors. */
static inline int warm_up(void **state)
{
    uv_loop_t loop;

    (void)state;
    return uv_loop_init(&loop) != 0 || uv_loop_close(&loop) != 0;
}

static inline int note_accept(struct connection *connection, const struct sock_peer *peer)
{
    assert_int_equal(peer->pid, getpid());
    fixture_of(connection)->seen.accepted++;
    fixture_of(connection)->seen.last = connection;
    return 0;
}

static inline void note_close(struct connection *connection, enum connection_end end,
                              const char *reason)
{
    struct seen *seen = &fixture_of(connection)->seen;

    seen->closed++;
    seen->end = end;
    snprintf(seen->reason, sizeof(seen->reason), "%s", reason);
    if (seen->last == connection)
        seen->last = NULL;
}

static inline void note_stop(struct server *server)
{
    ((struct fixture *)server->user)->seen.stops++;
}

static inline void fixture_start(struct fixture *fixture, struct server_options options,
                                 void (*on_message)(struct connection *,
                                                    const struct wire_message *, int))
{
    struct sp_error error;

    memset(fixture, 0, sizeof(*fixture));
    fixture->fds = count_fds();
    fixture->log = memfd_create("log", MFD_CLOEXEC);
    assert_true(fixture->log >= 0);
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    scratch_init(&fixture->scratch);
    options.program = "test";
    options.path = scratch_path(&fixture->scratch, "s");
    options.user = fixture;
    options.handlers.on_message = on_message;
    if (options.handlers.on_accept == NULL)
        options.handlers.on_accept = note_accept;
    options.handlers.on_close = note_close;
    options.handlers.on_stop = note_stop;
    assert_int_equal(server_start(&fixture->server, &fixture->loop, &options, &error), 0);
    fixture->server.log.fd = fixture->log;
}

/* Let the server do all that it can do now. */
static inline void pump(struct fixture *fixture)
{
    int i;

    for (i = 0; i < 6; i++)
        uv_run(&fixture->loop, UV_RUN_NOWAIT);
}

/* Everything logged so far. */
static inline const char *log_of(struct fixture *fixture)
{
    ssize_t size = pread(fixture->log, fixture->text, sizeof(fixture->text) - 1, 0);

    assert_true(size >= 0);
    fixture->text[size] = '\0';
    return fixture->text;
}

static inline unsigned lines_of(struct fixture *fixture)
{
    const char *text = log_of(fixture);
    unsigned lines = 0;

    while ((text = strchr(text, '\n')) != NULL) {
        text++;
        lines++;
    }
    return lines;
}

/* Stop, and see that nothing is left. Peers' sockets must be closed. */
static inline void fixture_stop(struct fixture *fixture)
{
    server_stop(&fixture->server);
    assert_int_equal(uv_run(&fixture->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    server_fini(&fixture->server);
    assert_int_equal(fixture->seen.stops, 1);
    assert_int_equal(fixture->seen.closed, fixture->seen.accepted);
    close(fixture->log);
    for (int i = 0; i < PEER_FDS_MAX; i++)
        free(fixture->receiver[i]);
    scratch_fini(&fixture->scratch);
    assert_int_equal(count_fds(), fixture->fds);
}

static inline int peer_connect(struct fixture *fixture)
{
    struct sp_error error;
    int fd = link_connect(fixture->scratch.path, &error);

    assert_true(fd >= 0);
    assert_in_range(fd, 0, PEER_FDS_MAX - 1);
    free(fixture->receiver[fd]); /* of a peer that is gone */
    fixture->receiver[fd] = NULL;
    return fd;
}

static inline void peer_send_bytes(int peer, const void *bytes, size_t size, int fd)
{
    assert_int_equal(sock_send(peer, bytes, size, fd), size);
}

static inline void peer_send(int peer, const struct wire_message *message, int fd)
{
    struct link link;
    unsigned char buffer[LINK_BUFFER];

    link_init(&link, peer, buffer, sizeof(buffer));
    assert_int_equal(link_send(&link, message, fd), 0);
}

/* Requests of `count` DONE messages with rising seq from `seq`, in one send. */
static inline void peer_send_batch(int peer, uint32_t seq, unsigned count)
{
    struct wire_message done = {.type = WIRE_DONE};
    uint8_t bytes[64 * 200];
    size_t size = 0;

    assert_in_range(count, 1, 64);
    while (count-- > 0) {
        done.seq = seq++;
        size += wire_encode(&done, bytes + size, sizeof(bytes) - size);
    }
    peer_send_bytes(peer, bytes, size, -1);
}

static inline struct receiver *receiver_of(struct fixture *fixture, int peer)
{
    struct receiver **receiver = &fixture->receiver[peer];

    if (*receiver == NULL) {
        *receiver = malloc(sizeof(**receiver));
        assert_non_null(*receiver);
        link_init(&(*receiver)->link, peer, (*receiver)->buffer, sizeof((*receiver)->buffer));
    }
    return *receiver;
}

/* Take one message that has come. Returns its type, 0 if the server has closed, -EAGAIN if there
 * is none; *fdp (may be NULL) is the descriptor that came with it. */
static inline int peer_receive(struct fixture *fixture, int peer, struct wire_message *message,
                               int *fdp)
{
    struct receiver *receiver = receiver_of(fixture, peer);
    int result, fd;

    result = link_next(&receiver->link, message, &fd);
    if (fdp != NULL)
        *fdp = fd;
    else
        assert_int_equal(fd, -1);
    if (result == 1)
        return message->type;
    assert_int_equal(link_pending(&receiver->link), 0);
    return result == 0 ? -EAGAIN : result == -EPIPE ? 0 : result;
}

/* Whether the server has closed this connection. */
static inline bool peer_is_closed(int peer)
{
    char byte;
    int fd;

    return sock_receive(peer, &byte, 1, &fd) <= 0 && sock_wait(peer, 0, 0) != 0;
}

/* ---- Handlers ---- */

static const struct server_options defaults = {.ready_fd = -1};

static inline void note_message(struct connection *connection, int consume_fd)
{
    fixture_of(connection)->seen.messages++;
    if (consume_fd >= 0) {
        fixture_of(connection)->seen.fds++;
        close(consume_fd);
    }
}

/* Answers each message with DONE. */
static inline void answer(struct connection *connection, const struct wire_message *message,
                          int consume_fd)
{
    note_message(connection, consume_fd);
    connection_send_done(connection, message, 0, message->seq, "text");
}

/* Answers MAP with two EXTENTs, each with a descriptor, and MAPPED. */
static inline void answer_map(struct connection *connection, const struct wire_message *message,
                              int consume_fd)
{
    struct wire_message extent = {.type = WIRE_EXTENT};
    struct wire_message mapped = {.type = WIRE_MAPPED, .seq = message->seq};
    int fd = memfd_create("extent", MFD_CLOEXEC);

    note_message(connection, consume_fd);
    assert_true(fd >= 0);
    for (extent.extent.extent = 0; extent.extent.extent < 2; extent.extent.extent++)
        assert_int_equal(connection_send(connection, &extent, fd), 0);
    close(fd); /* borrowed only for the call */
    assert_int_equal(connection_send(connection, &mapped, -1), 0);
}

/* A message that announces a descriptor. */
static inline size_t encode_give(uint8_t *bytes, uint32_t seq)
{
    struct wire_message give = {.type = WIRE_GIVE_EXTENT, .seq = seq, .give_extent.pages = 1};

    return wire_encode(&give, bytes, WIRE_MESSAGE_MAX);
}

#endif
