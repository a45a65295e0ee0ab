/* Many threads asking over one connection: each gets its own answer, in whatever order they come,
 * and all of them learn of the server's end. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <valgrind/valgrind.h>

#include "base/random.h"
#include "client/channel.h"
#include "far_end.h"
#include "os/extent.h"
#include "os/sock.h"

#define ASKERS 4u

static unsigned questions(void)
{
    return RUNNING_ON_VALGRIND ? 200 : 5000;
}

/* A server that holds back up to eight requests and answers them in random order, each by
 * RESERVED with the number it was asked for plus one; now and then it says something unasked. */
struct server {
    int fd;
    unsigned total;
    unsigned unasked;
};

static void answer(struct server *server, const struct wire_message *request)
{
    struct wire_message reply = {.type = WIRE_RESERVED, .seq = request->seq};

    reply.reserved.reserved = request->reserve.add + 1;
    far_end_send(server->fd, &reply, -1);
    if (request->reserve.add % 16 == 0) {
        struct wire_message notice = {.type = WIRE_NOTICE};

        far_end_send(server->fd, &notice, -1);
        server->unasked++;
    }
}

static void *serve(void *arg)
{
    struct server *server = arg;
    struct random_source random = random_seeded(11);
    unsigned char in[65536];
    size_t in_used = 0;
    struct wire_message held[8];
    unsigned count = 0;

    for (unsigned answered = 0; answered < server->total;) {
        int passed;
        ssize_t got;
        size_t from = 0;

        /* Wait only if nothing is held: a thread may be waiting for just that answer. */
        if (count == 0)
            sock_wait(server->fd, POLLIN, -1);
        got = sock_receive(server->fd, in + in_used, sizeof(in) - in_used, &passed);
        if (got > 0)
            in_used += (size_t)got;
        while (count < 8) {
            size_t used;

            if (wire_decode(in + from, in_used - from, &held[count], &used) != WIRE_OK)
                break;
            from += used;
            count++;
        }
        in_used -= from;
        memmove(in, in + from, in_used);
        while (count > 0) {
            unsigned i = random_below(&random, count);

            answer(server, &held[i]);
            held[i] = held[--count];
            answered++;
        }
    }
    return NULL;
}

struct asker {
    struct channel *channel;
    unsigned number;
    unsigned wrong;
};

static void *ask(void *arg)
{
    struct asker *asker = arg;

    for (unsigned i = 0; i < questions(); i++) {
        struct wire_message message = {.type = WIRE_RESERVE};
        struct wire_message reply;

        message.reserve.add = asker->number * 1000000 + i;
        if (channel_ask(asker->channel, &message, -1, &reply) != 0 || reply.type != WIRE_RESERVED ||
            reply.reserved.reserved != message.reserve.add + 1)
            asker->wrong++;
    }
    return NULL;
}

static void count_message(void *context, struct channel *channel,
                          const struct wire_message *message, int consume_fd)
{
    unsigned *count = context;

    (void)channel;
    if (message->type == WIRE_NOTICE)
        __atomic_add_fetch(count, 1, __ATOMIC_RELAXED);
    if (consume_fd >= 0) {
        if (extent_check(consume_fd, 3) == 0)
            __atomic_add_fetch(count, 1000, __ATOMIC_RELAXED);
        close(consume_fd);
    }
}

static void test_everyone_gets_their_own_answer(void **state)
{
    static struct channel channel;
    struct asker askers[ASKERS];
    struct server server = {.total = ASKERS * questions()};
    pthread_t threads[ASKERS], server_thread;
    unsigned notices = 0;
    int fds[2];

    (void)state;
    assert_int_equal(sock_pair(fds), 0);
    channel_init(&channel, fds[0], count_message, &notices);
    server.fd = fds[1];
    assert_int_equal(pthread_create(&server_thread, NULL, serve, &server), 0);
    for (unsigned i = 0; i < ASKERS; i++) {
        askers[i] = (struct asker){.channel = &channel, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &askers[i]), 0);
    }
    for (unsigned i = 0; i < ASKERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(askers[i].wrong, 0);
    }
    pthread_join(server_thread, NULL);
    while (notices < server.unasked)
        assert_int_equal(channel_wait_progress(&channel, channel_progress(&channel)), 0);
    assert_null(channel.calls);
    close(fds[1]);
    channel_fini(&channel);
}

static void test_descriptors(void **state)
{
    static struct channel channel;
    struct wire_message message = {.type = WIRE_EXTENT};
    unsigned count = 0;
    int extent = extent_create("test", 3, NULL);
    int fds[2];

    (void)state;
    assert_true(extent >= 0);
    assert_int_equal(sock_pair(fds), 0);
    channel_init(&channel, fds[0], count_message, &count);
    message.extent.pages = 3;
    for (unsigned i = 0; i < 5; i++)
        far_end_send(fds[1], &message, extent);
    while (count < 5000)
        assert_int_equal(channel_wait_progress(&channel, channel_progress(&channel)), 0);
    close(extent);
    close(fds[1]);
    channel_fini(&channel);
}

static void *ask_until_end(void *arg)
{
    struct asker *asker = arg;
    struct wire_message message = {.type = WIRE_RESERVE};
    struct wire_message reply;

    asker->wrong = channel_ask(asker->channel, &message, -1, &reply) != -EPIPE;
    return NULL;
}

/* Threads that wait, and threads that ask later, are told when the server is gone or sends
 * nonsense. */
static void expect_end(const char *last_words)
{
    static struct channel channel;
    struct asker askers[ASKERS];
    pthread_t threads[ASKERS];
    unsigned count = 0;
    unsigned char bytes[WIRE_MESSAGE_MAX];
    struct wire_message message = {.type = WIRE_RESERVE};
    struct wire_message reply;
    int fds[2];
    int passed;

    assert_int_equal(sock_pair(fds), 0);
    channel_init(&channel, fds[0], count_message, &count);
    for (unsigned i = 0; i < ASKERS; i++) {
        askers[i] = (struct asker){.channel = &channel, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, ask_until_end, &askers[i]), 0);
    }
    sock_wait(fds[1], POLLIN, -1);
    assert_true(sock_receive(fds[1], bytes, sizeof(bytes), &passed) > 0);
    if (last_words != NULL)
        assert_true(sock_send(fds[1], last_words, 64, -1) == 64);
    else
        close(fds[1]);
    for (unsigned i = 0; i < ASKERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(askers[i].wrong, 0);
    }
    assert_int_equal(channel_ask(&channel, &message, -1, &reply), -EPIPE);
    assert_int_equal(channel_poll(&channel), -EPIPE);
    assert_null(channel.calls);
    if (last_words != NULL)
        close(fds[1]);
    channel_fini(&channel);
}

static void test_the_end_is_told_to_all(void **state)
{
    char garbage[64];

    (void)state;
    memset(garbage, 0x7e, sizeof(garbage));
    expect_end(NULL);
    expect_end(garbage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everyone_gets_their_own_answer),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_the_end_is_told_to_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
