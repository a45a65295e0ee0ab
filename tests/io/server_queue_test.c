/* The server skeleton and peers that do not receive: what waits for them, and for how long. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "peer.h"

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
        assert_int_equal(peer_receive(&fixture, good, &message, NULL), WIRE_DONE);
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
    assert_non_null(fixture.server.spare); /* the peer that does not receive does not keep it */
    message = (struct wire_message){.type = WIRE_EXTENT, .seq = ++sent};
    assert_int_equal(connection_send(connection, &message, peer), 0);
    pump(&fixture);
    while (received < sent) {
        assert_int_equal(peer_receive(&fixture, peer, &message, &fd),
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_peer_that_never_reads_is_dropped),
        cmocka_unit_test(test_a_slow_peer_gets_all),
        cmocka_unit_test(test_nothing_waits_without_a_queue),
        cmocka_unit_test(test_descriptors_that_wait_are_bounded),
    };

    return cmocka_run_group_tests_name("io/server_queue", tests, warm_up, NULL);
}
