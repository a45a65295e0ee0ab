/* Physmem as a server: sockets and extents around core/physmem.
 *
 * One loop, one thread. Every message, timer and lost connection is one input to the core, whose
 * effects are carried out at once. The files, each calling only those below it:
 *
 *     main
 *     service                         start, timers, end
 *     session     relet               connections: roles, and what their messages ask the core; what
 *                                     the physmem above says
 *     run         observer            effects until there are none, and the deadline; STATUS
 *     effect                          one effect
 *     policyserver  swapper           control; pages that go to swap
 *     accounts                        a client of the swap server for each task
 *     operations    swap_line         what it has to answer in time; connections to it
 *     giving  moving  stack           extents for tasks; contents that move; frame stacks
 *     clear                           pages and extents that are given back
 *     change  reading  waiter         changes of an extent, and what it will hold; tasks that wait
 *     backing                         the table of extents
 *     contents                        bytes on their way to an extent
 *     weak                            weak references and locks, on the wire
 *     table         seat              the table shared with policy servers; a task's connections
 *     send          lease             memory that a physmem above has granted
 *     trace         upstream          the connections to it
 *     options */
#ifndef PHYSMEM_SERVICE_H
#define PHYSMEM_SERVICE_H

#include <unistd.h>

#include <uv.h>

#include "adapter/arbiter.h"
#include "core/containers/container.h"
#include "core/leases/tenancy.h"
#include "core/physmem/answer.h"
#include "core/physmem/physmem.h"
#include "core/physmem/policyserver.h"
#include "core/physmem/request.h"
#include "core/physmem/status.h"
#include "core/physmem/swap.h"
#include "core/physmem/task.h"
#include "core/contracts/terms_text.h"
#include "shm/frame_stack.h"
#include "io/server.h"
#include "io/succession.h"
#include "os/shared.h"

#include "lease.h"
#include "options.h"

/* Pages whose contents are moved at a time. */
#define SERVICE_MOVING_PAGES 16u

/* A task's connections; connection->user of both. It lives as long as one of them, or a change of
 * its memory that is under way. */
struct seat {
    struct physmem_task *task;  /* NULL: gone */
    struct connection *request; /* NULL: closed */
    struct connection *control; /* NULL: none */
    uint32_t references;
    uint32_t extents;        /* that back its frames */
    uint32_t clearing;       /* of these, being cleared: replies wait for that */
    struct held_reply *held; /* oldest first */
    uint32_t held_count;
    bool ended; /* no reply is sent any more */
};

/* What concerns the physmem above: see relet.h. An UNMAP from above that tasks here have not answered yet. */
struct relet_unmap {
    struct relet_unmap *next;
    uint64_t id; /* above */
    uint32_t token;
    uint32_t left; /* questions */
    uint32_t slots;
    uint32_t referenced;
    uint32_t dirty;
};

struct relet {
    struct service *service;
    struct relet_unmap *unmaps;
    uint32_t tokens; /* the last one of these */
    struct upstream upstream;
    struct leases leases;
    struct tenancy tenancy;
    uint64_t grace_ns; /* that tasks may have */
};

/* What concerns policy servers. */
struct policyserver {
    struct succession control;
    struct shared table;
    uint32_t rows;
    uint32_t limits;  /* received of a set */
    bool limits_lost; /* there were more than limit[] holds */
    struct limit limit[LIMITS_MAX];
};

struct service {
    struct server server;
    const struct physmem_options *options;
    struct relet *relet;     /* the physmem above; NULL: there is none */
    struct swapper *swapper; /* what is stored for tasks; NULL: nothing is */
    struct arbiter_handle arbiter;
    bool told_no_weights, told_no_bids; /* that they have no effect under it */
    struct physmem *physmem;
    struct random_source random;
    uint32_t frames; /* the most that there can be */
    uint32_t page_size;
    struct backing **backing;    /* by the number that the core knows as its descriptor */
    uint32_t backings;           /* room of backing */
    uint32_t backing_hint;       /* no number below is free */
    struct backing *changing;    /* those with a change under way */
    struct backing *later_first; /* those with pages that are cleared later */
    uint32_t later_pages;        /* such pages */
    int holes_fd;                /* for os/holes.h; negative: there is none */
    uint32_t holes_maps;         /* mappings for it */
    uint32_t extents;            /* open now, and not yet back */
    uint32_t extents_max;
    bool late;                 /* a deadline is due, and ... */
    uint64_t late_mark;        /* ... these connections have their turn first */
    uint64_t armed;            /* when the deadline timer fires; UINT64_MAX: not armed */
    double chaos_credit;       /* unmaps that are due */
    uint64_t sample_period_ms; /* 0: tasks are not sampled */
    uint64_t chaos_last;       /* when that was last counted */
    uint64_t recall_passes;    /* of the loop, in which recalls went out */
    uint64_t recall_pass;      /* the last of these, counted from 1 */
    bool started;              /* the handles below exist */
    bool failed;               /* physmem ran out of memory */
    uv_timer_t deadline;
    uv_timer_t audit;
    uv_timer_t chaos;
    uv_timer_t sample;
    uv_timer_t later; /* runs while pages wait to be cleared */
    uv_idle_t idle;   /* runs while a deadline is due: see service.c */
    uv_check_t check;
    struct policyserver policyserver;
    struct wire_message message;                         /* what is being sent; large */
    uint8_t moving[SERVICE_MOVING_PAGES * SP_PAGE_SIZE]; /* contents on their way */
};

/* Start on `loop`. Returns 0, or a negative errno with `error` filled; run the loop and call
 * service_fini in both cases. */
int service_start(struct service *service, uv_loop_t *loop, const struct physmem_options *options,
                  struct sp_error *error);

/* Free everything after the loop has ended. */
void service_fini(struct service *service);

/* The time for all messages that were received at once: what came in time is in time. */
static inline uint64_t service_received_ns(const struct service *service)
{
    return service->server.received_ns;
}

/* Whether the peer runs under physmem's own user id, or is root. */
static inline bool service_is_administrator(const struct connection *connection)
{
    return connection->peer.uid == geteuid() || connection->peer.uid == 0;
}

#endif
