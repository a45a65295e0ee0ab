/* An observer: a client of physmem, swap or a file server that reads their counters. It remembers the last answer,
 * also after the server is gone.
 *
 * Two ways to use it. Waiting: observer_refresh, observer_recall_wait. Under an event loop:
 * observer_ask whenever new counters are wanted, and observer_receive whenever observer.link.fd is
 * readable. One answer takes a message for each WIRE_TASKS tasks and one more.
 *
 * An observer is used by one thread at a time, and not in signal handlers. */
#ifndef CLIENT_OBSERVER_OBSERVER_H
#define CLIENT_OBSERVER_OBSERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "client/link.h"
#include "wire/message.h"

/* The bodies of PHYSMEM_STATUS, SWAP_STATUS, FILES_STATUS and TASK_STATUS. */
struct observed_physmem {
    WIRE_PHYSMEM_STATUS_FIELDS(WIRE_STRUCT_F, WIRE_STRUCT_E, WIRE_STRUCT_S, WIRE_STRUCT_L)
};
struct observed_swap {
    WIRE_SWAP_STATUS_FIELDS(WIRE_STRUCT_F, WIRE_STRUCT_E, WIRE_STRUCT_S, WIRE_STRUCT_L)
};
struct observed_files {
    WIRE_FILES_STATUS_FIELDS(WIRE_STRUCT_F, WIRE_STRUCT_E, WIRE_STRUCT_S, WIRE_STRUCT_L)
};
struct observed_task {
    WIRE_TASK_STATUS_ENTRY_FIELDS(WIRE_STRUCT_F, WIRE_STRUCT_E, WIRE_STRUCT_S, WIRE_STRUCT_L)
};
/* The body of TASK_DETAIL. */
struct observed_detail {
    WIRE_TASK_DETAIL_FIELDS(WIRE_STRUCT_F, WIRE_STRUCT_E, WIRE_STRUCT_S, WIRE_STRUCT_L)
};

struct observer {
    struct link link;                /* link.fd is -1: not connected */
    uint32_t hello_seq;              /* of a HELLO that is not answered; 0: it is */
    uint32_t status_seq;             /* of the last STATUS */
    size_t listed;                   /* tasks in the answer that is arriving */
    bool known;                      /* there has been a complete answer */
    struct observed_physmem physmem; /* the last answer, of whichever server this is */
    struct observed_swap swap;
    struct observed_files files;
    struct observed_task *tasks; /* all that physmem ever named, in the order of their ids */
    size_t task_count;
    size_t task_room;
    size_t next;                   /* where the next task of an answer is likely to be */
    uint32_t detail_seq;           /* of the last ASK_TASK_DETAIL */
    struct observed_detail detail; /* the last answer about one task; detail.task is 0: none */
    uint32_t done_seq;             /* the last DONE: which request it answers, */
    uint32_t done_error;           /* its error, 0 or a positive errno value, */
    char done_text[WIRE_TEXT];     /* and what it says */
    unsigned char buffer[LINK_BUFFER];
};

/* An observer that is not connected. */
void observer_init(struct observer *observer);

/* Forget everything, and close the connection. */
void observer_fini(struct observer *observer);

/* Connect to the server's socket, and send a HELLO with `name`; its answer is checked when it
 * arrives. The counters of an earlier server stay until there are new ones; its tasks, whose
 * numbers begin anew, are forgotten. Returns 0, or a negative errno of link_connect, or -EPIPE,
 * with a text; the observer is then not connected. */
int observer_connect(struct observer *observer, const char *path, const char *name,
                     struct sp_error *error);

/* Close the connection, if there is one. */
void observer_disconnect(struct observer *observer);

/* Ask for the counters. Does not wait. Returns 0, or -EPIPE: there is no connection, or the server
 * does not receive; the observer is then disconnected. */
int observer_ask(struct observer *observer);

/* Ask physmem to recall `frames` frames from the task of this name. Does not wait: the answer will
 * be in done_*. Returns the request's number, which is positive, or -EPIPE like observer_ask. */
int observer_recall(struct observer *observer, const char *task, uint32_t frames);

/* Take in what has arrived. Returns 1: the answer to observer_ask is complete, or done_* or `detail` is new; 0:
 * nothing is complete yet; or a negative errno, and the observer is disconnected:
 *   -EPIPE   the server has closed the connection
 *   -EPROTO  the server refused the HELLO, speaks another version, or sent what no server sends
 *   -ENOMEM  no memory for the list of tasks
 *   -EMFILE  a descriptor came, and this process may have no more
 * `error` (may be NULL) then says why. */
int observer_receive(struct observer *observer, struct sp_error *error);

/* observer_ask, and wait for the answer. Returns 0, an error of observer_receive, or -ETIMEDOUT:
 * the observer then stays connected, and the answer may still arrive. */
int observer_refresh(struct observer *observer, unsigned timeout_ms, struct sp_error *error);

/* observer_recall, and wait for the answer. Returns 0, the error of physmem's answer (-ENOENT: no
 * task has this name; -EINVAL: nothing can be recalled from it), or as observer_refresh. */
int observer_recall_wait(struct observer *observer, const char *task, uint32_t frames,
                         unsigned timeout_ms, struct sp_error *error);

/* Ask physmem what the task of this number has, and wait for the answer, which is in `detail` then. Returns 0,
 * -ENOENT: physmem knows no such task (`detail` is then nobody's), or as observer_refresh. */
int observer_detail_wait(struct observer *observer, uint32_t task, unsigned timeout_ms,
                         struct sp_error *error);

/* The latest task of that name, or with that process id; NULL if physmem never named one. The
 * answer is valid until the next observer_receive, observer_connect or observer_fini. */
const struct observed_task *observer_task_named(const struct observer *observer, const char *name);
const struct observed_task *observer_task_of(const struct observer *observer, uint32_t pid);

#endif
