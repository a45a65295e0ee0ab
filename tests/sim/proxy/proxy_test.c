/* selfpage-proxy between tasks and a physmem, as real processes: what passes, what is written down, what
 * is limited, and what happens when either side ends. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "physmem_peer.h"

#define PROXY_PROGRAM TEST_BINDIR "/selfpage-proxy"
#define PAGE          4096

static struct server_process physmem = {.log = -1, .guard = -1}, proxy = {.log = -1, .guard = -1};

static int start(void **state)
{
    const char *args[] = {"--physmem", physmem.socket, "--most", "40", NULL};

    (void)state;
    if (proxy.pid != 0 && physmem.pid != 0)
        return 0; /* the test before has left both whole */
    server_process_fini(&proxy);
    server_process_fini(&physmem);
    assert_int_equal(server_process_init(&physmem), 0);
    assert_int_equal(physmem_start(&physmem, "200", NULL), 0);
    assert_int_equal(server_process_init(&proxy), 0);
    assert_int_equal(server_process_start(&proxy, PROXY_PROGRAM, args), 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    server_process_fini(&proxy);
    server_process_fini(&physmem);
    return 0;
}

static void expect_log(const char *words)
{
    char *log = server_process_log(&proxy);

    assert_non_null(log);
    if (strstr(log, words) == NULL)
        fail_msg("the log does not have \"%s\": %s", words, log);
    free(log);
}

static void observe(struct wire_client *observer, const struct server_process *server)
{
    assert_int_equal(
        wire_client_open(observer, server->socket, WIRE_ROLE_OBSERVER, 0, 0, "test", NULL), 0);
}

static void test_a_task_has_memory_through_the_proxy_which_writes_it_down(void **state)
{
    struct physmem_peer peer;
    struct wire_map item;
    char page[PAGE] = "through";
    int fd;

    (void)state;
    assert_int_equal(physmem_peer_open(&peer, &proxy, "task"), 0);
    assert_int_equal(physmem_propose(&peer, SP_GUARANTEED, 20, 0), 0);
    assert_int_equal(physmem_container(&peer, 100), 0);
    assert_int_equal(physmem_allocate(&peer, 5, 10, 0), 10);
    fd = physmem_map(&peer, 5, 10, &item);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, page, PAGE, (off_t)item.offset * PAGE), PAGE);
    close(fd);
    expect_log("> task process");
    expect_log("ALLOCATE seq=");
    expect_log("EXTENT seq=");
    expect_log("< task process");
    physmem_peer_close(&peer);
    assert_int_equal(server_process_stop(&proxy), 0);
}

/* The reply to a proposal. */
static struct wire_message propose(struct physmem_peer *peer, uint32_t min, uint32_t frames,
                                   enum sp_breach on_breach)
{
    struct wire_message message = {.type = WIRE_PROPOSE}, reply;

    message.propose.min = min;
    message.propose.frames = frames;
    message.propose.on_breach = (uint8_t)on_breach;
    message.propose.term_ns = SP_FOREVER;
    assert_int_equal(wire_client_call(&peer->request, &message, -1, &reply), 0);
    return reply;
}

static struct wire_message ask(struct physmem_peer *peer, struct wire_message message)
{
    struct wire_message reply;

    assert_int_equal(wire_client_call(&peer->request, &message, -1, &reply), 0);
    return reply;
}

static void test_a_task_has_no_more_than_the_proxy_lets_it(void **state)
{
    struct wire_message reply;
    struct physmem_peer peer, other;
    uint32_t contract;

    (void)state;
    assert_int_equal(physmem_peer_open(&peer, &proxy, "task"), 0);
    assert_int_equal(physmem_peer_open(&other, &proxy, "other"), 0);
    reply = propose(&peer, 30, 30, SP_BREACH_REVOKE);
    assert_int_equal(reply.offer.answer, SP_ACCEPTED);
    contract = reply.offer.contract;
    reply = propose(&peer, 11, 11, SP_BREACH_REVOKE);
    assert_int_equal(reply.offer.answer, SP_REFUSED);
    assert_int_equal(reply.offer.reason, SP_REASON_NOT_ENTITLED);
    assert_int_equal(reply.offer.frames, 10);
    reply = ask(&peer, (struct wire_message){.type = WIRE_RESIZE, .resize = {contract, 41}});
    assert_int_equal(reply.offer.answer, SP_REFUSED);
    assert_int_equal(reply.offer.state, SP_CONTRACT_ACTIVE);
    /* One that does with less gets what is left. */
    reply = propose(&peer, 5, 25, SP_BREACH_REVOKE);
    assert_int_equal(reply.offer.answer, SP_ACCEPTED);
    assert_int_equal(reply.offer.frames, 10);
    reply = propose(&peer, 1, 1, SP_BREACH_REVOKE);
    assert_int_equal(reply.offer.answer, SP_REFUSED);
    /* The limit is each task's own. */
    assert_int_equal(propose(&other, 40, 40, SP_BREACH_REVOKE).offer.answer, SP_ACCEPTED);
    reply = ask(&peer, (struct wire_message){.type = WIRE_CLOSE, .close.contract = contract});
    assert_int_equal(reply.error, 0);
    assert_int_equal(propose(&peer, 30, 30, SP_BREACH_REVOKE).offer.answer, SP_ACCEPTED);
    physmem_peer_close(&peer);
    physmem_peer_close(&other);
}

static void test_what_would_hit_the_proxy_or_escape_it_is_refused(void **state)
{
    struct physmem_peer peer;
    struct wire_message reply;

    (void)state;
    assert_int_equal(physmem_peer_open(&peer, &proxy, "task"), 0);
    reply = propose(&peer, 5, 5, SP_BREACH_KILL);
    assert_int_equal(reply.type, WIRE_DONE);
    assert_int_equal(reply.error, EOPNOTSUPP);
    reply = ask(&peer, (struct wire_message){.type = WIRE_CLAIM, .claim.token = 5});
    assert_int_equal(reply.error, EPERM);
    physmem_peer_close(&peer);
}

static void test_a_recall_passes_and_so_does_the_answer(void **state)
{
    struct wire_message message = {.type = WIRE_RECALL_TASK, .recall_task.frames = 7}, recall;
    struct physmem_peer peer;
    struct wire_client observer;

    (void)state;
    observe(&observer, &proxy);
    assert_int_equal(physmem_peer_open(&peer, &proxy, "task"), 0);
    assert_int_equal(physmem_propose(&peer, SP_EXTRA, 30, 0), 0);
    assert_int_equal(physmem_container(&peer, 100), 0);
    assert_int_equal(physmem_allocate(&peer, 0, 30, WIRE_ALLOCATE_EXTRA), 30);
    memcpy(message.recall_task.name, "task", sizeof("task"));
    assert_int_equal(wire_client_call(&observer, &message, -1, &recall), 0);
    assert_int_equal(recall.done.count, 7);
    assert_int_equal(wire_client_receive(&peer.control, &recall, NULL), 0);
    assert_int_equal(recall.type, WIRE_RECALL);
    assert_int_equal(recall.recall.frames, 7);
    assert_int_equal(physmem_give_back(&peer, WIRE_DEALLOCATE, 0, 7), 7);
    assert_int_equal(physmem_status(&observer, &message, "task", &recall), 0);
    assert_int_equal(recall.task_status.owed, 0);
    assert_int_equal(recall.task_status.recalls_met, 1);
    wire_client_close(&observer);
    physmem_peer_close(&peer);
}

static void test_when_a_task_ends_physmem_hears_of_it(void **state)
{
    struct physmem_peer peer;
    struct wire_client observer;

    (void)state;
    observe(&observer, &physmem);
    assert_int_equal(physmem_peer_open(&peer, &proxy, "task"), 0);
    assert_int_equal(physmem_propose(&peer, SP_GUARANTEED, 20, 0), 0);
    physmem_peer_close(&peer);
    assert_int_equal(physmem_await_tasks(&observer, 0), 0);
    assert_true(physmem_books_agree(&observer));
    wire_client_close(&observer);
}

static void test_when_physmem_ends_tasks_hear_of_it_and_the_proxy_refuses_more(void **state)
{
    struct physmem_peer peer;

    (void)state;
    assert_int_equal(physmem_peer_open(&peer, &proxy, "task"), 0);
    server_process_kill(&physmem);
    assert_int_equal(wire_client_expect_end(&peer.request), 0);
    assert_int_equal(wire_client_expect_end(&peer.control), 0);
    physmem_peer_close(&peer);
    assert_int_not_equal(physmem_peer_open(&peer, &proxy, "task"), 0);
    assert_int_equal(server_process_stop(&proxy), 0);
}

static void test_rubbish_ends_its_connection_and_nothing_else(void **state)
{
    struct physmem_peer peer;
    struct wire_client client;

    (void)state;
    assert_int_equal(physmem_peer_open(&peer, &proxy, "task"), 0);
    assert_int_equal(wire_client_connect(&client, proxy.socket), 0);
    assert_int_equal(wire_client_send_bytes(&client, "this is not a message at all", 25, -1), 0);
    assert_int_equal(wire_client_expect_end(&client), 0);
    wire_client_close(&client);
    assert_int_equal(physmem_propose(&peer, SP_GUARANTEED, 20, 0), 0);
    physmem_peer_close(&peer);
}

int main(void)
{
#define PROXY_TEST(name) cmocka_unit_test_setup(name, start)
    const struct CMUnitTest tests[] = {
        PROXY_TEST(test_a_task_has_memory_through_the_proxy_which_writes_it_down),
        PROXY_TEST(test_a_task_has_no_more_than_the_proxy_lets_it),
        PROXY_TEST(test_what_would_hit_the_proxy_or_escape_it_is_refused),
        PROXY_TEST(test_a_recall_passes_and_so_does_the_answer),
        PROXY_TEST(test_when_a_task_ends_physmem_hears_of_it),
        PROXY_TEST(test_when_physmem_ends_tasks_hear_of_it_and_the_proxy_refuses_more),
        PROXY_TEST(test_rubbish_ends_its_connection_and_nothing_else),
    };

    return cmocka_run_group_tests_name("proxy", tests, NULL, end);
}
