/* The server skeleton over real sockets: batches, descriptors, and pieces. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "peer.h"

/* The linker leads the server's calls here: --wrap. */
ssize_t __real_sock_send(int fd, const void *bytes, size_t size, int borrowed_fd);
ssize_t __wrap_sock_send(int fd, const void *bytes, size_t size, int borrowed_fd);
ssize_t __real_sock_receive(int fd, void *buffer, size_t size, int *receivedp);
ssize_t __wrap_sock_receive(int fd, void *buffer, size_t size, int *receivedp);
ssize_t __real_sock_receive_all(int fd, void *buffer, size_t size, int *fds, unsigned *countp);
ssize_t __wrap_sock_receive_all(int fd, void *buffer, size_t size, int *fds, unsigned *countp);

static unsigned sends, receives;

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

ssize_t __wrap_sock_receive_all(int fd, void *buffer, size_t size, int *fds, unsigned *countp)
{
    receives++;
    return __real_sock_receive_all(fd, buffer, size, fds, countp);
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
    assert_int_equal(peer_receive(&fixture, peer, &message, NULL), WIRE_DONE);
    assert_int_equal(message.seq, 5);
    assert_int_equal(message.done.count, 5);
    assert_string_equal(message.done.text, "text");
    assert_int_equal(receives, 1 + 1); /* one in the server, one here */
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
    struct server_options options = defaults;
    uint32_t seq;
    int peer;

    (void)state;
    options.slice_ns = 1000000000; /* however slow this machine is, one turn is enough */
    fixture_start(&fixture, options, answer);
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
        assert_int_equal(peer_receive(&fixture, peer, &message, NULL), WIRE_DONE);
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
    assert_int_equal(peer_receive(&fixture, peer, &message, NULL), -EAGAIN);
    close(peer);
    fixture_stop(&fixture);
}

static void test_sends_to_others_are_gathered(void **state)
{
    struct wire_message message;
    struct fixture fixture;
    struct server_options options = defaults;
    struct connection *second;
    int peers[2], i;

    (void)state;
    options.slice_ns = 1000000000; /* however slow this machine is, one turn is enough */
    fixture_start(&fixture, options, pass_on);
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
        assert_int_equal(peer_receive(&fixture, peers[0], &message, NULL), WIRE_DONE);
        assert_int_equal(peer_receive(&fixture, peers[1], &message, NULL), WIRE_DONE);
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
        assert_int_equal(peer_receive(&fixture, peers[1], &message, NULL), WIRE_DONE);
    assert_int_equal(peer_receive(&fixture, peers[1], &message, NULL), 0);
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
    assert_int_equal(peer_receive(&fixture, peer, &message, NULL), -EAGAIN);
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
        assert_int_equal(peer_receive(&fixture, peer, &message, &fd), WIRE_EXTENT);
        assert_int_equal(message.extent.extent, i);
        assert_true(fd >= 0);
        close(fd);
    }
    assert_int_equal(peer_receive(&fixture, peer, &message, &fd), WIRE_MAPPED);
    assert_int_equal(fd, -1);
    close(peer);
    fixture_stop(&fixture);
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
        assert_int_equal(peer_receive(&fixture, peer, &message, NULL), WIRE_DONE);
        assert_int_equal(message.seq, 1);
        assert_int_equal(peer_receive(&fixture, peer, &message, NULL), WIRE_DONE);
        assert_int_equal(message.seq, 2);
    }
    close(peer);
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
    assert_int_equal(peer_receive(&fixture, peer, &message, NULL), WIRE_DONE);
    assert_int_equal(peer_receive(&fixture, peer, &message, NULL), WIRE_DONE);
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
        cmocka_unit_test(test_messages_come_in_pieces),
        cmocka_unit_test(test_last_words_are_heard),
    };

    return cmocka_run_group_tests_name("io/server_messages", tests, warm_up, NULL);
}
