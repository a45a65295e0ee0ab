/* A real physmem and tasks that share containers: the steps of a read from a file server, and what a
 * hostile client or server can do in between. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <valgrind/valgrind.h>

#include <selfpage/contract.h>

#include "base/random.h"
#include "sharing.h"

#define PAGE      4096u
#define MS        UINT64_C(1000000)
#define LOCK_LONG (60000 * MS)

struct stage {
    struct server_process server;
    struct wire_client observer;
    struct physmem_peer client, host; /* the host is the server that the client does not trust */
};

static int setup(void **state)
{
    static struct stage stage;

    *state = &stage;
    memset(&stage, 0, sizeof(stage));
    if (server_process_init(&stage.server) != 0 || physmem_start(&stage.server, "256", NULL) != 0)
        return -1;
    return wire_client_open(&stage.observer, stage.server.socket, WIRE_ROLE_OBSERVER, 0, 0, "",
                            NULL);
}

static int teardown(void **state)
{
    struct stage *stage = *state;
    int code;

    wire_client_close(&stage->observer);
    code = server_process_stop(&stage->server);
    server_process_fini(&stage->server);
    return code;
}

/* ---- Requests ---- */

static uint32_t take_back(struct physmem_peer *owner, uint32_t number)
{
    struct wire_message message = {.type = WIRE_REVOKE_SHARE}, reply;

    message.revoke_share.container = owner->container;
    message.revoke_share.share = number;
    return sharing_call(owner, &message, &reply);
}

static char read_slot(struct physmem_peer *peer, uint32_t slot, int fds[16])
{
    struct wire_map item;
    char byte = 0;

    assert_int_equal(sharing_map(peer, slot, WIRE_ACCESS_READ, fds, &item), 0);
    assert_true(fds[item.extent & 15] > 0);
    assert_int_equal(pread(fds[item.extent & 15], &byte, 1, (off_t)(item.offset * PAGE)), 1);
    assert_int_equal(sharing_unmap(peer, slot, 1), 0);
    return byte;
}

static void write_slot(struct physmem_peer *peer, uint32_t slot, int fds[16], char byte)
{
    struct wire_map item;
    char page[PAGE];

    memset(page, byte, PAGE);
    assert_int_equal(sharing_map(peer, slot, WIRE_ACCESS_FORCE_BOTH, fds, &item), 0);
    assert_int_equal(pwrite(fds[item.extent & 15], page, PAGE, (off_t)(item.offset * PAGE)), PAGE);
    assert_int_equal(sharing_unmap(peer, slot, 1), 0);
}

static void close_all(int fds[16])
{
    for (unsigned i = 0; i < 16; i++)
        if (fds[i] > 0)
            close(fds[i]);
}

static void open_one(struct stage *stage, struct physmem_peer *peer, const char *name)
{
    assert_int_equal(physmem_peer_open(peer, &stage->server, name), 0);
    assert_int_equal(physmem_propose(peer, SP_GUARANTEED, 64, 0), 0);
    assert_int_equal(physmem_container(peer, 32), 0);
    assert_int_equal(physmem_allocate(peer, 0, 16, 0), 16);
}

/* Both tasks, and the client's container shared with the host. Returns the number of the share. */
static uint32_t begin(struct stage *stage)
{
    struct wire_message reply;

    open_one(stage, &stage->client, "client");
    open_one(stage, &stage->host, "host");
    assert_int_equal(sharing_share(&stage->client, WIRE_RIGHT_BOTH, LOCK_LONG, &reply), 0);
    assert_int_equal(sharing_adopt(&stage->host, stage->client.container, reply.shared.token), 0);
    return reply.shared.share;
}

/* Everybody goes, and every frame is back. */
static void end(struct stage *stage)
{
    struct wire_message status;

    physmem_peer_close(&stage->client);
    physmem_peer_close(&stage->host);
    assert_int_equal(physmem_await_tasks(&stage->observer, 0), 0);
    assert_int_equal(physmem_status(&stage->observer, &status, NULL, NULL), 0);
    assert_int_equal(status.physmem_status.free, 256);
    assert_int_equal(status.physmem_status.shared, 0);
    assert_true(physmem_books_agree(&stage->observer));
}

/* ---- Stories ---- */

static void test_a_read_whose_memory_the_client_pays_for(void **state)
{
    struct stage *stage = *state;
    int host_fds[16] = {0}, client_fds[16] = {0};
    uint32_t number = begin(stage);
    uint32_t target = stage->client.container;
    struct wire_message reply, status, task;
    uint64_t version;

    for (uint32_t i = 0; i < 16; i++)
        write_slot(&stage->host, i, host_fds, (char)('a' + i));
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(sharing_lock(&stage->host, target, 1000 * MS, &reply), 0);
        assert_int_equal(reply.version_is.lock_ns, 1000 * MS);
        version = reply.version_is.version;
        assert_int_equal(sharing_copy(&stage->host, stage->host.container, 0, target, 0, 16), 0);
        assert_int_equal(sharing_unlock(&stage->host, target, &reply), 0);
        assert_int_equal(reply.version_is.version, version + 2);
        assert_int_equal(physmem_status(&stage->observer, &status, "client", &task), 0);
        /* The host's pages moved once, when they were read first. */
        assert_int_equal(status.physmem_status.moved, 16);
        assert_int_equal(status.physmem_status.shared, 16);
        assert_int_equal(task.task_status.held, 16);
    }
    assert_int_equal(status.physmem_status.locks, 2);
    assert_int_equal(take_back(&stage->client, number), 0);
    for (uint32_t i = 0; i < 16; i++)
        assert_int_equal(read_slot(&stage->client, i, client_fds), 'a' + i);
    write_slot(&stage->client, 3, client_fds, 'z');
    assert_int_equal(read_slot(&stage->host, 3, host_fds), 'd');
    close_all(client_fds);
    close_all(host_fds);
    end(stage);
}

/* What a client retains, a descriptor that can write, reaches neither the host's pages nor what it
 * reads through its own slots. */
static void test_a_retained_descriptor_changes_nothing_of_others(void **state)
{
    struct stage *stage = *state;
    int host_fds[16] = {0}, client_fds[16] = {0};
    struct wire_message reply;
    struct wire_map home;
    uint32_t target;

    begin(stage);
    target = stage->client.container;
    write_slot(&stage->host, 0, host_fds, 'h');
    write_slot(&stage->client, 0, client_fds, 'c');
    assert_int_equal(sharing_map(&stage->client, 1, WIRE_ACCESS_BOTH, client_fds, &home), 0);
    assert_int_equal(sharing_unmap(&stage->client, 1, 1), 0);
    assert_int_equal(sharing_lock(&stage->host, target, 1000 * MS, &reply), 0);
    /* The host takes what the client wrote, and the client goes on writing. */
    assert_int_equal(sharing_copy(&stage->host, target, 0, stage->host.container, 1, 1), 0);
    assert_int_equal(pwrite(client_fds[home.extent & 15], "x", 1, 0), 1);
    assert_int_equal(read_slot(&stage->host, 1, host_fds), 'c');
    assert_int_equal(sharing_copy(&stage->host, stage->host.container, 0, target, 1, 1), 0);
    assert_int_equal(pwrite(client_fds[home.extent & 15], "x", 1, PAGE), 1);
    assert_int_equal(sharing_unlock(&stage->host, target, &reply), 0);
    assert_int_equal(read_slot(&stage->client, 0, client_fds), 'c');
    assert_int_equal(read_slot(&stage->client, 1, client_fds), 'h');
    assert_int_equal(read_slot(&stage->host, 0, host_fds), 'h');
    close_all(client_fds);
    close_all(host_fds);
    end(stage);
}

static void test_forged_tokens_and_numbers_open_nothing(void **state)
{
    struct stage *stage = *state;
    struct physmem_peer thief;
    struct wire_message reply;
    uint32_t target;

    begin(stage);
    target = stage->client.container;
    open_one(stage, &thief, "thief");
    assert_int_equal(sharing_share(&stage->client, WIRE_RIGHT_READ, 0, &reply), 0);
    for (unsigned bit = 0; bit < 64; bit++)
        assert_int_equal(sharing_adopt(&thief, target, reply.shared.token ^ UINT64_C(1) << bit),
                         ENOENT);
    assert_int_equal(sharing_adopt(&thief, target, 0), ENOENT);
    assert_int_equal(sharing_adopt(&thief, stage->host.container, reply.shared.token), ENOENT);
    assert_int_equal(sharing_copy(&thief, target, 0, thief.container, 0, 1), ENOENT);
    assert_int_equal(sharing_copy(&thief, thief.container, 0, target, 0, 1), ENOENT);
    assert_int_equal(sharing_lock(&thief, target, MS, &reply), ENOENT);
    physmem_peer_close(&thief);
    end(stage);
}

/* A client that touches its container during the read shows by the version. */
static void test_a_version_shows_what_the_client_did_between(void **state)
{
    struct stage *stage = *state;
    struct wire_message ask = {.type = WIRE_ASK_VERSION}, reply;
    uint32_t target;
    uint64_t version;

    begin(stage);
    target = stage->client.container;
    assert_int_equal(sharing_lock(&stage->host, target, 1000 * MS, &reply), 0);
    version = reply.version_is.version;
    assert_int_equal(physmem_allocate(&stage->client, 20, 1, 0), -EBUSY);
    assert_int_equal(sharing_unlock(&stage->host, target, &reply), 0);
    assert_int_equal(physmem_allocate(&stage->client, 20, 1, 0), 1);
    ask.ask_version.container = target;
    assert_int_equal(sharing_call(&stage->host, &ask, &reply), 0);
    assert_int_equal(reply.version_is.version, version + 2);
    end(stage);
}

static void test_a_lock_for_ever_ends_when_its_time_is_over(void **state)
{
    struct stage *stage = *state;
    struct wire_message reply, status;
    int64_t allocated;

    open_one(stage, &stage->client, "client");
    open_one(stage, &stage->host, "host");
    assert_int_equal(sharing_share(&stage->client, WIRE_RIGHT_BOTH, 30 * MS, &reply), 0);
    assert_int_equal(sharing_adopt(&stage->host, stage->client.container, reply.shared.token), 0);
    assert_int_equal(sharing_lock(&stage->host, stage->client.container, UINT64_MAX, &reply), 0);
    assert_int_equal(reply.version_is.lock_ns, 30 * MS);
    do
        allocated = physmem_allocate(&stage->client, 20, 1, 0);
    while (allocated == -EBUSY);
    assert_int_equal(allocated, 1);
    assert_int_equal(sharing_unlock(&stage->host, stage->client.container, &reply), ETIME);
    assert_int_equal(physmem_status(&stage->observer, &status, NULL, NULL), 0);
    assert_int_equal(status.physmem_status.locks_expired, 1);
    end(stage);
}

/* A client that has its pages mapped, and does not answer that it must unmap them. */
static void test_a_client_that_does_not_unmap_costs_the_host_the_lock_only(void **state)
{
    struct stage *stage = *state;
    struct wire_message reply;
    int fds[16] = {0};
    struct wire_map item;

    begin(stage);
    assert_int_equal(sharing_map(&stage->client, 0, WIRE_ACCESS_BOTH, fds, &item), 0);
    assert_int_equal(sharing_lock(&stage->host, stage->client.container, 20 * MS, &reply),
                     ETIMEDOUT);
    assert_int_equal(sharing_unmap(&stage->client, 0, 1), 0);
    assert_int_equal(sharing_lock(&stage->host, stage->client.container, 1000 * MS, &reply), 0);
    close_all(fds);
    end(stage);
}

/* ---- Deaths ---- */

#define PEERS 3u

/* Tasks that share with each other, lock, copy and vanish at any moment. */
static void test_tasks_that_vanish_leave_nothing_behind(void **state)
{
    struct stage *stage = *state;
    struct physmem_peer peer[PEERS];
    struct random_source random = random_seeded(3);
    struct wire_message reply;
    unsigned copies = 0;

    for (unsigned i = 0; i < PEERS; i++)
        open_one(stage, &peer[i], "peer");
    for (unsigned step = 0; step < (RUNNING_ON_VALGRIND ? 300 : 3000); step++) {
        struct physmem_peer *a = &peer[random_below(&random, PEERS)];
        struct physmem_peer *b = &peer[random_below(&random, PEERS)];

        switch (random_below(&random, 8)) {
        case 0:
            if (sharing_share(a, WIRE_RIGHT_BOTH, 2 * MS, &reply) == 0)
                sharing_adopt(b, a->container, reply.shared.token);
            break;
        case 1:
            sharing_lock(a, b->container, MS, &reply);
            break;
        case 2:
            sharing_unlock(a, b->container, &reply);
            break;
        case 3:
            if (random_below(&random, 8) != 0)
                break;
            if (random_below(&random, 2))
                wire_client_close(&a->control);
            physmem_peer_close(a);
            open_one(stage, a, "peer");
            break;
        case 4:
            take_back(a, 0);
            break;
        default:
            copies += sharing_copy(random_below(&random, 2) ? a : b, a->container,
                                   random_below(&random, 8), b->container, 8, 8) == 0;
        }
    }
    assert_true(copies > (RUNNING_ON_VALGRIND ? 5 : 100));
    for (unsigned i = 0; i < PEERS; i++)
        physmem_peer_close(&peer[i]);
    end(stage);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_read_whose_memory_the_client_pays_for),
        TEST(test_a_retained_descriptor_changes_nothing_of_others),
        TEST(test_forged_tokens_and_numbers_open_nothing),
        TEST(test_a_version_shows_what_the_client_did_between),
        TEST(test_a_lock_for_ever_ends_when_its_time_is_over),
        TEST(test_a_client_that_does_not_unmap_costs_the_host_the_lock_only),
        TEST(test_tasks_that_vanish_leave_nothing_behind),
    };

    return cmocka_run_group_tests_name("sim/physmem/physmem_share", tests, NULL, NULL);
}
