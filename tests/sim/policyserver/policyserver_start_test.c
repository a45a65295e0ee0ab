/* Starting and ending the policy server: options, files, and which users may have control. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "policyserver_peer.h"

/* The program ends with status 2 and says `text`. */
static void expect_refusal(struct server_process *server, const char *const args[],
                           const char *text)
{
    assert_int_equal(server_process_spawn(server, POLICYSERVER_PROGRAM, args), 0);
    assert_int_equal(server_process_wait(server), 2);
    scene_await_log(server, text);
}

static void test_command_line(void **state)
{
    static const struct {
        const char *args[8];
        const char *text;
    } cases[] = {
        {{NULL}, "--physmem is missing"},
        {{"--physmem", NULL}, "--physmem needs a value"},
        {{"--physmem", "p", "--period", "0s", NULL}, "--period: \"0s\" is not a time from 1ms"},
        {{"--physmem", "p", "--period", "10", NULL}, "--period: \"10\" is not a time"},
        {{"--physmem", "p", "--ready-fd", "x", NULL}, "--ready-fd: \"x\" is not a number"},
        {{"--physmem", "p", "--arbiter", "x", NULL}, "no arbiter 'x'; there are fcfs"},
        {{"--physmem", "p", "--arbiter", "esx:tax=2", NULL}, "parameter 'tax' is 2"},
        {{"--physmem", "p", "--arbiter", "./none.so", NULL}, "./none.so"},
        {{"--physmem", "p", "--entitlements", "/nowhere", NULL}, "/nowhere: No such file"},
        {{"--physmem", "/nowhere/at/all", NULL}, "/nowhere/at/all"},
        {{"--wrong", NULL}, "unknown option --wrong"},
        {{"--physmem", "p", "more", NULL}, "unexpected argument \"more\""},
    };
    struct scene *scene = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_refusal(&scene->server[0], cases[i].args, cases[i].text);
    for (unsigned i = 0; i < 2; i++) {
        const char *const args[] = {i == 0 ? "--help" : "--version", NULL};

        assert_int_equal(server_process_spawn(&scene->server[0], POLICYSERVER_PROGRAM, args), 0);
        assert_int_equal(server_process_wait(&scene->server[0]), 0);
    }
}

static void test_mistakes_in_the_file(void **state)
{
    static const struct {
        const char *file, *text;
    } cases[] = {
        {"default: {}\n", "entitlements.yaml:1: default: unknown field"},
        {"defaults: { extra: 2M }\n",
         ":1: defaults.extra: expected a whole number from 0 to 4294967294, not \"2M\""},
        {"defaults:\n  weight: 0\n", ":2: defaults.weight: a weight is at least 1"},
        {"users:\n  - { extra: 5 }\n", ":2: users[1].user: the field is missing"},
        {"users:\n  - user: nobody-of-this-name\n    extra: 5\n",
         ":2: users[1].user: there is no user \"nobody-of-this-name\""},
        {"users:\n  - { user: 99999999999 }\n",
         ":2: users[1].user: \"99999999999\" is not a user id"},
        {"tasks:\n  - { name: a }\n  - { name: b }\n  - { name: a }\n",
         ":4: tasks[3]: an entry above is about the same tasks"},
        {"tasks:\n  - { name: a, guaranteed: -1 }\n", ":2: tasks[1].guaranteed: expected a whole"},
        {"tasks:\n  - { name: abcdefghijklmnopqrstuvwxyz0123456789 }\n", ":2: tasks[1].name"},
        {"tasks:\n  - { name: a, slots: some }\n", ":2: tasks[1].slots: expected a whole"},
        {"defaults: { bandwidth: fast }\n", ":1: defaults.bandwidth: \"fast\" is none of shares=N"},
        {"defaults: { bandwidth: shares=65 }\n", ":1: defaults.bandwidth: there are at most 64"},
        {"users: [ { user: 1, slots: 4 } ]\n", "of swap: say --swap PATH, too"},
        {"tasks: [\n", "entitlements.yaml:"},
    };
    struct scene *scene = *state;
    char path[SERVER_PATH];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *const args[] = {"--physmem", "/nowhere", "--entitlements",
                                    scene_file(scene, cases[i].file, path), NULL};

        expect_refusal(&scene->server[0], args, cases[i].text);
    }
}

static void test_one_has_control(void **state)
{
    struct scene *scene = *state;
    const char *const second[] = {"--physmem", scene->physmem.socket, NULL};
    struct wire_message status;

    scene_physmem(scene, "64", NULL);
    scene_status(scene, &status);
    assert_int_equal(status.physmem_status.control, UNCONTROLLED);
    scene_start(scene, 0, NULL);
    scene_status(scene, &status);
    assert_int_equal(status.physmem_status.control, CONTROLLED);
    expect_refusal(
        &scene->server[1], second,
        "another policy server has control; with --take-over it is asked to hand control over");
    scene_status(scene, &status);
    assert_int_equal(status.physmem_status.controllers, 1);
    assert_int_equal(server_process_stop(&scene->server[0]), 0);
    scene_await_control(scene, UNCONTROLLED);
    scene_await_log(&scene->physmem, "is gone, and nothing of it stands");
    /* When it has gone, control is there to be taken. */
    scene_start(scene, 1, NULL);
    scene_await_control(scene, CONTROLLED);
    /* And without physmem there is nothing to control. */
    wire_client_close(&scene->observer);
    assert_int_equal(server_process_stop(&scene->physmem), 0);
    assert_int_equal(server_process_wait(&scene->server[1]), 2);
    scene_await_log(&scene->server[1], "physmem is gone");
}

/* The reply to one message in the role of a policy server. */
static uint32_t say(struct wire_client *client, enum wire_type type)
{
    struct wire_message message = {.type = (uint8_t)type}, reply;

    assert_int_equal(wire_client_call(client, &message, -1, &reply), 0);
    return reply.error;
}

static void test_each_role_has_its_own_messages(void **state)
{
    struct scene *scene = *state;
    struct wire_client client;
    struct wire_message message = {.type = WIRE_GET_CONTROL};

    scene_physmem(scene, "64", NULL);
    scene_start(scene, 0, NULL);
    assert_int_equal(
        wire_client_open(&client, scene->physmem.socket, WIRE_ROLE_POLICY, 0, 0, "other", NULL), 0);
    assert_int_equal(say(&client, WIRE_GET_CONTROL), EBUSY);
    assert_int_equal(say(&client, WIRE_HAND_OVER), EPERM);
    assert_int_equal(say(&client, WIRE_LIMITS), EPERM);
    assert_int_equal(say(&client, WIRE_ENTITLED), EPERM);
    message.type = WIRE_ALLOCATE;
    assert_int_equal(wire_client_send(&client, &message, -1), 0);
    assert_int_equal(wire_client_expect_end(&client), 0);
    wire_client_close(&client);
    /* No task, and no observer, may take control. */
    message.type = WIRE_GET_CONTROL;
    assert_int_equal(wire_client_send(&scene->observer, &message, -1), 0);
    assert_int_equal(wire_client_expect_end(&scene->observer), 0);
    assert_int_equal(
        wire_client_open(&client, scene->physmem.socket, WIRE_ROLE_TASK, 0, 0, "task", NULL), 0);
    assert_int_equal(wire_client_send(&client, &message, -1), 0);
    assert_int_equal(wire_client_expect_end(&client), 0);
    wire_client_close(&client);
}

#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(test_command_line),
        SCENE_TEST(test_mistakes_in_the_file),
        SCENE_TEST(test_one_has_control),
        SCENE_TEST(test_each_role_has_its_own_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
