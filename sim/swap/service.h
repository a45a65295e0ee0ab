/* The swap server: its state, and what it does with requests.
 *
 * Two ways of working, with the same functions. INLINE (buffered): a request is served when it is
 * decoded, in one go, since copying memory to the page cache takes less time than handing it to a
 * thread. THREADED (direct, or with --sync): requests become jobs in a queue, begin in order, wait
 * for the device in libuv's threads, and end in any order.
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
#include "client.h"
#include "device.h"
#include "job.h"

/* Jobs with a buffer at a time; others wait in the queue. Of one client only so many, or others would
 * wait for what it has sent before: libuv has four threads. */
#define SERVICE_BUFFERS        16u
#define SERVICE_CLIENT_BUFFERS 4u

/* FAIRNESS. Each client has a queue of its own; queues take turns (deficit round robin): a turn is
 * worth so many pages, and what it does not use up is kept while the queue is not empty. */
#define SERVICE_TURN_PAGES WIRE_BATCH

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
    struct swap_counters counters;
    struct random_source random; /* of the injected faults */
    struct extent_totals extents;
    uint32_t extents_max;
    int64_t restored; /* slots that came back with a kept device */
    bool threaded;
    struct swap_job *reused;          /* inline: the one job there is */
    struct swap_turns turns;          /* threaded: clients with jobs that have not begun */
    struct shared buffers;            /* of all jobs */
    uint8_t *buffer[SERVICE_BUFFERS]; /* threaded: those that nobody uses */
    uint32_t buffers_free;
};

/* Open the device, and take in what it remembers. Returns 0, or a negative errno and a text; call
 * service_fini all the same. `options` must live as long. */
int service_open(struct swap_service *service, const struct swap_options *options,
                 struct sp_error *error);

/* service_open, and listen (server.c). On failure nothing is left but closing handles on
 * `loop`: run it once more and call service_fini all the same. */
int swap_server_start(struct swap_service *service, uv_loop_t *loop,
                      const struct swap_options *options, struct sp_error *error);

/* Free everything after the loop has ended. */
void service_fini(struct swap_service *service);

/* Serve a STORE, LOAD, FREE or RESERVE of a session with a client. */
void service_submit(struct swap_session *session, const struct wire_message *message);

/* Drop the jobs that have not begun: nobody will be there to be answered. */
void service_drop_queue(struct swap_service *service);

/* Give up a reference of a session. */
void service_session_unref(struct swap_session *session);

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
