/* Starting and ending physmem, and which peers may connect in which role. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/hello.h"
#include "physmem_peer.h"

static int setup(void **state)
{
    static struct server_process server;

    *state = &server;
    return server_process_init(&server);
}

static int teardown(void **state)
{
    server_process_fini(*state);
    return 0;
}

static void expect_log(const struct server_process *server, const char *text)
{
    char *log = server_process_log(server);

    assert_non_null(log);
    if (strstr(log, text) == NULL)
        fail_msg("\"%s\" is not in the log: %s", text, log);
    free(log);
}

static void test_command_line(void **state)
{
    static const struct {
        const char *args[10];
        const char *text;
    } cases[] = {
        {{NULL}, "--frames is missing"},
        {{"--frames", "8", NULL}, "--socket is missing"},
        {{"--frames", "0", NULL}, "--frames: \"0\" is not a number from 1 to 67108864"},
        {{"--frames", "-5", NULL}, "--frames: \"-5\" is not a number"},
        {{"--frames", "1e3", NULL}, "\"1e3\" is not a number"},
        {{"--frames", NULL}, "--frames needs a value"},
        {{"--frames", "8", "--reserve", "8", "--socket", "s", NULL},
         "--reserve 8 leaves none of --frames 8"},
        {{"--upstream", "u", "--contract", "guaranteed=8", "--swap", "w", "--socket", "s", NULL},
         "--swap and --upstream exclude each other"},
        {{"--max-term", "0s", NULL}, "--max-term: \"0s\" is not a time above zero"},
        {{"--max-term", "7", NULL}, "--max-term: \"7\" is not a time"},
        /* That is taken. */
        {{"--sample-period", "1h", "--frames", "8", "--socket", "/nowhere/else", NULL},
         "/nowhere/else"},
        {{"--sample-period", "3601s", NULL},
         "--sample-period: \"3601s\" is not a time from 1ms to 1h"},
        {{"--chaos-unmap", "-1", NULL}, "--chaos-unmap: \"-1\" is not a number from 0 to 1000000"},
        {{"--chaos-unmap", "nan", NULL}, "--chaos-unmap: \"nan\""},
        {{"--ready-fd", "x", NULL}, "--ready-fd: \"x\" is not a number"},
        {{"--frames", "8", "--socket", "s", "--arbiter", "x", NULL},
         "no arbiter 'x'; there are fcfs"},
        {{"--frames", "8", "--socket", "s", "--arbiter", "esx:tax=2", NULL},
         "parameter 'tax' is 2; it must be from 0 to 0.999"},
        {{"--frames", "8", "--socket", "s", "--arbiter", "./none.so", NULL}, "cannot load "},
        {{"--wrong", NULL}, "unknown option --wrong"},
        {{"-x", NULL}, "unknown option -x"},
        {{"--frames", "8", "more", NULL}, "unexpected argument \"more\""},
        {{"--frames", "8", "--socket", "/nowhere/at/all", NULL}, "/nowhere/at/all"},
    };
    struct server_process *server = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(server_process_spawn(server, PHYSMEM_PROGRAM, cases[i].args), 0);
        assert_int_equal(server_process_wait(server), 2);
        expect_log(server, cases[i].text);
    }
    for (unsigned i = 0; i < 2; i++) {
        const char *const args[] = {i == 0 ? "--help" : "--version", NULL};

        assert_int_equal(server_process_spawn(server, PHYSMEM_PROGRAM, args), 0);
        assert_int_equal(server_process_wait(server), 0);
    }
}

static void test_ends_cleanly_with_tasks(void **state)
{
    struct server_process *server = *state;
    struct physmem_peer peer;
    struct wire_map item;
    int fd;

    assert_int_equal(physmem_start(server, "64", NULL), 0);
    assert_int_equal(physmem_peer_open(&peer, server, "a"), 0);
    assert_int_equal(physmem_propose(&peer, SP_GUARANTEED, 8, 0), 0);
    assert_int_equal(physmem_container(&peer, 8), 0);
    assert_int_equal(physmem_allocate(&peer, 0, 8, 0), 8);
    fd = physmem_map(&peer, 0, 8, &item);
    assert_true(fd >= 0);
    assert_int_equal(server_process_stop(server), 0);
    assert_int_equal(access(server->socket, F_OK), -1);
    assert_int_equal(wire_client_expect_end(&peer.request), 0);
    close(fd);
    physmem_peer_close(&peer);
    /* And it starts again in the same place. */
    assert_int_equal(physmem_start(server, "64", NULL), 0);
    assert_int_equal(server_process_stop(server), 0);
}

/* One HELLO; returns the reply's error, and expects the end of the connection if there is one. */
static uint32_t hello(const struct server_process *server, uint32_t version, uint8_t role,
                      uint32_t id, uint64_t key)
{
    const struct hello hello = {role, id, key, ""};
    struct wire_message message, reply;
    struct wire_client client;

    assert_int_equal(wire_client_connect(&client, server->socket), 0);
    hello_fill(&message, &hello);
    message.hello.version = version;
    assert_int_equal(wire_client_send(&client, &message, -1), 0);
    assert_int_equal(wire_client_receive(&client, &reply, NULL), 0);
    assert_int_equal(reply.type, reply.error == 0 ? WIRE_WELCOME : WIRE_DONE);
    if (reply.error != 0)
        assert_int_equal(wire_client_expect_end(&client), 0);
    wire_client_close(&client);
    return reply.error;
}

static void test_hello(void **state)
{
    struct server_process *server = *state;
    struct wire_client task, observer;
    struct wire_message welcome;
    pid_t child;
    int status;

    assert_int_equal(physmem_start(server, "64", (const char *[]){"--reserve", "4", NULL}), 0);
    assert_int_equal(wire_client_open(&task, server->socket, WIRE_ROLE_TASK, 0, 0, "a", &welcome),
                     0);
    assert_int_equal(welcome.welcome.total, 64);
    assert_int_equal(welcome.welcome.available, 60);
    assert_int_equal(welcome.welcome.page_size, SP_PAGE_SIZE);
    assert_int_not_equal(task.key, 0);

    assert_int_equal(hello(server, WIRE_VERSION + 1, WIRE_ROLE_TASK, 0, 0), EPROTO);
    assert_int_equal(hello(server, WIRE_VERSION, WIRE_ROLE_CONTROL, task.id + 1, task.key), ENOENT);
    assert_int_equal(hello(server, WIRE_VERSION, WIRE_ROLE_CONTROL, task.id, task.key ^ 1), EPERM);
    assert_int_equal(hello(server, WIRE_VERSION, WIRE_ROLE_CONTROL, 0, 0), ENOENT);
    /* Another process may not, though it knows the key. */
    child = fork();
    if (child == 0) {
        struct wire_client thief;

        _exit(wire_client_open(&thief, server->socket, WIRE_ROLE_CONTROL, task.id, task.key, "a",
                               NULL) == -EPERM
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(hello(server, WIRE_VERSION, WIRE_ROLE_CONTROL, task.id, task.key), 0);
    assert_int_equal(
        wire_client_open(&observer, server->socket, WIRE_ROLE_OBSERVER, 0, 0, "o", &welcome), 0);
    assert_int_equal(welcome.welcome.id, 0);
    wire_client_close(&observer);
    wire_client_close(&task);
    assert_int_equal(server_process_stop(server), 0);
}

static void test_one_control_connection(void **state)
{
    struct server_process *server = *state;
    struct physmem_peer peer;

    assert_int_equal(physmem_start(server, "64", NULL), 0);
    assert_int_equal(physmem_peer_open(&peer, server, "a"), 0);
    assert_int_equal(
        hello(server, WIRE_VERSION, WIRE_ROLE_CONTROL, peer.request.id, peer.request.key), EBUSY);
    physmem_peer_close(&peer);
    assert_int_equal(server_process_stop(server), 0);
}

/* What one role may say, another may not; the connection ends, the others stay. */
static void test_roles(void **state)
{
    static const struct {
        enum wire_role role;
        uint8_t type;
    } cases[] = {
        {WIRE_ROLE_OBSERVER, WIRE_ALLOCATE}, {WIRE_ROLE_OBSERVER, WIRE_PROPOSE},
        {WIRE_ROLE_OBSERVER, WIRE_HELLO},    {WIRE_ROLE_OBSERVER, WIRE_UNMAPPED},
        {WIRE_ROLE_TASK, WIRE_RECALL_TASK},  {WIRE_ROLE_TASK, WIRE_UNMAPPED},
        {WIRE_ROLE_TASK, WIRE_WELCOME},      {WIRE_ROLE_TASK, WIRE_STORE},
        {WIRE_ROLE_CONTROL, WIRE_ALLOCATE},  {WIRE_ROLE_CONTROL, WIRE_STATUS},
        {WIRE_ROLE_CONTROL, WIRE_RECALL},
    };
    struct server_process *server = *state;
    struct wire_client observer;

    assert_int_equal(physmem_start(server, "64", NULL), 0);
    assert_int_equal(
        wire_client_open(&observer, server->socket, WIRE_ROLE_OBSERVER, 0, 0, "o", NULL), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wire_message message = {.type = cases[i].type, .seq = 9};
        struct wire_client *client;
        struct wire_client own;
        struct physmem_peer peer;

        assert_int_equal(physmem_peer_open(&peer, server, "a"), 0);
        assert_int_equal(
            wire_client_open(&own, server->socket, WIRE_ROLE_OBSERVER, 0, 0, "o", NULL), 0);
        client = cases[i].role == WIRE_ROLE_TASK      ? &peer.request
                 : cases[i].role == WIRE_ROLE_CONTROL ? &peer.control
                                                      : &own;
        assert_int_equal(wire_client_send(client, &message, -1), 0);
        assert_int_equal(wire_client_expect_end(client), 0);
        wire_client_close(&own);
        physmem_peer_close(&peer);
    }
    expect_log(server, "RECALL_TASK may not be sent by a task");
    assert_int_equal(physmem_await_tasks(&observer, 0), 0);
    wire_client_close(&observer);
    assert_int_equal(server_process_stop(server), 0);
}

static void test_first_message_must_be_hello(void **state)
{
    struct server_process *server = *state;
    struct wire_message message = {.type = WIRE_STATUS, .seq = 1};
    struct wire_client client;

    assert_int_equal(physmem_start(server, "64", NULL), 0);
    assert_int_equal(wire_client_connect(&client, server->socket), 0);
    assert_int_equal(wire_client_send(&client, &message, -1), 0);
    assert_int_equal(wire_client_expect_end(&client), 0);
    wire_client_close(&client);
    expect_log(server, "the first message was STATUS, not HELLO");
    assert_int_equal(server_process_stop(server), 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_command_line), TEST(test_ends_cleanly_with_tasks),
        TEST(test_hello),        TEST(test_one_control_connection),
        TEST(test_roles),        TEST(test_first_message_must_be_hello),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
