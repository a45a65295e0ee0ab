/* The server skeleton and peers that mean it ill: the others are served all the same. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <valgrind/valgrind.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "io/errand.h"
#include "os/clock.h"
#include "os/limits.h"
#include "peer.h"

/* ---- Descriptors whose close blocks ---- */

/* The linker leads the server's calls here: --wrap. */
int __real_sock_peer(int fd, struct sock_peer *peer);
int __wrap_sock_peer(int fd, struct sock_peer *peer);

static uid_t next_uid = (uid_t)-1; /* of those that connect from now on; -1: the true one */

int __wrap_sock_peer(int fd, struct sock_peer *peer)
{
    int code = __real_sock_peer(fd, peer);

    if (next_uid != (uid_t)-1)
        peer->uid = next_uid;
    return code;
}

/* A TCP connection with data that its peer does not take, and a long SO_LINGER: closing its last
 * descriptor blocks until the peer (`*other`) is closed. */
static int lingering(int *other)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct linger linger = {.l_onoff = 1, .l_linger = 60};
    socklen_t size = sizeof(address);
    static char bytes[65536];
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 2304, fd;

    assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(listen(listener, 1), 0);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    *other = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(*other >= 0);
    close(listener);
    while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        continue;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    return fd;
}

static uint64_t served_in_ms(struct fixture *fixture, int good)
{
    uint64_t begun_ns = clock_now_ns();
    struct wire_message message;

    peer_send_batch(good, 1, 1);
    pump(fixture);
    assert_int_equal(peer_receive(fixture, good, &message, NULL), WIRE_DONE);
    return (clock_now_ns() - begun_ns) / CLOCK_NS_PER_MS;
}

/* Send it where no descriptor belongs (`with`: how many times), and leave. */
static void leave_behind(int peer, int fd, unsigned with)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(64 * sizeof(int))];
    } control = {0};
    struct iovec part = {.iov_base = (void *)"\x50\x53", .iov_len = 2};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes};
    struct cmsghdr *cmsg;

    header.msg_controllen = CMSG_SPACE(with * sizeof(int));
    cmsg = CMSG_FIRSTHDR(&header);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(with * sizeof(int));
    for (unsigned i = 0; i < with; i++)
        memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &fd, sizeof(int));
    assert_int_equal(sendmsg(peer, &header, 0), 2);
}

/* `received`: the server has read it before the peer leaves, else it is still queued. */
static void check_nobody_waits_for_a_close(unsigned with, bool received)
{
    struct fixture fixture;
    int peer, good, fd, other;

    fd = lingering(&other);
    fixture_start(&fixture, defaults, answer);
    fixture.fds -= 2;
    good = peer_connect(&fixture);
    pump(&fixture);
    peer = peer_connect(&fixture);
    pump(&fixture);
    leave_behind(peer, fd, with);
    close(fd);
    if (received)
        pump(&fixture);
    close(peer);
    assert_in_range(served_in_ms(&fixture, good), 0, 10000);
    assert_int_equal(fixture.seen.closed, 1);
    close(other); /* which ends the wait */
    close(good);
    fixture_stop(&fixture);
}

static void test_nobody_waits_for_a_close(void **state)
{
    (void)state;
    if (RUNNING_ON_VALGRIND)
        skip(); /* it runs one thread at a time, and waits with the one that closes */
    check_nobody_waits_for_a_close(1, true);
    check_nobody_waits_for_a_close(1, false);
    check_nobody_waits_for_a_close(40, true); /* more than there is a use for */
    check_nobody_waits_for_a_close(40, false);
}

/* Have a user's errands block, all that may run at a time, until `other` is closed. The server has
 * the only references to these descriptors, and they stand before all others in the user's lane. */
static void wedge(struct fixture *fixture, const int fd[ERRAND_LANE_MAX])
{
    for (unsigned i = 0; i < ERRAND_LANE_MAX; i++) {
        int peer = peer_connect(fixture);

        leave_behind(peer, fd[i], 1);
        close(fd[i]);
        pump(fixture);
        close(peer);
        pump(fixture);
    }
}

static void test_descriptors_that_wait_to_be_closed_are_bounded(void **state)
{
    int fd[ERRAND_LANE_MAX], other[ERRAND_LANE_MAX];
    struct fixture fixture;
    unsigned before, most = 0;
    int good;

    (void)state;
    if (RUNNING_ON_VALGRIND)
        skip(); /* as above */
    for (unsigned i = 0; i < ERRAND_LANE_MAX; i++)
        fd[i] = lingering(&other[i]);
    fixture_start(&fixture, defaults, answer);
    fixture.fds -= 2 * ERRAND_LANE_MAX;
    good = peer_connect(&fixture);
    pump(&fixture);
    wedge(&fixture, fd);
    before = count_fds();
    for (unsigned i = 0; i < 60; i++) {
        int peer = peer_connect(&fixture);

        leave_behind(peer, good, 64);
        pump(&fixture);
        close(peer);
        pump(&fixture);
        most = count_fds() - before > most ? count_fds() - before : most;
    }
    /* None is closed meanwhile, as each is read until DISCARD_MAX wait; then nothing is read. */
    assert_in_range(most, 256, 256 + 64 + 2 * 60);
    for (unsigned i = 0; i < ERRAND_LANE_MAX; i++)
        close(other[i]); /* which ends the wait */
    close(good);
    fixture_stop(&fixture);
}

static void test_where_none_belongs_none_is_taken(void **state)
{
    struct server_options options = defaults;
    struct wire_message message = {.type = WIRE_DONE, .seq = 1};
    uint8_t bytes[WIRE_MESSAGE_MAX];
    size_t size = wire_encode(&message, bytes, sizeof(bytes));
    struct fixture fixture;
    ssize_t sent;
    int peer;

    (void)state;
    options.descriptors = SERVER_DESCRIPTORS_NEVER;
    fixture_start(&fixture, options, answer);
    peer = peer_connect(&fixture);
    sent = sock_send(peer, bytes, size, fixture.log);
    pump(&fixture);
    if (sent > 0) { /* a kernel that does not refuse it */
        assert_int_equal(fixture.seen.end, CONNECTION_VIOLATION);
    } else {
        assert_int_equal(sent, -EPERM);
        assert_int_equal(fixture.seen.closed, 0);
        assert_true(fixture.seen.last->bare);
    }
    assert_int_equal(fixture.seen.fds, 0);
    close(peer);
    fixture_stop(&fixture);
}

static void greet_and_answer(struct connection *connection, const struct wire_message *message,
                             int consume_fd)
{
    answer(connection, message, consume_fd);
    connection_greet(connection, true);
}

static void test_descriptors_can_be_let_in_after_the_greeting(void **state)
{
    struct server_options options = defaults;
    uint8_t bytes[WIRE_MESSAGE_MAX];
    size_t size = encode_give(bytes, 1);
    struct fixture fixture;
    int peer;

    (void)state;
    options.descriptors = SERVER_DESCRIPTORS_GREETED;
    fixture_start(&fixture, options, greet_and_answer);
    peer = peer_connect(&fixture);
    peer_send_batch(peer, 1, 1);
    pump(&fixture);
    peer_send_bytes(peer, bytes, size, fixture.log);
    pump(&fixture);
    assert_int_equal(fixture.seen.fds, 1);
    close(peer);
    fixture_stop(&fixture);
}

/* A server whose standard input is closed gets descriptor 0 from a peer. It belongs to its message all the
 * same, and the descriptor of the next one to the next one. */
static void test_descriptor_0_is_one_like_others(void **state)
{
    uint8_t bytes[WIRE_MESSAGE_MAX];
    size_t size = encode_give(bytes, 1);
    int input = dup(STDIN_FILENO), peer;
    struct fixture fixture;

    (void)state;
    assert_true(input > 0);
    fixture_start(&fixture, defaults, answer);
    peer = peer_connect(&fixture);
    pump(&fixture);
    close(STDIN_FILENO);
    peer_send_bytes(peer, bytes, 5, fixture.log);
    pump(&fixture);
    assert_int_equal(fixture.seen.last->received_fd, STDIN_FILENO);
    peer_send_bytes(peer, bytes + 5, size - 5, -1);
    peer_send_bytes(peer, bytes, size, fixture.log);
    pump(&fixture);
    assert_int_equal(dup2(input, STDIN_FILENO), STDIN_FILENO);
    assert_int_equal(fixture.seen.fds, 2);
    assert_int_equal(fixture.seen.closed, 0);
    close(peer);
    fixture_stop(&fixture);
    close(input);
}

/* ---- Work ---- */

#define WORK_NS 100000

/* Takes long for each message with a seq above 1000. */
static void work(struct connection *connection, const struct wire_message *message, int consume_fd)
{
    uint64_t until_ns = clock_now_ns() + WORK_NS;

    while (message->seq > 1000 && clock_now_ns() < until_ns)
        continue;
    answer(connection, message, consume_fd);
}

static void test_a_flood_of_work_lets_others_have_their_turn(void **state)
{
    enum { FLOODS = 4, MESSAGES = 256 };
    struct wire_message message;
    struct fixture fixture;
    int flood[FLOODS], good;
    unsigned i, k;

    (void)state;
    fixture_start(&fixture, defaults, work);
    good = peer_connect(&fixture);
    for (i = 0; i < FLOODS; i++) {
        flood[i] = peer_connect(&fixture);
        for (k = 0; k < MESSAGES; k += 64)
            peer_send_batch(flood[i], 1001 + k, 64);
    }
    pump(&fixture);
    for (i = 0; i < 10; i++) { /* each time the floods have work for a tenth of a second */
        unsigned before = fixture.seen.messages;

        peer_send_batch(good, 1, 1);
        while (peer_receive(&fixture, good, &message, NULL) == -EAGAIN)
            uv_run(&fixture.loop, UV_RUN_NOWAIT);
        assert_int_equal(message.seq, 1);
        /* Two passes, and each may be late by one turn of four messages: 5 ms and more would
         * be 50. */
        assert_in_range(fixture.seen.messages - before, 1, 48);
    }
    while (fixture.seen.messages < FLOODS * MESSAGES + 10) /* and they are not forgotten */
        uv_run(&fixture.loop, UV_RUN_NOWAIT);
    for (i = 0; i < FLOODS; i++) {
        for (k = 0; k < MESSAGES; k++) {
            while (peer_receive(&fixture, flood[i], &message, NULL) == -EAGAIN)
                uv_run(&fixture.loop, UV_RUN_NOWAIT);
            assert_int_equal(message.seq, 1001 + k); /* in order */
        }
        close(flood[i]);
    }
    close(good);
    fixture_stop(&fixture);
}

/* What turns have taken is forgotten with each pass: afterwards a message has its turn at once. */
static void test_what_comes_after_a_flood_does_not_wait(void **state)
{
    struct wire_message message;
    struct fixture fixture;
    int flood, good;
    uint64_t before;

    (void)state;
    fixture_start(&fixture, defaults, work);
    flood = peer_connect(&fixture);
    good = peer_connect(&fixture);
    peer_send_batch(flood, 1001, 64);
    while (fixture.seen.messages < 64)
        uv_run(&fixture.loop, UV_RUN_NOWAIT);
    pump(&fixture);
    before = fixture.server.deferrals;
    peer_send_batch(good, 1, 1);
    pump(&fixture);
    assert_int_equal(peer_receive(&fixture, good, &message, NULL), WIRE_DONE);
    assert_int_equal(fixture.server.deferrals, before);
    close(flood);
    close(good);
    fixture_stop(&fixture);
}

static void test_a_peer_that_waits_has_its_turn_before_a_deadline(void **state)
{
    struct fixture fixture;
    uint64_t mark;
    int flood, i;

    (void)state;
    fixture_start(&fixture, defaults, work);
    flood = peer_connect(&fixture);
    for (i = 0; i < 4; i++)
        peer_send_batch(flood, 1001, 64);
    uv_run(&fixture.loop, UV_RUN_NOWAIT);
    while (fixture.server.deferrals == 0)
        uv_run(&fixture.loop, UV_RUN_NOWAIT);
    mark = server_turns_mark(&fixture.server);
    assert_false(server_turns_had(&fixture.server, mark));
    for (i = 0; !server_turns_had(&fixture.server, mark); i++)
        uv_run(&fixture.loop, UV_RUN_NOWAIT);
    assert_in_range(i, 1, 3);
    assert_true(fixture.seen.messages < 256); /* one turn, not all it has sent */
    close(flood);
    while (fixture.seen.closed == 0)
        uv_run(&fixture.loop, UV_RUN_NOWAIT);
    fixture_stop(&fixture);
}

/* Thousands of connections that end at once are a matter among themselves. */
static void test_a_crowd_that_ends_is_cleared_away_in_passes(void **state)
{
    enum { PEERS = 1500, LOOKED_AT = 300 };
    struct server_options options = defaults;
    unsigned passes = 0, most = 0;
    struct wire_message message;
    struct fixture fixture;
    static int peer[PEERS];
    int good;

    (void)state;
    limits_raise_files();
    options.backlog = PEERS;
    fixture_start(&fixture, options, answer);
    good = peer_connect(&fixture);
    pump(&fixture);
    next_uid = getuid() + 1;
    for (unsigned i = 0; i < PEERS; i++)
        peer[i] = peer_connect(&fixture);
    while (fixture.seen.accepted < PEERS + 1)
        uv_run(&fixture.loop, UV_RUN_NOWAIT);
    for (unsigned i = 0; i < PEERS; i++)
        close(peer[i]);
    peer_send_batch(good, 1, 1);
    while (fixture.seen.closed < PEERS) {
        unsigned closed = fixture.seen.closed;
        uint64_t deferrals = fixture.server.deferrals;

        uv_run(&fixture.loop, UV_RUN_NOWAIT);
        assert_in_range(fixture.server.deferrals - deferrals, 0, LOOKED_AT);
        most = fixture.seen.closed - closed > most ? fixture.seen.closed - closed : most;
        if (++passes == 2) /* the other user does not wait for the crowd */
            assert_int_equal(peer_receive(&fixture, good, &message, NULL), WIRE_DONE);
    }
    assert_true(most < PEERS);
    next_uid = (uid_t)-1;
    close(good);
    fixture_stop(&fixture);
}

/* Whoever is in a crowd, and not looked at yet, is waited for before a deadline passes. */
static void test_a_peer_in_a_crowd_has_its_turn_before_a_deadline(void **state)
{
    enum { PEERS = 300 };
    struct server_options options = defaults;
    struct fixture fixture;
    static int peer[PEERS];
    uint64_t mark;

    (void)state;
    options.backlog = PEERS;
    fixture_start(&fixture, options, work);
    for (unsigned i = 0; i < PEERS; i++)
        peer[i] = peer_connect(&fixture);
    while (fixture.seen.accepted < PEERS)
        uv_run(&fixture.loop, UV_RUN_NOWAIT);
    for (unsigned i = 0; i < PEERS; i++)
        peer_send_batch(peer[i], 1001, 1);
    uv_run(&fixture.loop, UV_RUN_NOWAIT);
    assert_true(fixture.seen.messages < PEERS);
    mark = server_turns_mark(&fixture.server);
    assert_false(server_turns_had(&fixture.server, mark));
    while (!server_turns_had(&fixture.server, mark))
        uv_run(&fixture.loop, UV_RUN_NOWAIT);
    assert_int_equal(fixture.seen.messages, PEERS);
    for (unsigned i = 0; i < PEERS; i++)
        close(peer[i]);
    fixture_stop(&fixture);
}

/* ---- Shares ---- */

static void test_a_peer_that_says_nothing_is_sent_away(void **state)
{
    struct server_options options = defaults;
    struct fixture fixture;
    int silent, known;

    (void)state;
    options.greet_ms = 50;
    fixture_start(&fixture, options, greet_and_answer);
    silent = peer_connect(&fixture);
    known = peer_connect(&fixture);
    peer_send_batch(known, 1, 1);
    while (fixture.seen.closed == 0)
        uv_run(&fixture.loop, UV_RUN_ONCE);
    assert_int_equal(fixture.seen.closed, 1);
    assert_true(peer_is_closed(silent));
    assert_non_null(strstr(log_of(&fixture), "has not said HELLO in 50 ms"));
    assert_int_equal(fixture.server.ungreeted, 0);
    close(silent);
    close(known);
    fixture_stop(&fixture);
}

/* Closing one takes some microseconds: thousands at once would keep all others waiting. */
static void test_many_that_say_nothing_are_sent_away_in_passes(void **state)
{
    enum { PEERS = 1500 };
    struct server_options options = defaults;
    unsigned before, most = 0;
    struct fixture fixture;
    static int peer[PEERS];

    (void)state;
    limits_raise_files();
    options.greet_ms = 1000000;
    options.backlog = PEERS;
    fixture_start(&fixture, options, greet_and_answer);
    for (unsigned i = 0; i < PEERS; i++)
        peer[i] = peer_connect(&fixture);
    while (fixture.seen.accepted < PEERS)
        uv_run(&fixture.loop, UV_RUN_NOWAIT);
    for (struct connection *c = fixture.server.first; c != NULL; c = c->next)
        c->greet_by_ns = 1; /* the time has come for all of them */
    uv_timer_set_repeat(&fixture.server.greet_timer, 1);
    uv_timer_again(&fixture.server.greet_timer);
    while (fixture.seen.closed < PEERS) {
        before = fixture.seen.closed;
        uv_run(&fixture.loop, UV_RUN_ONCE);
        most = fixture.seen.closed - before > most ? fixture.seen.closed - before : most;
    }
    assert_true(most < PEERS);
    assert_int_equal(fixture.server.ungreeted, 0);
    for (unsigned i = 0; i < PEERS; i++)
        close(peer[i]);
    fixture_stop(&fixture);
}

static void test_output_of_all_connections_of_a_user_is_bounded(void **state)
{
    enum { PEERS = 20 };
    struct wire_message message = {.type = WIRE_DONE};
    struct server_options options = defaults;
    struct connection *connection[PEERS];
    struct fixture fixture;
    int peer[PEERS];
    unsigned i;

    (void)state;
    options.output_max = 100000;
    fixture_start(&fixture, options, answer);
    for (i = 0; i < PEERS; i++) {
        peer[i] = peer_connect(&fixture);
        pump(&fixture);
        connection[i] = fixture.seen.last;
    }
    for (i = 0; i < PEERS; i++)
        while (connection[i]->queued < 20000 || !connection[i]->blocked) {
            if (connection_send(connection[i], &message, -1) < 0)
                break;
            if (!connection[i]->blocked)
                connection_flush(connection[i]);
        }
    while (fixture.seen.closed < PEERS - 5) /* in slices of time */
        uv_run(&fixture.loop, UV_RUN_NOWAIT);
    assert_in_range(fixture.server.output, 60000, 100000);
    assert_int_equal(fixture.seen.end, CONNECTION_NOT_RECEIVING);
    for (i = 0; i < PEERS; i++)
        close(peer[i]);
    while (fixture.server.output > 0)
        uv_run(&fixture.loop, UV_RUN_NOWAIT);
    fixture_stop(&fixture);
}

/* Replies that fill the large chunk to the byte, while the socket takes nothing. */
static void test_a_full_large_chunk_is_not_taken_for_another(void **state)
{
    struct wire_message done = {.type = WIRE_DONE}, small = {.type = WIRE_AVAILABILITY};
    struct connection_chunk *spare;
    struct connection *connection;
    struct fixture fixture;
    char bytes[65536] = {0};
    int peer, fd, i;

    (void)state;
    fixture_start(&fixture, defaults, answer);
    peer = peer_connect(&fixture);
    pump(&fixture);
    connection = fixture.seen.last;
    spare = fixture.server.spare;
    while (sock_send(connection->fd, bytes, sizeof(bytes), -1) > 0)
        continue;
    while (sock_send(connection->fd, bytes, 1, -1) > 0)
        continue;
    for (i = 0; i < 360; i++)
        assert_int_equal(connection_send(connection, &done, -1), 0);
    for (i = 0; i < 23; i++)
        assert_int_equal(connection_send(connection, &small, -1), 0);
    assert_int_equal(connection->queued, 65536);
    pump(&fixture);
    assert_true(connection->blocked);
    assert_int_equal(connection->queued, 65536);
    assert_ptr_equal(fixture.server.spare, spare);
    while (connection->output != NULL) {
        while (sock_receive(peer, bytes, sizeof(bytes), &fd) > 0)
            continue;
        pump(&fixture);
    }
    assert_ptr_equal(fixture.server.spare, spare);
    close(peer);
    fixture_stop(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_waits_for_a_close),
        cmocka_unit_test(test_descriptors_that_wait_to_be_closed_are_bounded),
        cmocka_unit_test(test_where_none_belongs_none_is_taken),
        cmocka_unit_test(test_descriptors_can_be_let_in_after_the_greeting),
        cmocka_unit_test(test_a_flood_of_work_lets_others_have_their_turn),
        cmocka_unit_test(test_descriptor_0_is_one_like_others),
        cmocka_unit_test(test_what_comes_after_a_flood_does_not_wait),
        cmocka_unit_test(test_a_peer_that_waits_has_its_turn_before_a_deadline),
        cmocka_unit_test(test_a_crowd_that_ends_is_cleared_away_in_passes),
        cmocka_unit_test(test_a_peer_in_a_crowd_has_its_turn_before_a_deadline),
        cmocka_unit_test(test_a_peer_that_says_nothing_is_sent_away),
        cmocka_unit_test(test_many_that_say_nothing_are_sent_away_in_passes),
        cmocka_unit_test(test_output_of_all_connections_of_a_user_is_bounded),
        cmocka_unit_test(test_a_full_large_chunk_is_not_taken_for_another),
    };

    return cmocka_run_group_tests_name("io/server_hostile", tests, warm_up, NULL);
}
