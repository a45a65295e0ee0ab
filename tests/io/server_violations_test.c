/* The server skeleton and peers that break the rules: each loses its connection, and nobody else. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "peer.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_violations_end_only_their_connection),
        cmocka_unit_test(test_descriptors_that_nobody_announces),
    };

    return cmocka_run_group_tests_name("io/server_violations", tests, warm_up, NULL);
}
