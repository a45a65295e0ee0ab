/* Whose connections have something to receive, or room for what is sent. */
#ifndef IO_WATCH_H
#define IO_WATCH_H

#include <stdbool.h>
#include <sys/epoll.h>

#include "io/server.h"

#define WATCH_MOST 32 /* connections that watch_take names at once */

static inline struct connection *watch_connection(const struct epoll_event *event)
{
    return event->data.ptr;
}

/* There is something to receive, or the peer has closed. */
static inline bool watch_has_input(const struct epoll_event *event)
{
    return (event->events & (EPOLLIN | EPOLLHUP)) != 0;
}

/* The socket takes output again. */
static inline bool watch_has_room(const struct epoll_event *event)
{
    return (event->events & EPOLLOUT) != 0;
}

/* The peer has closed without receiving all. */
static inline bool watch_has_failed(const struct epoll_event *event)
{
    return (event->events & EPOLLERR) != 0;
}

/* Put a connection among those of its user (its `owner` and `fd` are set). Nothing is waited for yet.
 * Returns 0, or a negative errno: no memory or descriptor for it. */
int watch_add(struct connection *connection);

/* Say what is waited for from now on. A failure, or the peer's end, may be reported once even if it is
 * nothing. */
void watch_for(struct connection *connection, bool input, bool room);

/* Take a connection out again: from now on watch_take does not name it. */
void watch_remove(struct connection *connection);

/* Up to WATCH_MOST connections of a user that have what they wait for; fewer: these are all. The
 * others come first next time. server->on_ready is called from the loop while there are such ones. */
unsigned watch_take(struct user *user, struct epoll_event event[WATCH_MOST]);

#endif
