/* The server skeleton over real sockets: batches, descriptors, and peers that behave badly. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "peer.h"

/* The linker leads the server's calls here: --wrap. */
ssize_t __real_sock_send(int fd, const void *bytes, size_t size, int borrowed_fd);
ssize_t __wrap_sock_send(int fd, const void *bytes, size_t size, int borrowed_fd);
ssize_t __real_sock_receive(int fd, void *buffer, size_t size, int *receivedp);
ssize_t __wrap_sock_receive(int fd, void *buffer, size_t size, int *receivedp);
int __real_sock_accept(int listener);
int __wrap_sock_accept(int listener);

static unsigned sends, receives, accepts;
static bool no_descriptors; /* as if this process had no room for further ones */

ssize_t __wrap_sock_send(int fd, const void *bytes, size_t size, int borrowed_fd)
{
    sends++;
    return __real_sock_send(fd, bytes, size, borrowed_fd);
}

ssize_t __wrap_sock_receive(int fd, void *buffer, size_t size, int *receivedp)
{
    receives++;
    return __real_sock_receive(fd, buffer, size, receivedp);
}

int __wrap_sock_accept(int listener)
{
    accepts++;
    return no_descriptors ? -EMFILE : __real_sock_accept(listener);
}

static const struct server_options defaults = {.ready_fd = -1};

/* Handlers. */

static void note_message(struct connection *connection, int consume_fd)
{
    fixture_of(connection)->seen.messages++;
    if (consume_fd >= 0) {
        fixture_of(connection)->seen.fds++;
        close(consume_fd);
    }
}

/* Answers each message with DONE. */
static void answer(struct connection *connection, const struct wire_message *message,
                   int consume_fd)
{
    note_message(connection, consume_fd);
    connection_send_done(connection, message, 0, message->seq, "text");
}

static void close_at_seq_7(struct connection *connection, const struct wire_message *message,
                           int consume_fd)
{
    answer(connection, message, consume_fd);
    if (message->seq == 7)
        connection_close(connection, CONNECTION_LOCAL, "enough of %u", message->seq);
}

static void stop_at_seq_7(struct connection *connection, const struct wire_message *message,
                          int consume_fd)
{
    answer(connection, message, consume_fd);
    if (message->seq == 7)
        server_stop(connection->server);
}

/* Answers MAP with two EXTENTs, each with a descriptor, and MAPPED. */
static void answer_map(struct connection *connection, const struct wire_message *message,
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

/* Sends what is received on to the connection in `user`. */
static void pass_on(struct connection *connection, const struct wire_message *message,
                    int consume_fd)
{
    note_message(connection, consume_fd);
    if (connection->user != NULL)
        connection_send(connection->user, message, -1);
    connection_send_done(connection, message, 0, 0, NULL);
}

/* The steady state. */

static void test_a_request_is_answered(void **state)
{
    struct wire_message message;
    struct fixture fixture;
    int peer;

    (void)state;
    fixture_start(&fixture, defaults, answer);
    peer = peer_connect(&fixture);
    pump(&fixture);
    sends = receives = 0;
    peer_send_batch(peer, 5, 1);
    pump(&fixture);
    assert_int_equal(peer_receive(peer, &message, NULL), WIRE_DONE);
    assert_int_equal(message.seq, 5);
    assert_int_equal(message.done.count, 5);
    assert_string_equal(message.done.text, "text");
    assert_int_equal(receives, 1 + 2); /* the server's, and header and body here */
    assert_int_equal(sends, 1 + 1);
    close(peer);
    pump(&fixture);
    assert_int_equal(fixture.seen.closed, 1);
    assert_int_equal(fixture.seen.end, CONNECTION_PEER);
    assert_int_equal(lines_of(&fixture), 0);
    fixture_stop(&fixture);
}

static void test_a_batch_is_answered_with_one_send(void **state)
{
    struct wire_message message;
    struct fixture fixture;
    uint32_t seq;
    int peer;

    (void)state;
    fixture_start(&fixture, defaults, answer);
    peer = peer_connect(&fixture);
    pump(&fixture);
    peer_send_batch(peer, 1, 64);
    sends = receives = 0;
    pump(&fixture);
    assert_int_equal(receives, 1);
    assert_int_equal(sends, 1);
    assert_int_equal(fixture.server.counters.messages, 64);
    assert_int_equal(fixture.server.counters.sent, 64);
    for (seq = 1; seq <= 64; seq++) {
        assert_int_equal(peer_receive(peer, &message, NULL), WIRE_DONE);
        assert_int_equal(message.seq, seq);
    }
    close(peer);
    fixture_stop(&fixture);
}

static void test_no_reply_is_sent_where_none_is_wanted(void **state)
{
    struct wire_message message;
    struct fixture fixture;
    int peer;

    (void)state;
    fixture_start(&fixture, defaults, answer);
    peer = peer_connect(&fixture);
    peer_send_batch(peer, 0, 1);
    pump(&fixture);
    assert_int_equal(fixture.seen.messages, 1);
    assert_int_equal(peer_receive(peer, &message, NULL), -EAGAIN);
    close(peer);
    fixture_stop(&fixture);
}

static void test_sends_to_others_are_gathered(void **state)
{
    struct wire_message message;
    struct fixture fixture;
    struct connection *second;
    int peers[2], i;

    (void)state;
    fixture_start(&fixture, defaults, pass_on);
    peers[1] = peer_connect(&fixture);
    pump(&fixture);
    second = fixture.seen.last;
    peers[0] = peer_connect(&fixture);
    pump(&fixture);
    fixture.seen.last->user = second;
    peer_send_batch(peers[0], 1, 10);
    sends = 0;
    pump(&fixture);
    assert_int_equal(sends, 2);
    for (i = 0; i < 10; i++) {
        assert_int_equal(peer_receive(peers[0], &message, NULL), WIRE_DONE);
        assert_int_equal(peer_receive(peers[1], &message, NULL), WIRE_DONE);
    }
    /* Outside of any handler, as from a timer. */
    sends = 0;
    assert_int_equal(connection_send(second, &message, -1), 0);
    assert_int_equal(connection_send(second, &message, -1), 0);
    assert_int_equal(sends, 0);
    pump(&fixture);
    assert_int_equal(sends, 1);
    /* One that is closed while output waits is forgotten, after a last attempt. */
    assert_int_equal(connection_send(second, &message, -1), 0);
    connection_close(second, CONNECTION_LOCAL, "closed");
    assert_int_equal(connection_send(second, &message, -1), -EPIPE);
    pump(&fixture);
    for (i = 0; i < 3; i++)
        assert_int_equal(peer_receive(peers[1], &message, NULL), WIRE_DONE);
    assert_int_equal(peer_receive(peers[1], &message, NULL), 0);
    close(peers[0]);
    close(peers[1]);
    fixture_stop(&fixture);
}

static void test_illegal_messages_are_not_sent(void **state)
{
    struct wire_message message = {.type = 99};
    struct fixture fixture;
    int peer;

    (void)state;
    fixture_start(&fixture, defaults, answer);
    peer = peer_connect(&fixture);
    pump(&fixture);
    assert_int_equal(connection_send(fixture.seen.last, &message, -1), -EINVAL);
    message.type = WIRE_DONE;
    assert_int_equal(connection_send(fixture.seen.last, &message, 0), -EINVAL);
    message.type = WIRE_EXTENT;
    assert_int_equal(connection_send(fixture.seen.last, &message, -1), -EINVAL);
    pump(&fixture);
    assert_int_equal(peer_receive(peer, &message, NULL), -EAGAIN);
    close(peer);
    fixture_stop(&fixture);
}

/* Descriptors. */

static void test_descriptors_go_out_with_their_messages(void **state)
{
    struct wire_message map = {.type = WIRE_MAP, .seq = 1}, message;
    struct fixture fixture;
    int peer, fd;
    uint32_t i;

    (void)state;
    fixture_start(&fixture, defaults, answer_map);
    peer = peer_connect(&fixture);
    peer_send(peer, &map, -1);
    sends = 0;
    pump(&fixture);
    assert_int_equal(sends, 2); /* one for each descriptor; MAPPED goes with the second */
    for (i = 0; i < 2; i++) {
        assert_int_equal(peer_receive(peer, &message, &fd), WIRE_EXTENT);
        assert_int_equal(message.extent.extent, i);
        assert_true(fd >= 0);
        close(fd);
    }
    assert_int_equal(peer_receive(peer, &message, &fd), WIRE_MAPPED);
    assert_int_equal(fd, -1);
    close(peer);
    fixture_stop(&fixture);
}

static size_t encode_give(uint8_t *bytes, uint32_t seq)
{
    struct wire_message give = {.type = WIRE_GIVE_EXTENT, .seq = seq, .give_extent.pages = 1};

    return wire_encode(&give, bytes, WIRE_MESSAGE_MAX);
}

/* Each way in which two messages with descriptors can be cut, and bytes of several sends run
 * together. */
static void test_descriptors_come_in_with_their_messages(void **state)
{
    uint8_t first[WIRE_MESSAGE_MAX], second[WIRE_MESSAGE_MAX];
    size_t size = encode_give(first, 1), cut;
    struct wire_message message;
    struct fixture fixture;
    unsigned round = 0;
    int peer;

    (void)state;
    encode_give(second, 2);
    fixture_start(&fixture, defaults, answer);
    peer = peer_connect(&fixture);
    for (cut = 1; cut <= size; cut++, round++) {
        peer_send_batch(peer, 0, 1);
        peer_send_bytes(peer, first, cut, peer);
        if (cut % 2 == 0)
            pump(&fixture); /* the rest comes later, together with the second message */
        if (cut < size)
            peer_send_bytes(peer, first + cut, size - cut, -1);
        peer_send_bytes(peer, second, size, peer);
        peer_send_batch(peer, 0, 1);
        pump(&fixture);
        assert_int_equal(fixture.seen.messages, 4 * (round + 1));
        assert_int_equal(fixture.seen.fds, 2 * (round + 1));
        assert_int_equal(peer_receive(peer, &message, NULL), WIRE_DONE);
        assert_int_equal(message.seq, 1);
        assert_int_equal(peer_receive(peer, &message, NULL), WIRE_DONE);
        assert_int_equal(message.seq, 2);
    }
    close(peer);
    fixture_stop(&fixture);
}

/* Send bytes, with descriptors at two places (past the end: none), and see the connection end. */
static void expect_violation(const uint8_t *bytes, size_t size, size_t fd_at, size_t other_fd_at,
                             const char *reason)
{
    struct fixture fixture;
    size_t at = 0, next;
    int peer, good;

    fixture_start(&fixture, defaults, answer);
    peer = peer_connect(&fixture);
    good = peer_connect(&fixture);
    while (at < size) {
        next = at < fd_at ? fd_at : at < other_fd_at ? other_fd_at : size;
        next = next < size ? next : size;
        peer_send_bytes(peer, bytes + at, next - at, at == fd_at || at == other_fd_at ? peer : -1);
        at = next;
    }
    pump(&fixture);
    assert_true(peer_is_closed(peer));
    assert_int_equal(fixture.seen.closed, 1);
    assert_int_equal(fixture.seen.end, CONNECTION_VIOLATION);
    if (strstr(fixture.seen.reason, reason) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", fixture.seen.reason, reason);
    assert_non_null(strstr(log_of(&fixture), reason));
    assert_int_equal(lines_of(&fixture), 1);
    assert_int_equal(fixture.server.counters.violations, 1);
    peer_send_batch(good, 1, 1);
    pump(&fixture);
    assert_int_equal(fixture.seen.messages, 1);
    close(peer);
    close(good);
    fixture_stop(&fixture);
}

static void test_violations_end_only_their_connection(void **state)
{
    enum { NOWHERE = 100000 };
    uint8_t bytes[2 * WIRE_MESSAGE_MAX];
    struct wire_message message = {.type = WIRE_DONE};
    size_t size;

    (void)state;
    expect_violation((const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18, NOWHERE, NOWHERE, "magic");
    expect_violation((const uint8_t *)"xx", 2, NOWHERE, NOWHERE, "magic");

    size = wire_encode(&message, bytes, sizeof(bytes));
    bytes[2] = 250;
    expect_violation(bytes, size, NOWHERE, NOWHERE, "unknown type");
    bytes[2] = WIRE_DONE;
    bytes[4]++;
    expect_violation(bytes, size, NOWHERE, NOWHERE, "length");

    size = encode_give(bytes, 0);
    expect_violation(bytes, size, NOWHERE, NOWHERE, "GIVE_EXTENT came without");
    expect_violation(bytes, size, 0, 5, "two descriptors");
}

static void test_descriptors_that_nobody_announces(void **state)
{
    struct wire_message message = {.type = WIRE_DONE};
    uint8_t bytes[WIRE_MESSAGE_MAX];
    size_t size = wire_encode(&message, bytes, sizeof(bytes));
    struct fixture fixture;
    int peer;

    (void)state;
    fixture_start(&fixture, defaults, answer);
    peer = peer_connect(&fixture);
    peer_send_bytes(peer, bytes, size, fixture.log);
    pump(&fixture);
    assert_int_equal(fixture.seen.closed, 1);
    assert_non_null(strstr(fixture.seen.reason, "no message announces"));
    close(peer);
    /* Within a message that is never finished. */
    peer = peer_connect(&fixture);
    peer_send_bytes(peer, bytes, 5, fixture.log);
    pump(&fixture);
    assert_int_equal(fixture.seen.closed, 1);
    peer_send_bytes(peer, bytes + 5, size - 5, -1);
    pump(&fixture);
    assert_int_equal(fixture.seen.closed, 2);
    assert_int_equal(fixture.seen.end, CONNECTION_VIOLATION);
    close(peer);
    /* And one that waits when the peer goes. */
    peer = peer_connect(&fixture);
    peer_send_bytes(peer, bytes, 5, fixture.log);
    pump(&fixture);
    close(peer);
    pump(&fixture);
    assert_int_equal(fixture.seen.end, CONNECTION_PEER);
    fixture_stop(&fixture);
}

/* Pieces. */

static void test_messages_come_in_pieces(void **state)
{
    struct wire_message message = {.type = WIRE_DONE, .seq = 1};
    uint8_t bytes[WIRE_MESSAGE_MAX];
    size_t size = wire_encode(&message, bytes, sizeof(bytes)), i;
    struct fixture fixture;
    int peer;

    (void)state;
    fixture_start(&fixture, defaults, answer);
    peer = peer_connect(&fixture);
    for (i = 0; i < 2 * size; i++) {
        peer_send_bytes(peer, bytes + i % size, 1, -1);
        uv_run(&fixture.loop, UV_RUN_NOWAIT);
    }
    pump(&fixture);
    assert_int_equal(fixture.seen.messages, 2);
    assert_null(fixture.seen.last->input);
    assert_int_equal(peer_receive(peer, &message, NULL), WIRE_DONE);
    assert_int_equal(peer_receive(peer, &message, NULL), WIRE_DONE);
    peer_send_bytes(peer, bytes, size / 2, -1);
    close(peer);
    pump(&fixture);
    assert_int_equal(fixture.seen.end, CONNECTION_PEER);
    assert_string_equal(fixture.seen.reason, "the peer closed in the middle of a message");
    assert_int_equal(lines_of(&fixture), 0);
    fixture_stop(&fixture);
}

/* The peer has closed without receiving its replies, so that epoll reports an error; what it sent
 * is handled all the same. */
static void test_last_words_are_heard(void **state)
{
    struct fixture fixture;
    int peer;

    (void)state;
    fixture_start(&fixture, defaults, answer);
    peer = peer_connect(&fixture);
    peer_send_batch(peer, 1, 1);
    pump(&fixture);
    peer_send_batch(peer, 2, 5);
    close(peer);
    pump(&fixture);
    assert_int_equal(fixture.seen.messages, 6);
    assert_int_equal(fixture.seen.end, CONNECTION_PEER);
    fixture_stop(&fixture);
}

/* Peers that do not receive. */

static void test_a_peer_that_never_reads_is_dropped(void **state)
{
    struct server_options options = defaults;
    struct wire_message message;
    struct fixture fixture;
    uint32_t rounds = 0;
    int slow, good;

    (void)state;
    options.queue_max = 20000;
    fixture_start(&fixture, options, answer);
    slow = peer_connect(&fixture);
    good = peer_connect(&fixture);
    while (fixture.seen.closed == 0) {
        assert_in_range(rounds++, 0, 1000);
        peer_send_batch(slow, 1, 64);
        peer_send_batch(good, rounds, 1);
        pump(&fixture);
        assert_int_equal(peer_receive(good, &message, NULL), WIRE_DONE);
        assert_int_equal(message.seq, rounds);
    }
    assert_true(rounds > 2);
    assert_int_equal(fixture.seen.end, CONNECTION_NOT_RECEIVING);
    assert_non_null(strstr(log_of(&fixture), "does not receive"));
    assert_int_equal(lines_of(&fixture), 1);
    assert_int_equal(fixture.server.counters.dropped, 1);
    assert_non_null(fixture.server.spare);
    close(slow);
    close(good);
    fixture_stop(&fixture);
}

static void test_a_slow_peer_gets_all(void **state)
{
    struct wire_message message = {.type = WIRE_DONE};
    struct connection *connection;
    uint32_t sent = 0, received = 0;
    struct fixture fixture;
    int peer, fd;

    (void)state;
    fixture_start(&fixture, defaults, answer_map);
    peer = peer_connect(&fixture);
    pump(&fixture);
    connection = fixture.seen.last;
    do {
        message.seq = ++sent;
        assert_int_equal(connection_send(connection, &message, -1), 0);
    } while (!connection->blocked || connection->queued < 100000);
    assert_non_null(fixture.server.spare); /* not kept by the one who does not receive */
    message = (struct wire_message){.type = WIRE_EXTENT, .seq = ++sent};
    assert_int_equal(connection_send(connection, &message, peer), 0);
    pump(&fixture);
    while (received < sent) {
        assert_int_equal(peer_receive(peer, &message, &fd),
                         received + 1 < sent ? WIRE_DONE : WIRE_EXTENT);
        assert_int_equal(message.seq, ++received);
        assert_int_equal(fd >= 0, received == sent);
        if (fd >= 0)
            close(fd);
        if (received % 100 == 0 || received + 1000 > sent)
            pump(&fixture);
    }
    assert_false(connection->blocked);
    assert_null(connection->output);
    assert_int_equal(connection->queued, 0);
    close(peer);
    fixture_stop(&fixture);
}

/* As a control connection is set up: what it does not take at once ends it. */
static void test_nothing_waits_without_a_queue(void **state)
{
    struct wire_message message = {.type = WIRE_DONE};
    struct connection *connection;
    struct fixture fixture;
    int peer, result;
    unsigned sent = 0;

    (void)state;
    fixture_start(&fixture, defaults, answer);
    peer = peer_connect(&fixture);
    pump(&fixture);
    connection = fixture.seen.last;
    connection_set_queue_max(connection, 0);
    do {
        result = connection_send(connection, &message, -1);
        connection_flush(connection);
        assert_in_range(sent++, 0, 100000);
    } while (result == 0);
    assert_int_equal(result, -EPIPE); /* the flush before it has closed */
    pump(&fixture);
    assert_int_equal(fixture.seen.end, CONNECTION_NOT_RECEIVING);
    close(peer);
    fixture_stop(&fixture);
}

static void test_descriptors_that_wait_are_bounded(void **state)
{
    struct wire_message done = {.type = WIRE_DONE}, extent = {.type = WIRE_EXTENT};
    struct connection *connection;
    struct fixture fixture;
    int peer, i;

    (void)state;
    fixture_start(&fixture, defaults, answer);
    peer = peer_connect(&fixture);
    pump(&fixture);
    connection = fixture.seen.last;
    while (!connection->blocked) {
        assert_int_equal(connection_send(connection, &done, -1), 0);
        connection_flush(connection);
    }
    for (i = 0; i < (int)CONNECTION_FDS_MAX; i++)
        assert_int_equal(connection_send(connection, &extent, peer), 0);
    assert_int_equal(connection_send(connection, &extent, peer), -ENOBUFS);
    assert_int_equal(connection_send(connection, &extent, peer), -EPIPE);
    pump(&fixture);
    assert_int_equal(fixture.seen.end, CONNECTION_NOT_RECEIVING);
    close(peer);
    fixture_stop(&fixture);
}

/* Many, and the end. */

static void test_two_hundred_connections(void **state)
{
    enum { PEERS = 200 };
    struct wire_message message;
    struct fixture fixture;
    int peers[PEERS], i;

    (void)state;
    fixture_start(&fixture, defaults, answer);
    for (i = 0; i < PEERS; i++) {
        peers[i] = peer_connect(&fixture);
        if (i % 50 == 49)
            pump(&fixture); /* no more wait than the backlog has places */
    }
    for (i = 0; i < PEERS; i++)
        peer_send_batch(peers[i], (uint32_t)i + 1, 2);
    pump(&fixture);
    assert_int_equal(fixture.seen.accepted, PEERS);
    assert_int_equal(fixture.server.connections, PEERS);
    assert_int_equal(fixture.seen.messages, 2 * PEERS);
    for (i = 0; i < PEERS; i++) {
        assert_int_equal(peer_receive(peers[i], &message, NULL), WIRE_DONE);
        assert_int_equal(message.seq, i + 1);
    }
    for (i = 0; i < PEERS; i += 2)
        close(peers[i]);
    pump(&fixture);
    assert_int_equal(fixture.seen.closed, PEERS / 2);
    server_stop(&fixture.server); /* the others are closed by the server */
    pump(&fixture);
    assert_int_equal(fixture.seen.closed, PEERS);
    assert_int_equal(fixture.seen.end, CONNECTION_LOCAL);
    for (i = 1; i < PEERS; i += 2)
        close(peers[i]);
    fixture_stop(&fixture);
}

static void test_a_connection_at_rest_is_small(void **state)
{
    struct wire_message message;
    struct fixture fixture;
    int peer;

    (void)state;
    fixture_start(&fixture, defaults, answer);
    peer = peer_connect(&fixture);
    peer_send_batch(peer, 1, 1);
    pump(&fixture);
    assert_int_equal(peer_receive(peer, &message, NULL), WIRE_DONE);
    print_message("a connection takes %zu bytes of heap\n", malloc_usable_size(fixture.seen.last));
    assert_in_range(malloc_usable_size(fixture.seen.last), 1, 349);
    assert_null(fixture.seen.last->input);
    assert_null(fixture.seen.last->output);
    assert_null(fixture.seen.last->reason);
    close(peer);
    fixture_stop(&fixture);
}

static void test_handlers_may_close_and_stop(void **state)
{
    struct wire_message message;
    struct fixture fixture;
    uint32_t seq;
    int peer;

    (void)state;
    fixture_start(&fixture, defaults, close_at_seq_7);
    peer = peer_connect(&fixture);
    peer_send_batch(peer, 1, 20);
    pump(&fixture);
    assert_int_equal(fixture.seen.messages, 7);
    assert_int_equal(fixture.seen.end, CONNECTION_LOCAL);
    assert_string_equal(fixture.seen.reason, "enough of 7");
    for (seq = 1; seq <= 7; seq++) /* what was sent before arrives */
        assert_int_equal(peer_receive(peer, &message, NULL), WIRE_DONE);
    assert_int_equal(peer_receive(peer, &message, NULL), 0);
    close(peer);
    fixture_stop(&fixture);

    fixture_start(&fixture, defaults, stop_at_seq_7);
    peer = peer_connect(&fixture);
    peer_send_batch(peer, 1, 20);
    assert_int_equal(uv_run(&fixture.loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(fixture.seen.messages, 7);
    for (seq = 1; seq <= 7; seq++)
        assert_int_equal(peer_receive(peer, &message, NULL), WIRE_DONE);
    close(peer);
    fixture_stop(&fixture);
}

/* What a stopped server leaves ignored and blocked, since its process is to end. */
static void take_signals_back(void)
{
    sigset_t both;

    sigemptyset(&both);
    sigaddset(&both, SIGTERM);
    sigaddset(&both, SIGINT);
    assert_int_equal(sigprocmask(SIG_UNBLOCK, &both, NULL), 0); /* drops one that waits */
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
}

static void test_a_signal_stops(void **state)
{
    static const int signals[] = {SIGTERM, SIGINT};
    struct server_options options = defaults;
    struct fixture fixture;
    struct stat status;
    int peer;
    size_t i;

    (void)state;
    options.signals = true;
    for (i = 0; i < 2; i++) {
        fixture_start(&fixture, options, answer);
        peer = peer_connect(&fixture);
        pump(&fixture);
        assert_int_equal(raise(signals[i]), 0);
        assert_int_equal(uv_run(&fixture.loop, UV_RUN_DEFAULT), 0);
        assert_int_equal(fixture.seen.stops, 1);
        assert_int_equal(stat(fixture.scratch.path, &status), -1);
        assert_int_equal(raise(signals[i]), 0); /* too late to kill it */
        close(peer);
        fixture_stop(&fixture); /* nothing is left to stop */
        take_signals_back();
    }
}

/* Beginnings. */

static void test_readiness_is_told(void **state)
{
    struct server_options options = defaults;
    struct fixture fixture;
    int fds[2];
    char byte;

    (void)state;
    assert_int_equal(pipe(fds), 0);
    options.ready_fd = fds[1];
    fixture_start(&fixture, options, answer);
    assert_int_equal(read(fds[0], &byte, 1), 1);
    assert_int_equal(read(fds[0], &byte, 1), 0); /* and closed */
    fixture.fds -= 1;
    close(peer_connect(&fixture));
    pump(&fixture);
    close(fds[0]);
    fixture.fds -= 1;
    fixture_stop(&fixture);
}

static int start_at(const char *path, int ready_fd, struct sp_error *error)
{
    struct server_options options = {.program = "test", .path = path, .ready_fd = ready_fd};
    struct server server;
    uv_loop_t loop;
    int result;

    options.handlers.on_message = answer;
    assert_int_equal(uv_loop_init(&loop), 0);
    result = server_start(&server, &loop, &options, error);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    server_fini(&server);
    return result;
}

static void test_a_failed_start_leaves_nothing(void **state)
{
    unsigned fds = count_fds();
    struct scratch scratch;
    struct sp_error error;
    char path[200] = "/tmp/";

    (void)state;
    memset(path + 5, 'x', 150);
    assert_int_equal(start_at(path, -1, &error), -ENAMETOOLONG);
    assert_non_null(strstr(error.text, "107"));
    assert_int_equal(start_at("/nonexistent/s", -1, &error), -ENOENT);
    scratch_init(&scratch);
    assert_int_equal(start_at(scratch_path(&scratch, "s"), 999, &error), -EBADF);
    assert_non_null(strstr(error.text, "999"));
    scratch_fini(&scratch);
    assert_int_equal(count_fds(), fds);
}

static int refuse(struct connection *connection, const struct sock_peer *peer)
{
    (void)connection;
    (void)peer;
    return -EPERM;
}

static int close_at_once(struct connection *connection, const struct sock_peer *peer)
{
    note_accept(connection, peer);
    connection_close(connection, CONNECTION_LOCAL, "not today");
    return 0;
}

static void test_connections_can_be_refused(void **state)
{
    struct server_options options = defaults;
    struct fixture fixture;
    int peers[3], i;

    (void)state;
    options.handlers.on_accept = refuse;
    fixture_start(&fixture, options, answer);
    peers[0] = peer_connect(&fixture);
    pump(&fixture);
    assert_true(peer_is_closed(peers[0]));
    assert_int_equal(fixture.seen.closed, 0);
    assert_int_equal(fixture.server.counters.refused, 1);
    assert_non_null(strstr(log_of(&fixture), "refused: Operation not permitted"));
    close(peers[0]);
    fixture_stop(&fixture);

    options.handlers.on_accept = close_at_once;
    fixture_start(&fixture, options, answer);
    peers[0] = peer_connect(&fixture);
    pump(&fixture);
    assert_true(peer_is_closed(peers[0]));
    assert_int_equal(fixture.seen.closed, 1);
    close(peers[0]);
    fixture_stop(&fixture);

    options.handlers.on_accept = NULL;
    options.connections_max = 2;
    fixture_start(&fixture, options, answer);
    for (i = 0; i < 3; i++)
        peers[i] = peer_connect(&fixture);
    pump(&fixture);
    assert_int_equal(fixture.seen.accepted, 2);
    assert_true(peer_is_closed(peers[2]));
    for (i = 0; i < 3; i++)
        close(peers[i]);
    fixture_stop(&fixture);
}

/* Without descriptors accepting pauses instead of spinning, and goes on when there are some. */
static void test_accepting_waits_for_descriptors(void **state)
{
    struct fixture fixture;
    int peer, i;

    (void)state;
    fixture_start(&fixture, defaults, answer);
    peer = peer_connect(&fixture);
    no_descriptors = true;
    accepts = 0;
    for (i = 0; i < 100; i++)
        uv_run(&fixture.loop, UV_RUN_NOWAIT);
    no_descriptors = false;
    assert_in_range(accepts, 1, 3); /* a pause or two may have passed */
    assert_int_equal(fixture.seen.accepted, 0);
    assert_non_null(strstr(log_of(&fixture), "accept failed: Too many open files"));
    while (fixture.seen.accepted == 0)
        uv_run(&fixture.loop, UV_RUN_ONCE);
    close(peer);
    fixture_stop(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_is_answered),
        cmocka_unit_test(test_a_batch_is_answered_with_one_send),
        cmocka_unit_test(test_no_reply_is_sent_where_none_is_wanted),
        cmocka_unit_test(test_sends_to_others_are_gathered),
        cmocka_unit_test(test_illegal_messages_are_not_sent),
        cmocka_unit_test(test_descriptors_go_out_with_their_messages),
        cmocka_unit_test(test_descriptors_come_in_with_their_messages),
        cmocka_unit_test(test_violations_end_only_their_connection),
        cmocka_unit_test(test_descriptors_that_nobody_announces),
        cmocka_unit_test(test_messages_come_in_pieces),
        cmocka_unit_test(test_last_words_are_heard),
        cmocka_unit_test(test_a_peer_that_never_reads_is_dropped),
        cmocka_unit_test(test_a_slow_peer_gets_all),
        cmocka_unit_test(test_nothing_waits_without_a_queue),
        cmocka_unit_test(test_descriptors_that_wait_are_bounded),
        cmocka_unit_test(test_two_hundred_connections),
        cmocka_unit_test(test_a_connection_at_rest_is_small),
        cmocka_unit_test(test_handlers_may_close_and_stop),
        cmocka_unit_test(test_a_signal_stops),
        cmocka_unit_test(test_readiness_is_told),
        cmocka_unit_test(test_a_failed_start_leaves_nothing),
        cmocka_unit_test(test_connections_can_be_refused),
        cmocka_unit_test(test_accepting_waits_for_descriptors),
    };

    return cmocka_run_group_tests_name("io/server", tests, warm_up, NULL);
}
