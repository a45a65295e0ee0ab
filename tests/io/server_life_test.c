/* How the server skeleton begins and ends, and how many connections it keeps. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <malloc.h>
#include <signal.h>
#include <sys/stat.h>

#include "peer.h"

/* The linker leads the server's calls here: --wrap. */
int __real_sock_accept(int listener);
int __wrap_sock_accept(int listener);

static unsigned accepts;
static bool no_descriptors; /* as if this process had no room for further ones */

int __wrap_sock_accept(int listener)
{
    accepts++;
    return no_descriptors ? -EMFILE : __real_sock_accept(listener);
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
    /* On a slow machine a user's turn ends before all are answered, and the next pass goes on. */
    for (i = 0; i < PEERS && fixture.seen.messages < 2 * PEERS; i++)
        pump(&fixture);
    assert_int_equal(fixture.seen.accepted, PEERS);
    assert_int_equal(fixture.server.connections, PEERS);
    assert_int_equal(fixture.seen.messages, 2 * PEERS);
    for (i = 0; i < PEERS; i++) {
        assert_int_equal(peer_receive(&fixture, peers[i], &message, NULL), WIRE_DONE);
        assert_int_equal(message.seq, i + 1);
    }
    for (i = 0; i < PEERS; i += 2)
        close(peers[i]);
    for (i = 0; i < PEERS && fixture.seen.closed < PEERS / 2; i++)
        pump(&fixture); /* a pass clears away only some of them */
    assert_int_equal(fixture.seen.closed, PEERS / 2);
    server_stop(&fixture.server); /* the others are closed by the server */
    assert_int_equal(uv_run(&fixture.loop, UV_RUN_DEFAULT), 0);
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
    assert_int_equal(peer_receive(&fixture, peer, &message, NULL), WIRE_DONE);
    print_message("a connection takes %zu bytes of heap\n", malloc_usable_size(fixture.seen.last));
    assert_in_range(malloc_usable_size(fixture.seen.last), 1, 399);
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
        assert_int_equal(peer_receive(&fixture, peer, &message, NULL), WIRE_DONE);
    assert_int_equal(peer_receive(&fixture, peer, &message, NULL), 0);
    close(peer);
    fixture_stop(&fixture);

    fixture_start(&fixture, defaults, stop_at_seq_7);
    peer = peer_connect(&fixture);
    peer_send_batch(peer, 1, 20);
    assert_int_equal(uv_run(&fixture.loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(fixture.seen.messages, 7);
    for (seq = 1; seq <= 7; seq++)
        assert_int_equal(peer_receive(&fixture, peer, &message, NULL), WIRE_DONE);
    close(peer);
    fixture_stop(&fixture);
}

/* What a stopped server leaves ignored and blocked, since its process ends next. */
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
    struct wire_message message;
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
    assert_int_equal(peer_receive(&fixture, peers[2], &message, NULL),
                     WIRE_DONE); /* and is told why */
    assert_int_equal(message.error, EMFILE);
    assert_non_null(strstr(message.done.text, "limit of open files"));
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
        cmocka_unit_test(test_two_hundred_connections),
        cmocka_unit_test(test_a_connection_at_rest_is_small),
        cmocka_unit_test(test_handlers_may_close_and_stop),
        cmocka_unit_test(test_a_signal_stops),
        cmocka_unit_test(test_readiness_is_told),
        cmocka_unit_test(test_a_failed_start_leaves_nothing),
        cmocka_unit_test(test_connections_can_be_refused),
        cmocka_unit_test(test_accepting_waits_for_descriptors),
    };

    return cmocka_run_group_tests_name("io/server_life", tests, warm_up, NULL);
}
