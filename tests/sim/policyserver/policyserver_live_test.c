/* A policy server rules over live tasks: its file is read again, it hands over, it dies. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <valgrind/valgrind.h>

#include "policyserver_peer.h"

#define PLENTY (WIRE_ALLOCATE_EXTRA | WIRE_ALLOCATE_PARTIAL)

static void open_task(struct physmem_peer *peer, const struct scene *scene, const char *name)
{
    assert_int_equal(physmem_peer_open(peer, &scene->physmem, name), 0);
    assert_int_equal(physmem_propose(peer, SP_EXTRA, 320, 0), 0);
    assert_int_equal(physmem_container(peer, 320), 0);
}

/* The next message of this type over the control connection. */
static void expect(struct physmem_peer *peer, enum wire_type type, struct wire_message *message)
{
    do
        assert_int_equal(wire_client_receive(&peer->control, message, NULL), 0);
    while (message->type != type);
}

/* Under a policy server with this arbiter the latecomer is told to come again, and then has as many
 * frames as physmem's own arbiter of that name would give it. */
static void late_and_hoarder(struct scene *scene, const char *arbiter)
{
    const char *const args[] = {"--arbiter", arbiter, NULL};
    struct physmem_peer hoarder, late;
    struct wire_message message;
    int64_t got, sum = 0;

    scene_physmem(scene, "320", NULL);
    scene_start(scene, 0, args);
    open_task(&hoarder, scene, "hoarder");
    open_task(&late, scene, "late");
    assert_int_equal(physmem_allocate(&hoarder, 0, 320, PLENTY), 310);
    got = physmem_allocate(&late, 0, 155, PLENTY);
    assert_true(got == -ENOMEM || got > 0);
    sum = got > 0 ? got : 0;
    /* What is recalled is returned, until the latecomer has its half. */
    for (uint32_t from = 0; sum < 155;) {
        expect(&hoarder, WIRE_RECALL, &message);
        assert_int_equal(physmem_give_back(&hoarder, WIRE_DEALLOCATE, from, message.recall.frames),
                         message.recall.frames);
        from += message.recall.frames;
        expect(&late, WIRE_NOTICE, &message);
        got = physmem_allocate(&late, (uint32_t)sum, 155 - (uint32_t)sum, PLENTY);
        assert_true(got == -ENOMEM || got > 0);
        sum += got > 0 ? got : 0;
    }
    /* And no more. */
    assert_int_equal(physmem_allocate(&late, 160, 100, PLENTY), -ENOMEM);
    assert_true(physmem_books_agree(&scene->observer));
    physmem_peer_close(&late);
    physmem_peer_close(&hoarder);
}

static void test_maxmin(void **state)
{
    late_and_hoarder(*state, "maxmin");
}

static void test_the_example_of_the_header(void **state)
{
    late_and_hoarder(*state, TEST_EQUAL_ARBITER);
}

static void test_the_file_is_read_again(void **state)
{
    struct scene *scene = *state;
    char path[SERVER_PATH];
    const char *const args[] = {
        "--entitlements", scene_file(scene, "tasks: [ { name: hoarder, extra: 200 } ]\n", path),
        NULL};
    struct physmem_peer hoarder;
    struct wire_message message;

    scene_physmem(scene, "320", NULL);
    open_task(&hoarder, scene, "hoarder"); /* whose contract stands, for 320 frames */
    scene_start(scene, 0, args);
    assert_int_equal(physmem_allocate(&hoarder, 0, 320, PLENTY), 200);
    scene_file(scene, "tasks: [ { name: hoarder, extra: 120 } ]\n", path);
    kill(scene->server[0].pid, SIGHUP);
    expect(&hoarder, WIRE_RECALL, &message);
    assert_int_equal(message.recall.frames, 80);
    assert_int_equal(physmem_give_back(&hoarder, WIRE_DEALLOCATE, 0, 80), 80);
    /* A broken file changes nothing. */
    scene_file(scene, "tasks: [ { name: hoarder, extra: 1e3 } ]\n", path);
    kill(scene->server[0].pid, SIGHUP);
    scene_await_log(&scene->server[0], "all stays as it was");
    scene_await_log(&scene->server[0], ":1: tasks[1].extra: expected a whole number");
    assert_int_equal(physmem_allocate(&hoarder, 0, 10, PLENTY), -ENOMEM);
    scene_file(scene, "defaults: { weight: 2 }\n", path);
    kill(scene->server[0].pid, SIGHUP);
    for (uint64_t since = scene_now_ms(); physmem_allocate(&hoarder, 0, 10, PLENTY) == -ENOMEM;)
        scene_rest(since, "a limit to be gone");
    physmem_peer_close(&hoarder);
}

static void test_it_may_die(void **state)
{
    struct scene *scene = *state;
    char path[SERVER_PATH];
    const char *const args[] = {
        "--arbiter", "maxmin", "--entitlements",
        scene_file(scene, "tasks: [ { name: bounded, extra: 50 } ]\n", path), NULL};
    struct physmem_peer task, late;
    struct wire_message status;

    scene_physmem(scene, "320", NULL);
    scene_start(scene, 0, args);
    open_task(&task, scene, "task");
    assert_int_equal(physmem_allocate(&task, 0, 100, PLENTY), 100);
    server_process_kill(&scene->server[0]);
    scene_await_control(scene, LEFT);
    scene_await_log(&scene->physmem, "is gone without handing over: its last table");
    scene_status(scene, &status);
    assert_int_equal(status.physmem_status.controllers, 1);
    /* Tasks go on; a task that comes now has the limits of its name. */
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(physmem_allocate(&task, 100, 20, WIRE_ALLOCATE_EXTRA), 20);
        assert_int_equal(physmem_give_back(&task, WIRE_DEALLOCATE, 100, 20), 20);
    }
    assert_int_equal(physmem_peer_open(&late, &scene->physmem, "bounded"), 0);
    assert_int_equal(physmem_propose(&late, SP_EXTRA, 51, 0), -ENOMEM);
    assert_int_equal(physmem_propose(&late, SP_EXTRA, 50, 0), 0);
    assert_int_equal(physmem_container(&late, 320), 0);
    assert_int_equal(physmem_allocate(&late, 0, 100, PLENTY), 50);
    scene_start(scene, 1, args);
    scene_await_control(scene, CONTROLLED);
    assert_true(physmem_books_agree(&scene->observer));
    physmem_peer_close(&late);
    physmem_peer_close(&task);
}

/* A policy server that is asked to end leaves nothing behind: no limit, and no table that decides. */
static void test_it_gives_control_back(void **state)
{
    struct scene *scene = *state;
    char path[SERVER_PATH];
    const char *const args[] = {
        "--arbiter", "maxmin", "--entitlements",
        scene_file(scene, "tasks: [ { name: bounded, extra: 50 } ]\n", path), NULL};
    struct physmem_peer bounded;

    scene_physmem(scene, "320", NULL);
    scene_start(scene, 0, args);
    open_task(&bounded, scene, "other");
    physmem_peer_close(&bounded);
    assert_int_equal(physmem_peer_open(&bounded, &scene->physmem, "bounded"), 0);
    assert_int_equal(physmem_propose(&bounded, SP_EXTRA, 51, 0), -ENOMEM);
    kill(scene->server[0].pid, SIGTERM);
    assert_int_equal(server_process_wait(&scene->server[0]), 0);
    scene_await_log(&scene->server[0], "physmem's own arbiter decides again");
    scene_await_control(scene, UNCONTROLLED);
    assert_int_equal(physmem_propose(&bounded, SP_EXTRA, 320, 0), 0);
    assert_int_equal(physmem_container(&bounded, 320), 0);
    assert_int_equal(physmem_allocate(&bounded, 0, 100, PLENTY), 100);
    assert_true(physmem_books_agree(&scene->observer));
    physmem_peer_close(&bounded);
}

/* Three tasks allocate and return what they are entitled to, a fourth always wants more than there
 * is; meanwhile control goes from one policy server to the next. */
#define TASKS 3u
#define HOLDS 20u
#define MOVES 40u

static void test_hand_over_under_load(void **state)
{
    static const char *const first[] = {"--arbiter", "maxmin", NULL};
    static const char *const next[] = {"--arbiter", "maxmin", "--take-over", NULL};
    struct scene *scene = *state;
    const unsigned all = RUNNING_ON_VALGRIND ? 4 : POLICYSERVERS;
    uint32_t rounds = RUNNING_ON_VALGRIND ? 80 : 2000, after_last = 0;
    struct physmem_peer task[TASKS], wanter;
    unsigned servers = 1, allocations = 0;

    scene_physmem(scene, "320", NULL);
    for (unsigned i = 0; i < TASKS; i++) {
        open_task(&task[i], scene, "task");
        assert_int_equal(physmem_allocate(&task[i], 0, HOLDS, PLENTY), HOLDS);
    }
    open_task(&wanter, scene, "wanter");
    scene_start(scene, 0, first);
    /* At least so many rounds in all, and so many after the last has taken over. */
    for (uint32_t round = 0; after_last < rounds / all; round++) {
        assert_int_equal(physmem_allocate(&wanter, 0, 320, WIRE_ALLOCATE_EXTRA), -ENOMEM);
        for (unsigned i = 0; i < TASKS; i++) {
            assert_int_equal(physmem_allocate(&task[i], HOLDS, MOVES, WIRE_ALLOCATE_EXTRA), MOVES);
            assert_int_equal(physmem_give_back(&task[i], WIRE_DEALLOCATE, HOLDS, MOVES), MOVES);
            allocations++;
        }
        if (scene_controllers(scene) < servers)
            continue;
        if (servers < all && round >= servers * (rounds / all))
            scene_spawn(scene, servers++, next);
        else if (servers == all)
            after_last++;
    }
    assert_true(allocations >= rounds * 2);
    for (unsigned i = 0; i + 1 < all; i++) {
        assert_int_equal(server_process_wait(&scene->server[i]), 0);
        scene_await_log(&scene->server[i], "control has gone to process");
    }
    assert_int_equal(scene_controllers(scene), all);
    scene_await_control(scene, CONTROLLED);
    assert_true(physmem_books_agree(&scene->observer));
    for (unsigned i = 0; i < TASKS; i++)
        physmem_peer_close(&task[i]);
    physmem_peer_close(&wanter);
}

/* More tasks than the first table has rows. */
static void test_many_tasks(void **state)
{
    static const char *const args[] = {"--arbiter", "maxmin", "--verbose", NULL};
    static struct physmem_peer task[100];
    struct scene *scene = *state;
    struct wire_message message;

    scene_physmem(scene, "320", NULL);
    scene_start(scene, 0, args);
    for (unsigned i = 0; i < 100; i++) {
        open_task(&task[i], scene, "task");
        if (i > 0)
            assert_int_equal(physmem_allocate(&task[i], 0, 1, PLENTY), 1);
    }
    assert_int_equal(physmem_allocate(&task[0], 0, 320, PLENTY), 310 - 99);
    /* All are entitled to three at least. */
    if (physmem_allocate(&task[99], 1, 2, WIRE_ALLOCATE_EXTRA) == -ENOMEM) {
        expect(&task[0], WIRE_RECALL, &message);
        assert_true(message.recall.frames >= 2);
        assert_true(physmem_give_back(&task[0], WIRE_DEALLOCATE, 0, message.recall.frames) > 0);
        expect(&task[99], WIRE_NOTICE, &message);
        assert_int_equal(physmem_allocate(&task[99], 1, 2, WIRE_ALLOCATE_EXTRA), 2);
    }
    assert_true(physmem_books_agree(&scene->observer));
    for (unsigned i = 0; i < 100; i++)
        physmem_peer_close(&task[i]);
}

/* ---- Swap ---- */

static const char *const swap_args[] = {"--slots", "64",          "--device", "mem:", "--quota",
                                        "20",      "--bandwidth", "4000",     NULL};

static void swap_client(struct wire_client *client, const struct server_process *swap,
                        const char *name)
{
    assert_int_equal(wire_client_open(client, swap->socket, WIRE_ROLE_TASK, 0, 0, name, NULL), 0);
}

/* The error of a request for so many slots more, and so many fewer. */
static int reserve(struct wire_client *client, uint32_t more, uint32_t fewer)
{
    struct wire_message request = {.type = WIRE_RESERVE}, reply;

    request.reserve.add = more;
    request.reserve.subtract = fewer;
    assert_int_equal(wire_client_call(client, &request, -1, &reply), 0);
    return (int)reply.error;
}

/* The error of a contract for so many shares. */
static int share(struct wire_client *client, uint32_t shares)
{
    struct wire_message request = {.type = WIRE_BANDWIDTH}, reply;

    request.bandwidth.shares = shares;
    assert_int_equal(wire_client_call(client, &request, -1, &reply), 0);
    return (int)reply.error;
}

/* Swap is told what the file says: by a successor, too, when the file is read again, and when swap was restarted; and that
 * nothing holds any more when the policy server ends. */
static void swap_is_told_what_its_clients_may_have(void **state)
{
    static const char file[] = "defaults: { slots: 5 }\n"
                               "tasks: [ { name: rich, slots: 30, bandwidth: shares=4 } ]\n";
    struct scene *scene = *state;
    struct server_process swap;
    struct wire_client poor, rich;
    char path[SERVER_PATH];
    const char *args[] = {"--swap", swap.socket, "--entitlements", path, NULL};
    const char *next[] = {"--swap", swap.socket, "--entitlements", path, "--take-over", NULL};

    assert_int_equal(server_process_init(&swap), 0);
    assert_int_equal(server_process_start(&swap, TEST_BINDIR "/selfpage-swap", swap_args), 0);
    scene_physmem(scene, "64", NULL);
    scene_file(scene, file, path);
    scene_start(scene, 0, args);
    swap_client(&poor, &swap, "poor");
    swap_client(&rich, &swap, "rich");
    assert_int_equal(reserve(&poor, 6, 0), EDQUOT);
    assert_int_equal(reserve(&poor, 5, 0), 0);
    assert_int_equal(reserve(&rich, 30, 0), 0);
    assert_int_equal(share(&rich, 5), EPERM);
    assert_int_equal(share(&rich, 4), 0);
    scene_file(scene, "defaults: { slots: 7 }\n", path);
    scene_start(scene, 1, next);
    assert_int_equal(server_process_wait(&scene->server[0]), 0);
    assert_int_equal(reserve(&poor, 3, 0), EDQUOT);
    assert_int_equal(reserve(&poor, 2, 0), 0);
    scene_file(scene, "defaults: { slots: 8 }\n", path);
    assert_int_equal(kill(scene->server[1].pid, SIGHUP), 0);
    while (reserve(&poor, 1, 0) != 0)
        continue;
    assert_int_equal(reserve(&poor, 1, 0), EDQUOT);
    wire_client_close(&poor);
    wire_client_close(&rich);
    server_process_kill(&swap);
    assert_int_equal(server_process_start(&swap, TEST_BINDIR "/selfpage-swap", swap_args), 0);
    swap_client(&poor, &swap, "poor");
    while (reserve(&poor, 9, 0) == 0) /* until it was told */
        assert_int_equal(reserve(&poor, 0, 9), 0);
    assert_int_equal(reserve(&poor, 8, 0), 0);
    assert_int_equal(server_process_stop(&scene->server[1]), 0);
    assert_int_equal(reserve(&poor, 12, 0), 0);
    assert_int_equal(reserve(&poor, 1, 0), EDQUOT); /* the server's own quota */
    wire_client_close(&poor);
    assert_int_equal(server_process_stop(&swap), 0);
    server_process_fini(&swap);
}

#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(test_maxmin),
        SCENE_TEST(test_the_example_of_the_header),
        SCENE_TEST(test_the_file_is_read_again),
        SCENE_TEST(test_it_may_die),
        SCENE_TEST(test_it_gives_control_back),
        SCENE_TEST(test_hand_over_under_load),
        SCENE_TEST(test_many_tasks),
        SCENE_TEST(swap_is_told_what_its_clients_may_have),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
