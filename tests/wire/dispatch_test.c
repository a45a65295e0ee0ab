/* Every message of the schema reaches the code that takes it: for each type and each kind of
 * client, a live server either handles the message, or ends the connection, as the row in
 * WIRE_MESSAGES says. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "os/extent.h"
#include "wire/random_message.h"
#include "sample_message.h"
#include "server_process.h"
#include "wire_client.h"

/* One kind of client, and a request of its kind that is always answered. */
struct kind {
    const char *name;
    unsigned sender; /* WIRE_BY_* */
    enum wire_role role;
    enum wire_type probe;
};

static const struct kind of_physmem[] = {
    {"a task", WIRE_BY_TASK, WIRE_ROLE_TASK, WIRE_STATUS},
    {"a control connection", WIRE_BY_CONTROL, WIRE_ROLE_CONTROL, WIRE_DEALLOCATE},
    {"an observer", WIRE_BY_OBSERVER, WIRE_ROLE_OBSERVER, WIRE_STATUS},
    {"a policy server", WIRE_BY_POLICY, WIRE_ROLE_POLICY, WIRE_GET_CONTROL},
};

static const struct kind of_swap[] = {
    {"a client of swap", WIRE_BY_SWAPPER, WIRE_ROLE_TASK, WIRE_STATUS},
    {"an observer of swap", WIRE_BY_READER, WIRE_ROLE_OBSERVER, WIRE_STATUS},
    {"a policy server, to swap", WIRE_BY_SHARER, WIRE_ROLE_POLICY, WIRE_GET_CONTROL},
};

static const struct kind of_fileserver[] = {
    {"an observer of a file server", WIRE_BY_LOOKER, WIRE_ROLE_OBSERVER, WIRE_STATUS},
    {"a client of a file server", WIRE_BY_FILER, WIRE_ROLE_TASK, WIRE_FILE_CLOSE},
};

/* A message that is legal, and still ends the connection: a second HELLO, and the answer to an
 * UNMAP that was not sent. */
static bool is_wrong_here(uint8_t type)
{
    return type == WIRE_HELLO || type == WIRE_UNMAPPED;
}

/* A client of this kind; a control connection belongs to the task in `first`. */
static void open_client(const struct server_process *server, const struct kind *kind,
                        struct wire_client *first, struct wire_client *client)
{
    bool control = kind->role == WIRE_ROLE_CONTROL;

    memset(first, 0, sizeof(*first));
    first->fd = -1;
    if (control)
        assert_int_equal(
            wire_client_open(first, server->socket, WIRE_ROLE_TASK, 0, 0, "first", NULL), 0);
    assert_int_equal(wire_client_open(client, server->socket, kind->role, control ? first->id : 0,
                                      control ? first->key : 0, "dispatch", NULL),
                     0);
}

/* Whether the connection lives on after a message of this type. */
static bool is_taken(const struct server_process *server, const struct kind *kind, uint8_t type)
{
    struct wire_client first, client;
    struct wire_message message, reply;
    int fd = message_type_fds(type) > 0 ? extent_create("dispatch", 1, NULL) : -1;
    int result;

    open_client(server, kind, &first, &client);
    sample_message(type, &message);
    message.seq = 1000;
    result = wire_client_send(&client, &message, fd);
    message = (struct wire_message){.type = (uint8_t)kind->probe};
    if (result == 0)
        result = wire_client_call(&client, &message, -1, &reply);
    if (result != -EPERM) /* the kernel does not let a descriptor through where none belongs */
        assert_true(result == 0 || result == -EPIPE);
    if (fd >= 0)
        close(fd);
    wire_client_close(&client);
    wire_client_close(&first);
    return result == 0;
}

static void check_kinds(const struct server_process *server, const struct kind *kinds,
                        unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        for (size_t t = 0; t < MESSAGE_TYPES; t++) {
            uint8_t type = message_types[t];
            bool may = (message_type_senders(type) & kinds[i].sender) != 0;

            if (!is_wrong_here(type) && is_taken(server, &kinds[i], type) != may)
                fail_msg("%s from %s: the schema says that it %s be sent", message_type_name(type),
                         kinds[i].name, may ? "may" : "may not");
        }
}

static void test_physmem_takes_what_the_schema_says(void **state)
{
    static const char *const args[] = {"--frames", "64", NULL};
    struct server_process server;

    (void)state;
    assert_int_equal(server_process_init(&server), 0);
    assert_int_equal(server_process_start(&server, TEST_BINDIR "/selfpage-physmem", args), 0);
    check_kinds(&server, of_physmem, sizeof(of_physmem) / sizeof(of_physmem[0]));
    assert_int_equal(server_process_stop(&server), 0);
    server_process_fini(&server);
}

static void test_swap_takes_what_the_schema_says(void **state)
{
    const char *args[] = {"--slots", "64", "--file", NULL, NULL};
    struct server_process server;
    char file[SERVER_PATH];

    (void)state;
    assert_int_equal(server_process_init(&server), 0);
    args[3] = server_process_path(&server, "device", file);
    assert_int_equal(server_process_start(&server, TEST_BINDIR "/selfpage-swap", args), 0);
    check_kinds(&server, of_swap, sizeof(of_swap) / sizeof(of_swap[0]));
    assert_int_equal(server_process_stop(&server), 0);
    server_process_fini(&server);
}

static void test_a_file_server_takes_what_the_schema_says(void **state)
{
    static const char *const physmem_args[] = {"--frames", "64", NULL};
    const char *args[] = {"--root", "/", "--cache", "16", "--physmem", NULL, NULL};
    struct server_process physmem, server;

    (void)state;
    assert_int_equal(server_process_init(&physmem), 0);
    assert_int_equal(server_process_start(&physmem, TEST_BINDIR "/selfpage-physmem", physmem_args),
                     0);
    assert_int_equal(server_process_init(&server), 0);
    args[5] = physmem.socket;
    assert_int_equal(server_process_start(&server, TEST_BINDIR "/selfpage-fileserver", args), 0);
    check_kinds(&server, of_fileserver, sizeof(of_fileserver) / sizeof(of_fileserver[0]));
    assert_int_equal(server_process_stop(&server), 0);
    server_process_fini(&server);
    assert_int_equal(server_process_stop(&physmem), 0);
    server_process_fini(&physmem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_physmem_takes_what_the_schema_says),
        cmocka_unit_test(test_swap_takes_what_the_schema_says),
        cmocka_unit_test(test_a_file_server_takes_what_the_schema_says),
    };

    return cmocka_run_group_tests_name("wire/dispatch", tests, NULL, NULL);
}
