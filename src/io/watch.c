/* Whose connections have something to receive.
 *
 * Each user's connections are in a set of their own (epoll), and the loop watches the sets. Were all
 * connections in the loop's own set, a user with thousands of them would have thousands of events handled
 * before the first one of another user. */
#include "io/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"

/* Nothing is waited for. The kernel reports an error or the end once all the same, and then no more. */
#define NOTHING EPOLLONESHOT

struct watch {
    uv_poll_t poll; /* of the set */
    struct server *server;
    struct user *user;
    uint32_t connections;
    int set;
};

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;

    (void)status; /* a set does not fail */
    (void)events;
    watch->server->on_ready(watch->server, watch->user);
}

static struct watch *watch_new(struct server *server, struct user *user)
{
    struct watch *watch = calloc(1, sizeof(*watch));

    if (watch == NULL)
        return NULL;
    watch->server = server;
    watch->user = user;
    watch->set = epoll_create1(EPOLL_CLOEXEC);
    if (watch->set < 0 || uv_poll_init(server->loop, &watch->poll, watch->set) != 0) {
        if (watch->set >= 0)
            close(watch->set);
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    /* Cannot fail: the handle is open, and epoll took the descriptor in uv_poll_init. */
    uv_poll_start(&watch->poll, UV_READABLE, on_ready);
    return watch;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void watch_free(struct watch *watch)
{
    watch->user->watch = NULL;
    uv_close((uv_handle_t *)&watch->poll, on_closed);
    close(watch->set);
}

static int change(struct connection *connection, int how, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};

    return epoll_ctl(connection->owner->watch->set, how, connection->fd, &event);
}

int watch_add(struct connection *connection)
{
    struct user *user = connection->owner;

    if (user->watch == NULL)
        user->watch = watch_new(connection->server, user);
    if (user->watch == NULL)
        return -ENOMEM;
    if (change(connection, EPOLL_CTL_ADD, NOTHING) != 0) {
        if (user->watch->connections == 0)
            watch_free(user->watch);
        return -errno;
    }
    user->watch->connections++;
    connection->watched = NOTHING;
    return 0;
}

void watch_for(struct connection *connection, bool input, bool room)
{
    uint32_t events = (input ? (uint32_t)EPOLLIN : 0) | (room ? (uint32_t)EPOLLOUT : 0);

    if (events == 0)
        events = NOTHING;
    if (connection->watched == events)
        return;
    ensure(change(connection, EPOLL_CTL_MOD, events) == 0); /* needs no memory */
    connection->watched = events;
}

void watch_remove(struct connection *connection)
{
    struct watch *watch = connection->owner->watch;

    ensure(watch->connections > 0 && change(connection, EPOLL_CTL_DEL, 0) == 0);
    if (--watch->connections > 0)
        return;
    connection->owner->behind = 0; /* none is left to look at */
    watch_free(watch);
}

unsigned watch_take(struct user *user, struct epoll_event event[WATCH_MOST])
{
    int count = user->watch == NULL ? 0 : epoll_wait(user->watch->set, event, WATCH_MOST, 0);

    return count > 0 ? (unsigned)count : 0;
}
