/* The swap server: its state, and what it does with requests.
 *
 * Two ways of working, with the same functions. INLINE (buffered): a request is served when it is
 * decoded, in one go, since copying memory to the page cache takes less time than handing it to a
 * thread. THREADED (direct, or with --sync): requests become jobs in queues (fair.h), wait for the
 * device in flight, in libuv's threads, or for a lone load on the loop, and end in any order.
 *
 * The books (swap_map, clients, extents) belong to the loop's thread alone. */
#ifndef SWAP_SERVICE_H
#define SWAP_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include <selfpage/counters.h>
#include <selfpage/error.h>

#include "base/random.h"
#include "core/swap/map.h"
#include "io/server.h"
#include "os/shared.h"
#include "options.h"
#include "awake.h"
#include "buffers.h"
#include "client.h"
#include "control.h"
#include "device.h"
#include "flight.h"
#include "job.h"

/* Large buffers that the jobs of one client have at a time, or others would wait for what it has sent before: libuv has
 * four threads. Small ones: loads in flight. */
#define SERVICE_CLIENT_LARGE 4u
#define SERVICE_CLIENT_SMALL 16u

/* Large ones of a client with a file of its own, which could keep writes to it waiting. */
#define SERVICE_OWN_LARGE 2u

/* Jobs in threads at a time: as many as libuv has threads. Others wait in the queues of fair.h, and not in
 * libuv's, where there is no order but that of coming. One of the threads is left to lone loads, of at most so
 * many pages: they wait for no store. */
#define SERVICE_WORKERS    4u
#define SERVICE_LONE_PAGES 8u

/* Small loads in flight: of a client while no other one loads; else of all clients with queues, since each read makes the others
 * take longer; and besides these, of clients that load now and then. Parts of such a job, and of any job while
 * other clients load. */
#define SERVICE_FLYING       16u
#define SERVICE_FLYING_MANY  4u
#define SERVICE_FLYING_FRESH 8u
#define SERVICE_PARTS        4u
#define SERVICE_PARTS_MANY   1u

/* Clients that have loaded in this time load still. */
#define SERVICE_LOADERS_NS UINT64_C(10000000)

/* Without flights a load is done on the loop, without a hand-over to a thread and back, where it is the only one and loads have
 * taken less than this of late. One that takes longer than the second time ends that for a while. */
#define SERVICE_QUICK_NS UINT64_C(250000)
#define SERVICE_SLOW_NS  UINT64_C(16000000)

/* Requests of one connection that may wait; one more ends it. */
#define SERVICE_JOBS_MAX 256u

/* Pages but for reads and writes, which are system calls; since the start. */
/* What the map and the server count stays 0 until it is asked for: slots, used, reserved, clients,
 * messages, violations. */
struct swap_counters {
    SP_SWAP_STATUS(SP_COUNTER_FIELD, SP_STATE_FIELD)
};

struct swap_service {
    struct server server;
    const struct swap_options *options;
    struct swap_device device;
    struct swap_map map;
    struct client_table clients;
    struct swap_control control;
    struct swap_counters counters;
    struct random_source random; /* of the injected faults */
    struct extent_totals extents;
    struct own_world own; /* files of clients */
    uint32_t extents_max;
    int64_t restored; /* slots that came back with a kept device */
    bool threaded;
    struct swap_job *reused;         /* inline: the one job there is */
    struct swap_turns turns;         /* threaded: clients with jobs that have not begun */
    uint32_t running, running_loads; /* jobs in threads */
    uint32_t bulk;                   /* jobs in threads or in flight that are no small loads */
    uint32_t flying;                 /* small loads in flight */
    uint32_t flying_fresh;           /* of these, the first of a client that had nothing waiting */
    struct flight flight;
    struct swap_job *grounded; /* jobs that failed in flight, or never fly, and wait for a thread */
    uint32_t loader;           /* the client whose load was the last to fly; 0: none */
    uint64_t loaders_ns;       /* when it was another one's than the one before; 0: never */
    struct awake awake;
    bool came;        /* jobs have come in this pass */
    uint64_t load_ns; /* that a load takes of late */
    uv_timer_t due;   /* begins jobs when a client's rate allows it */
    uv_check_t
        read; /* begins jobs when all input of a pass has been read, and looks for what has ended in flight */
    uv_idle_t busy;         /* keeps the loop from waiting before that, and while it is awake */
    uv_poll_t landed;       /* something has ended in flight while the loop was asleep */
    struct buffers buffers; /* of all jobs */
};

/* Open the device, and take in what it remembers. Returns 0, or a negative errno and a text; call
 * service_fini all the same. `options` must live as long. */
int service_open(struct swap_service *service, const struct swap_options *options,
                 struct sp_error *error);

/* service_open, and listen (server.c). On failure nothing is left but closing handles on
 * `loop`: run it once more and call service_fini all the same. */
int swap_server_start(struct swap_service *service, uv_loop_t *loop,
                      const struct swap_options *options, struct sp_error *error);

/* Handles of the service itself: once the server has started, and before it stops. */
void service_open_handles(struct swap_service *service);
void service_close_handles(struct swap_service *service);

/* Free everything after the loop has ended. */
void service_fini(struct swap_service *service);

/* Serve a STORE, LOAD, FREE or RESERVE of a session with a client. */
void service_submit(struct swap_session *session, const struct wire_message *message);

/* Contracts for bandwidth have changed: jobs that waited may begin. */
void service_look(struct swap_service *service);

/* Drop the jobs that have not begun: nobody will be there to be answered. */
void service_drop_queue(struct swap_service *service);

/* The books' side of a job (books.c).
 *
 * books_begin returns 0 if the job is to be transferred, 1 if
 * there is nothing to transfer, -EAGAIN if it has to wait for slots that are leaving. */
int books_begin(struct swap_job *job);

/* After a transfer: does it need another one? */
bool books_retry(struct swap_job *job);

/* Settle the books, and answer. */
void books_end(struct swap_job *job);

#endif
