/* An observer: what it makes of a server's answers, and what it knows when the server is gone. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/observer/observer.h"
#include "far_end.h"
#include "os/sock.h"
#include "scratch.h"

#define PATIENCE_MS 60000u

/* A server in this thread: sockets deliver at once, so it speaks before the observer looks. */
struct scene {
    struct observer observer;
    struct scratch scratch;
    int listener;
    int far;
    unsigned fds; /* open before */
};

static struct scene scene;

static void connect_observer(void)
{
    const char *path = scratch_path(&scene.scratch, "s");

    assert_int_equal(observer_connect(&scene.observer, path, "test", NULL), 0);
    scene.far = sock_accept(scene.listener);
    assert_true(scene.far >= 0);
}

/* Take the next message, and answer a HELLO with this version. */
static uint32_t take(enum wire_type expected, struct wire_message *message, uint32_t version)
{
    struct wire_message welcome = {.type = WIRE_WELCOME};

    assert_int_equal(far_end_receive(scene.far, message), expected);
    welcome.seq = message->seq;
    welcome.welcome.version = version;
    if (expected == WIRE_HELLO)
        far_end_send(scene.far, &welcome, -1);
    return message->seq;
}

static int set_up(void **state)
{
    struct wire_message message;

    (void)state;
    scene.fds = count_fds();
    scratch_init(&scene.scratch);
    observer_init(&scene.observer);
    scene.listener = sock_listen(scratch_path(&scene.scratch, "s"), 4, NULL);
    connect_observer();
    take(WIRE_HELLO, &message, WIRE_VERSION);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    observer_fini(&scene.observer);
    close(scene.far);
    close(scene.listener);
    unlink(scratch_path(&scene.scratch, "s"));
    scratch_fini(&scene.scratch);
    assert_int_equal(count_fds(), scene.fds);
    return 0;
}

static void send_tasks(uint32_t seq, uint32_t first, uint32_t count)
{
    for (uint32_t id = first; id < first + count; id++) {
        struct wire_message task = {.type = WIRE_TASK_STATUS, .seq = seq};

        task.task_status.id = id;
        task.task_status.pid = 1000 + id;
        task.task_status.held = id * 2;
        snprintf(task.task_status.name, sizeof(task.task_status.name), "t%u", id % 50);
        far_end_send(scene.far, &task, -1);
    }
}

static void send_status(uint32_t seq, uint32_t frames)
{
    struct wire_message status = {.type = WIRE_PHYSMEM_STATUS, .seq = seq};

    status.physmem_status.frames = frames;
    far_end_send(scene.far, &status, -1);
}

static void test_many_tasks_come_in_several_answers(void **state)
{
    struct wire_message message;
    uint32_t seq;

    (void)state;
    assert_int_equal(observer_ask(&scene.observer), 0);
    seq = take(WIRE_STATUS, &message, 0);
    assert_int_equal(message.status.after, 0);
    send_tasks(seq, 1, WIRE_TASKS);
    assert_int_equal(observer_receive(&scene.observer, NULL), 0);
    send_status(seq, 64);
    assert_int_equal(observer_receive(&scene.observer, NULL), 0);
    assert_false(scene.observer.known);
    seq = take(WIRE_STATUS, &message, 0);
    assert_int_equal(message.status.after, WIRE_TASKS);
    send_tasks(seq, WIRE_TASKS + 1, 20);
    send_status(seq, 65);
    assert_int_equal(observer_receive(&scene.observer, NULL), 1);
    assert_true(scene.observer.known);
    assert_int_equal(scene.observer.physmem.frames, 65);
    assert_int_equal(scene.observer.task_count, WIRE_TASKS + 20);
    /* The next time, too: though all are known, each is asked for. */
    assert_int_equal(observer_ask(&scene.observer), 0);
    seq = take(WIRE_STATUS, &message, 0);
    send_tasks(seq, 1, WIRE_TASKS);
    send_status(seq, 66);
    assert_int_equal(observer_receive(&scene.observer, NULL), 0);
    take(WIRE_STATUS, &message, 0);
    assert_int_equal(message.status.after, WIRE_TASKS);
}

static void test_the_latest_task_of_a_name_is_found(void **state)
{
    struct wire_message message;
    uint32_t seq;

    (void)state;
    assert_int_equal(observer_ask(&scene.observer), 0);
    seq = take(WIRE_STATUS, &message, 0);
    send_tasks(seq, 1, 1);
    send_tasks(seq, 51, 1);
    send_status(seq, 1);
    assert_int_equal(observer_refresh(&scene.observer, PATIENCE_MS, NULL), 0);
    assert_int_equal(observer_task_named(&scene.observer, "t1")->id, 51);
    assert_int_equal(observer_task_of(&scene.observer, 1001)->id, 1);
    assert_null(observer_task_named(&scene.observer, "t2"));
    assert_null(observer_task_of(&scene.observer, 1));
}

static void test_what_a_task_has_is_asked_and_told(void **state)
{
    struct wire_message message, reply = {.type = WIRE_TASK_DETAIL};
    struct sp_error error;
    uint32_t seq;

    (void)state;
    assert_int_equal(observer_ask(&scene.observer), 0);
    seq = take(WIRE_STATUS, &message, 0);
    reply.seq = seq; /* the answer to another request is none */
    reply.task_detail.task = 6;
    far_end_send(scene.far, &reply, -1);
    reply.seq = seq + 1;
    reply.task_detail.task = 7;
    reply.task_detail.contracts_count = 1;
    reply.task_detail.contracts[0].frames = 42;
    far_end_send(scene.far, &reply, -1);
    assert_int_equal(observer_detail_wait(&scene.observer, 7, PATIENCE_MS, &error), 0);
    assert_int_equal(take(WIRE_ASK_TASK_DETAIL, &message, 0), seq + 1);
    assert_int_equal(message.ask_task_detail.task, 7);
    assert_int_equal(scene.observer.detail.task, 7);
    assert_int_equal(scene.observer.detail.contracts[0].frames, 42);
    /* There is no such task: what was known of another one is nobody's. */
    reply = (struct wire_message){.type = WIRE_DONE, .seq = seq + 2, .error = ENOENT};
    snprintf(reply.done.text, sizeof(reply.done.text), "there is none");
    far_end_send(scene.far, &reply, -1);
    assert_int_equal(observer_detail_wait(&scene.observer, 8, PATIENCE_MS, &error), -ENOENT);
    assert_string_equal(error.text, "there is none");
    assert_int_equal(scene.observer.detail.task, 0);
}

static void test_what_was_known_outlives_the_server(void **state)
{
    struct wire_message message;
    struct sp_error error;
    uint32_t seq;

    (void)state;
    assert_int_equal(observer_ask(&scene.observer), 0);
    seq = take(WIRE_STATUS, &message, 0);
    send_tasks(seq, 7, 1);
    send_status(seq, 9);
    assert_int_equal(observer_receive(&scene.observer, NULL), 1);
    shutdown(scene.far, SHUT_RDWR);
    assert_int_equal(observer_receive(&scene.observer, &error), -EPIPE);
    assert_string_equal(error.text, "the server is gone");
    assert_int_equal(scene.observer.link.fd, -1);
    assert_int_equal(scene.observer.physmem.frames, 9);
    assert_non_null(observer_task_of(&scene.observer, 1007));
    assert_int_equal(observer_ask(&scene.observer), -EPIPE);
    assert_int_equal(observer_refresh(&scene.observer, PATIENCE_MS, &error), -EPIPE);
    /* The numbers of the next server's tasks begin anew. */
    close(scene.far);
    connect_observer();
    assert_null(observer_task_of(&scene.observer, 1007));
    assert_int_equal(scene.observer.physmem.frames, 9);
}

static void test_a_server_of_another_version_is_left(void **state)
{
    struct wire_message message;
    struct sp_error error;

    (void)state;
    close(scene.far);
    connect_observer();
    take(WIRE_HELLO, &message, WIRE_VERSION + 1);
    assert_int_equal(observer_receive(&scene.observer, &error), -EPROTO);
    assert_non_null(strstr(error.text, "speaks version"));
    assert_int_equal(scene.observer.link.fd, -1);
}

static void test_a_recall_is_answered(void **state)
{
    struct wire_message message,
        done = {.type = WIRE_DONE, .error = ENOENT, .done.text = "no task"};
    struct sp_error error;
    int seq;

    (void)state;
    seq = observer_recall(&scene.observer, "sort", 5);
    assert_true(seq > 0);
    assert_int_equal(take(WIRE_RECALL_TASK, &message, 0), seq);
    assert_string_equal(message.recall_task.name, "sort");
    assert_int_equal(message.recall_task.frames, 5);
    done.seq = (uint32_t)seq;
    far_end_send(scene.far, &done, -1);
    assert_int_equal(observer_receive(&scene.observer, NULL), 1);
    assert_int_equal(scene.observer.done_seq, seq);
    assert_int_equal(scene.observer.done_error, ENOENT);
    assert_string_equal(scene.observer.done_text, "no task");
    /* And with waiting: the answer lies there already. */
    done.seq = (uint32_t)seq + 1;
    far_end_send(scene.far, &done, -1);
    assert_int_equal(observer_recall_wait(&scene.observer, "sort", 5, PATIENCE_MS, &error),
                     -ENOENT);
    assert_string_equal(error.text, "no task");
}

static void test_a_silent_server_is_not_waited_for_ever(void **state)
{
    struct sp_error error;

    (void)state;
    assert_int_equal(observer_refresh(&scene.observer, 5, &error), -ETIMEDOUT);
    assert_true(scene.observer.link.fd >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_many_tasks_come_in_several_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_latest_task_of_a_name_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_a_task_has_is_asked_and_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_was_known_outlives_the_server, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_server_of_another_version_is_left, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_recall_is_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_silent_server_is_not_waited_for_ever, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests_name("client/observer", tests, NULL, NULL);
}
