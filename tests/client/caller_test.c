/* A caller: asking and waiting, and every way in which the answer may not come. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "client/caller.h"
#include "far_end.h"
#include "os/sock.h"
#include "scratch.h"

#define PATIENCE_MS 60000

/* A server with one connection, which a thread serves. */
struct server {
    struct scratch scratch;
    const char *path;
    int listener;
    pthread_t thread;
    void (*serve)(int fd);
    unsigned fds; /* open before */
};

static void *run_server(void *arg)
{
    struct server *server = arg;
    int fd;

    sock_wait(server->listener, 1 /* POLLIN */, PATIENCE_MS);
    fd = sock_accept(server->listener);
    server->serve(fd);
    close(fd);
    return NULL;
}

static void start_server(struct server *server, void (*serve)(int fd))
{
    server->fds = count_fds();
    scratch_init(&server->scratch);
    server->path = scratch_path(&server->scratch, "s");
    server->listener = sock_listen(server->path, 1, NULL);
    assert_true(server->listener >= 0);
    server->serve = serve;
    assert_int_equal(pthread_create(&server->thread, NULL, run_server, server), 0);
}

/* And see that no descriptor is left. */
static void stop_server(struct server *server)
{
    pthread_join(server->thread, NULL);
    close(server->listener);
    unlink(server->path);
    scratch_fini(&server->scratch);
    assert_int_equal(count_fds(), server->fds);
}

static void send_welcome(int fd, uint32_t seq, uint32_t version)
{
    struct wire_message welcome = {.type = WIRE_WELCOME, .seq = seq};

    welcome.welcome.version = version;
    welcome.welcome.id = 42;
    far_end_send(fd, &welcome, -1);
}

/* Take the HELLO, and answer it. */
static void welcome(int fd)
{
    struct wire_message message;

    if (far_end_receive(fd, &message) == WIRE_HELLO)
        send_welcome(fd, message.seq, WIRE_VERSION);
}

static const struct hello observer = {.role = WIRE_ROLE_OBSERVER, .name = "test"};

/* ---- Opening ---- */

static void serve_another_version(int fd)
{
    struct wire_message message;

    far_end_receive(fd, &message);
    send_welcome(fd, message.seq, WIRE_VERSION + 1);
    far_end_receive(fd, &message);
}

static void serve_nothing(int fd)
{
    (void)fd;
}

static void serve_refusal(int fd)
{
    struct wire_message message, done = {.type = WIRE_DONE, .error = EPERM, .done.text = "not you"};

    far_end_receive(fd, &message);
    done.seq = message.seq;
    far_end_send(fd, &done, -1);
}

static void expect_open(void (*serve)(int fd), int code, const char *text)
{
    static struct caller caller;
    struct wire_message answer;
    struct sp_error error = {0};
    struct server server;

    start_server(&server, serve);
    caller_init(&caller, "physmem", PATIENCE_MS);
    assert_int_equal(caller_open(&caller, server.path, &observer, &answer, &error), code);
    if (code == 0)
        assert_int_equal(answer.welcome.id, 42);
    else if (strstr(error.text, text) == NULL)
        fail_msg("'%s' does not say '%s'", error.text, text);
    assert_int_equal(caller.link.fd >= 0, code == 0);
    caller_close(&caller);
    stop_server(&server);
}

static void test_opening_succeeds_or_says_why_not(void **state)
{
    (void)state;
    expect_open(welcome, 0, NULL);
    expect_open(serve_another_version, -EPROTO, "physmem speaks version");
    expect_open(serve_nothing, -EPIPE, "physmem has closed the connection");
    expect_open(serve_refusal, -EPERM, "physmem refuses the connection: not you");
}

static void test_a_server_that_is_not_there_is_told(void **state)
{
    static struct caller caller;
    struct scratch scratch;
    struct sp_error error;

    (void)state;
    scratch_init(&scratch);
    caller_init(&caller, "physmem", PATIENCE_MS);
    assert_int_equal(caller_open(&caller, scratch_path(&scratch, "none"), &observer, NULL, &error),
                     -ENOENT);
    caller_close(&caller);
    scratch_fini(&scratch);
}

/* ---- Asking ---- */

/* Answers a request after two messages that nobody asked for, one of them with a descriptor. */
static void serve_others_first(int fd)
{
    struct wire_message message, notice = {.type = WIRE_NOTICE}, extent = {.type = WIRE_EXTENT};

    welcome(fd);
    far_end_receive(fd, &message);
    far_end_send(fd, &notice, -1);
    far_end_send(fd, &extent, fd);
    message = (struct wire_message){.type = WIRE_RESERVED, .seq = message.seq};
    message.reserved.reserved = 9;
    far_end_send(fd, &message, -1);
    far_end_receive(fd, &message);
}

static void count_other(void *context, const struct wire_message *message, int consume_fd)
{
    unsigned *count = context;

    *count += message->type == WIRE_NOTICE ? 1 : 10;
    if (consume_fd >= 0) {
        *count += 100;
        close(consume_fd);
    }
}

static void test_a_reply_is_found_among_other_messages(void **state)
{
    static struct caller caller;

    (void)state;
    for (unsigned listens = 0; listens <= 1; listens++) {
        struct wire_message message = {.type = WIRE_RESERVE}, reply;
        struct server server;
        unsigned count = 0;

        start_server(&server, serve_others_first);
        caller_init(&caller, "swap", PATIENCE_MS);
        caller.on_other = listens ? count_other : NULL;
        caller.context = &count;
        assert_int_equal(caller_open(&caller, server.path, &observer, NULL, NULL), 0);
        assert_int_equal(caller_ask_for(&caller, &message, WIRE_RESERVED, &reply, NULL, NULL), 0);
        assert_int_equal(reply.reserved.reserved, 9);
        assert_int_equal(count, listens ? 111 : 0);
        caller_close(&caller);
        stop_server(&server);
    }
}

static void serve_error(int fd)
{
    struct wire_message message,
        done = {.type = WIRE_DONE, .error = ENOMEM, .done.text = "no room"};

    welcome(fd);
    far_end_receive(fd, &message);
    done.seq = message.seq;
    far_end_send(fd, &done, -1);
    far_end_receive(fd, &message);
}

static void serve_another_type(int fd)
{
    struct wire_message message, done = {.type = WIRE_DONE};

    welcome(fd);
    far_end_receive(fd, &message);
    done.seq = message.seq;
    far_end_send(fd, &done, -1);
    far_end_receive(fd, &message);
}

static void serve_rubbish(int fd)
{
    struct wire_message message;

    welcome(fd);
    far_end_receive(fd, &message);
    far_end_send_bytes(fd, "rubbish", 7, -1);
    far_end_receive(fd, &message);
}

/* Stays silent until the client gives up. */
static void serve_silence(int fd)
{
    struct wire_message message;

    welcome(fd);
    far_end_receive(fd, &message);
    far_end_receive(fd, &message);
}

static void expect_ask(void (*serve)(int fd), int timeout_ms, int code, const char *text)
{
    static struct caller caller;
    struct wire_message message = {.type = WIRE_RESERVE};
    struct sp_error error = {0};
    struct server server;

    start_server(&server, serve);
    caller_init(&caller, "swap", PATIENCE_MS);
    assert_int_equal(caller_open(&caller, server.path, &observer, NULL, NULL), 0);
    caller.timeout_ms = timeout_ms;
    assert_int_equal(caller_ask_for(&caller, &message, WIRE_RESERVED, &message, NULL, &error),
                     code);
    if (strstr(error.text, text) == NULL)
        fail_msg("'%s' does not say '%s'", error.text, text);
    caller_close(&caller);
    stop_server(&server);
}

static void test_an_answer_that_is_none_is_told(void **state)
{
    (void)state;
    expect_ask(serve_error, PATIENCE_MS, -ENOMEM, "swap answers RESERVE with: no room");
    expect_ask(serve_another_type, PATIENCE_MS, -EPROTO, "swap answers RESERVE with DONE");
    expect_ask(serve_rubbish, PATIENCE_MS, -EPROTO, "swap sent ");
    expect_ask(welcome, PATIENCE_MS, -EPIPE, "swap has closed the connection");
    expect_ask(serve_silence, 10, -ETIMEDOUT, "swap does not answer RESERVE in 10 ms");
}

/* ---- Two full sockets ---- */

#define FLOOD 4000u

/* Sends much before it receives anything. */
static void serve_flood(int fd)
{
    struct wire_message message, notice = {.type = WIRE_NOTICE};

    welcome(fd);
    for (unsigned i = 0; i < FLOOD; i++)
        far_end_send(fd, &notice, -1);
    while (far_end_receive(fd, &message) != 0)
        continue;
}

static void test_both_sides_may_send_at_once(void **state)
{
    static struct caller caller;
    struct wire_message message = {.type = WIRE_FREE};
    struct server server;
    unsigned received = 0;

    (void)state;
    start_server(&server, serve_flood);
    caller_init(&caller, "swap", PATIENCE_MS);
    assert_int_equal(caller_open(&caller, server.path, &observer, NULL, NULL), 0);
    message.free.slots_count = WIRE_BATCH;
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(caller_send(&caller, &message, -1), 0);
    while (received < FLOOD) {
        assert_int_equal(caller_receive(&caller, &message, NULL), 0);
        received++;
    }
    assert_int_equal(caller_poll(&caller, &message, NULL), -EAGAIN);
    caller_close(&caller);
    stop_server(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opening_succeeds_or_says_why_not),
        cmocka_unit_test(test_a_server_that_is_not_there_is_told),
        cmocka_unit_test(test_a_reply_is_found_among_other_messages),
        cmocka_unit_test(test_an_answer_that_is_none_is_told),
        cmocka_unit_test(test_both_sides_may_send_at_once),
    };

    return cmocka_run_group_tests_name("client/caller", tests, NULL, NULL);
}
