/* An observer: a connection to physmem or swap that asks for their counters, and knows the last
 * answer after the server is gone. */
#ifndef LAUNCH_OBSERVER_H
#define LAUNCH_OBSERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "wire/message.h"

/* The bodies of PHYSMEM_STATUS, SWAP_STATUS and TASK_STATUS. */
struct observed_physmem {
    WIRE_PHYSMEM_STATUS_FIELDS(WIRE_STRUCT_F, WIRE_STRUCT_E, WIRE_STRUCT_S, WIRE_STRUCT_L)
};
struct observed_swap {
    WIRE_SWAP_STATUS_FIELDS(WIRE_STRUCT_F, WIRE_STRUCT_E, WIRE_STRUCT_S, WIRE_STRUCT_L)
};
struct observed_task {
    WIRE_TASK_STATUS_ENTRY_FIELDS(WIRE_STRUCT_F, WIRE_STRUCT_E, WIRE_STRUCT_S, WIRE_STRUCT_L)
};

struct observer {
    int fd;                          /* -1: not connected */
    uint32_t seq;                    /* of the last request */
    size_t have;                     /* bytes in `buffer` */
    size_t listed;                   /* tasks in the answer that is coming in */
    bool known;                      /* there has been a complete answer */
    struct observed_physmem physmem; /* the last answer, of whichever server this is */
    struct observed_swap swap;
    struct observed_task *tasks; /* all that physmem ever named, in the order of their ids */
    size_t task_count;
    uint32_t done_seq;         /* the last DONE: which request it answers, */
    uint32_t done_error;       /* its error, 0 or a positive errno value, */
    char done_text[WIRE_TEXT]; /* and what it says */
    unsigned char buffer[2 * WIRE_MESSAGE_MAX];
};

/* An observer that is not connected. */
void observer_init(struct observer *observer);

/* Forget everything. */
void observer_fini(struct observer *observer);

/* Connect to the server's socket and introduce ourselves as `name`. The counters of an earlier
 * server stay until there are new ones; its tasks, whose numbers begin anew, are forgotten. On
 * failure the observer is not connected. */
int observer_connect(struct observer *observer, const char *path, const char *name,
                     struct sp_error *error);

/* End the connection, if there is one. */
void observer_disconnect(struct observer *observer);

/* Ask for the counters. Does not wait. 0, or -EPIPE: the server is gone or does not listen, and the
 * observer is disconnected. */
int observer_ask(struct observer *observer);

/* Have physmem recall frames from a task. Does not wait; the answer is in done_*. Returns the
 * request's number, or -EPIPE. */
int observer_recall(struct observer *observer, const char *task, uint32_t frames);

/* Take in what has arrived. 1: the answer to observer_ask is complete, or done_* is new; 0: nothing
 * is complete yet; -EPIPE, -EPROTO or -ENOMEM: the observer is disconnected. */
int observer_receive(struct observer *observer);

/* observer_ask, and wait for the answer. */
int observer_refresh(struct observer *observer, unsigned timeout_ms, struct sp_error *error);

/* observer_recall, and wait for the answer. */
int observer_recall_wait(struct observer *observer, const char *task, uint32_t frames,
                         unsigned timeout_ms, struct sp_error *error);

/* The latest task of that name, or with that process id; NULL if physmem never named one. */
const struct observed_task *observer_task_named(const struct observer *observer, const char *name);
const struct observed_task *observer_task_of(const struct observer *observer, uint32_t pid);

#endif
