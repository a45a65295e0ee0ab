/* Tasks that wait for the lease behind an extent to be ready: for its descriptor, or with replies that name pages of
 * it. */
#ifndef PHYSMEM_WAITER_H
#define PHYSMEM_WAITER_H

#include "backing.h"

struct waiter {
    struct waiter *next;
    struct seat *seat; /* one reference */
    bool sends[2];     /* the descriptor is to be sent to it: to write, to read */
    bool held;         /* replies to it wait */
};

/* The waiter for this task. NULL: there is no memory, and the server fails. */
struct waiter *waiter_for(struct backing *backing, struct seat *seat);

/* Replies to the task wait until the lease is ready, if it is not. */
void waiter_hold(struct backing *backing, struct seat *seat);

/* These, a list that no backing has any more, wait no longer; they are freed. */
void waiter_end_all(struct service *service, struct waiter *waiters);

#endif
