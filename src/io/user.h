/* Users of a server: what all connections of one user id take together.
 *
 * What of a scarce resource a user may take says base/allotment.h. */
#ifndef IO_USER_H
#define IO_USER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "io/errand.h"

#define USER_BUCKETS 64u

struct connection;
struct watch;

/* Read-only for others but for `extents`, `files` and `jobs`. */
struct user {
    struct user *next; /* in its bucket */
    uid_t uid;
    uint32_t references;
    uint32_t connections; /* also those that are being closed */
    uint32_t unclosed;    /* descriptors that are being closed, and connections */
    uint32_t extents;     /* for the services, which count theirs, as the next two */
    uint32_t files;
    uint32_t jobs;
    uint32_t paused;   /* connections that are not read, because too much is unclosed */
    uint64_t output;   /* bytes that the sockets have not taken */
    uint64_t input;    /* bytes received and not handled yet */
    uint64_t pass;     /* of the loop, in which it last used time */
    uint64_t spent_ns; /* in that pass */
    struct connection *deferred_first; /* connections whose turn is still to come */
    struct connection *deferred_last;
    struct user *deferred_next; /* among users with such connections */
    bool deferred;
    struct watch *watch; /* its connections; NULL: it has none */
    uint32_t behind; /* connections that may have something to receive, and were not looked at */
    uint64_t behind_since; /* what server_turns_mark said when they were not */
    struct errand_lane lane;
};

/* All zeros: none. */
struct users {
    struct user *bucket[USER_BUCKETS];
    struct user *turn; /* whose turn it is, for input.c; NULL: nobody's, or the user is gone */
};

/* The user of this id, made if there is none, with one reference more. NULL: no memory. */
struct user *user_take(struct users *users, uid_t uid);

/* Give up a reference. */
void user_release(struct users *users, struct user *user);

#endif
