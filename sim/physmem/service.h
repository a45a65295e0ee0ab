/* Physmem as a server: sockets and extents around core/physmem.
 *
 * One loop, one thread. Every message, timer and lost connection is one input to the core, whose
 * effects are carried out at once. */
#ifndef PHYSMEM_SERVICE_H
#define PHYSMEM_SERVICE_H

#include <uv.h>

#include "adapter/arbiter.h"
#include "core/containers/container.h"
#include "core/physmem/answer.h"
#include "core/physmem/physmem.h"
#include "core/physmem/policyserver.h"
#include "core/physmem/request.h"
#include "core/physmem/status.h"
#include "core/physmem/task.h"
#include "shm/frame_stack.h"
#include "io/server.h"
#include "os/shared.h"

#include "options.h"

/* A task's connections; connection->user of both. */
struct seat {
    struct physmem_task *task;
    struct connection *request;
    struct connection *control; /* NULL: none */
};

/* What concerns policy servers. */
struct policyserver {
    struct connection *holder;    /* of control; NULL: none */
    struct connection *successor; /* waits for the holder to hand over; NULL: none */
    uint32_t successor_seq;       /* of its GET_CONTROL */
    struct shared table;
    uint32_t rows;
    uint32_t limits;  /* received of a set */
    bool limits_lost; /* there were more than limit[] holds */
    struct limit limit[LIMITS_MAX];
};

struct service {
    struct server server;
    const struct physmem_options *options;
    struct arbiter_handle arbiter;
    struct physmem *physmem;
    struct random_source random;
    uint32_t page_size;
    uint32_t extents; /* open now */
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
    uv_idle_t idle; /* runs while a deadline is due: see service.c */
    uv_check_t check;
    struct policyserver policyserver;
    struct wire_message message; /* what is being sent; large */
};

/* Start on `loop`. Returns 0, or a negative errno with `error` filled; run the loop and call
 * service_fini in both cases. */
int service_start(struct service *service, uv_loop_t *loop, const struct physmem_options *options,
                  struct sp_error *error);

/* Free everything after the loop has ended. */
void service_fini(struct service *service);

/* Carry out what the core wants done, and arm the timer for what it wants to do next. */
void service_run_effects(struct service *service);

/* ---- session.c ---- */

/* What the server's connections call; see io/server.h. */
extern const struct server_handlers session_handlers;

/* Print a message, if asked to. `direction` is "<" (received) or ">". */
void session_trace(struct service *service, const char *direction,
                   const struct connection *connection, const struct wire_message *message);

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

/* ---- observer.c ---- */

/* Answer STATUS; RECALL_TASK. */
void observer_status(struct service *service, struct connection *connection,
                     const struct wire_message *request);
void observer_recall(struct service *service, struct connection *connection,
                     const struct wire_message *message);

/* ---- policyserver.c ---- */

void policyserver_init(struct service *service);
void policyserver_fini(struct service *service);

/* A message came from a policy server; its connection has ended. */
void policyserver_message(struct service *service, struct connection *connection,
                          const struct wire_message *message);
void policyserver_closed(struct service *service, struct connection *connection);

/* Tell whoever has control (PHYSMEM_RING_*). */
void policyserver_ring(struct service *service, uint32_t what);

/* Make a larger table, and send it. */
void policyserver_grow(struct service *service);

/* ---- effect.c ---- */

/* Carry out one effect. */
void effect_run(struct service *service, const struct physmem_effect *effect);

/* The seat of the task that an effect is about. */
struct seat *effect_seat(const struct physmem_effect *effect);

/* Begin service->message: a message of this type that answers none. */
struct wire_message *effect_message(struct service *service, enum wire_type type);

/* Send service->message; NULL: to nobody. Failures end the connection, which comes back as an input. */
void effect_send(struct service *service, struct connection *connection, int borrowed_fd);

/* ---- memory.c: effects of their names ---- */

void memory_extent_make(struct service *service, const struct physmem_effect *effect);
void memory_extent_send(struct service *service, const struct physmem_effect *effect);
void memory_extent_change(struct service *service, const struct physmem_effect *effect);
void memory_stack_make(struct service *service, const struct physmem_effect *effect);
void memory_stack_send(struct service *service, const struct physmem_effect *effect);
void memory_stack_unmap(const struct physmem_effect *effect);

#endif
