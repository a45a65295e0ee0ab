/* Requests to an NBD server over a connection that is made again. */
#include "backend/nbd_queue.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <libnbd.h>

#include "base/assert.h"
#include "base/error.h"
#include "os/clock.h"

/* Between two attempts to connect, and what one may take. A server that answers with another export does so until somebody
 * changes that, and each connection costs it (nbdkit starts and ends 64 threads). */
#define RETRY_MS       50u
#define OTHER_RETRY_MS 1000u
#define CONNECT_MS     3000u

/* Places of commands that a broken connection may still carry out; with more there is no new connection before
 * some have settled. */
#define DOUBTS_MAX 65536u

/* On the stack of the thread that waits. */
struct request {
    struct request *next;
    enum nbd_request_kind kind;
    uint64_t offset;
    uint32_t bytes;
    void *data;
    uint64_t begun_ms;
    bool again;     /* it was sent before, over a connection that broke */
    bool answered;  /* the library has */
    int64_t cookie; /* of the command there */
    int result;
    sem_t done;
};

struct request_list {
    struct request *first;
    struct request **end;
};

/* Bytes of a write that may still happen. */
struct doubt {
    uint64_t offset;
    uint32_t bytes;
    uint64_t until_ms;
};

struct nbd_queue {
    const char *uri;
    uint64_t settle_ms;
    uint32_t retries;
    uint64_t bytes; /* that the export must have */
    pthread_t thread;
    int wake; /* eventfd */

    pthread_mutex_t lock; /* guards what follows */
    struct request_list queued;
    bool stop;
    uint64_t reconnects;

    /* The thread's own. */
    struct nbd_handle *handle; /* NULL: no connection */
    struct request_list sent;
    _Atomic uint32_t in_flight; /* of others to read */
    uint64_t retry_ms;          /* the next attempt to connect */
    bool unsynced; /* something was written over this connection since the last good sync */
    bool lost;     /* something unsynced went over one that broke: the next sync fails */
    struct doubt *doubt;
    uint32_t doubts;
    uint32_t doubts_room;
};

static uint64_t now_ms(void)
{
    return clock_now_ns() / CLOCK_NS_PER_MS;
}

/* ---- Lists of requests ---- */

static void list_init(struct request_list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void list_append(struct request_list *list, struct request *request)
{
    request->next = NULL;
    *list->end = request;
    list->end = &request->next;
}

/* Take a request out: `link` points to it. */
static struct request *list_remove(struct request_list *list, struct request **link)
{
    struct request *request = *link;

    *link = request->next;
    if (list->end == &request->next)
        list->end = link;
    return request;
}

static bool overlap(uint64_t offset, uint32_t bytes, uint64_t other, uint32_t other_bytes)
{
    return offset < other + other_bytes && other < offset + bytes;
}

/* The thread that waits goes on, and the request is gone. */
static void request_end(struct request *request, int result)
{
    request->result = result;
    sem_post(&request->done);
}

/* ---- Writes that may still happen ---- */

static void doubts_expire(struct nbd_queue *queue)
{
    uint64_t now = now_ms();
    uint32_t kept = 0;

    for (uint32_t i = 0; i < queue->doubts; i++)
        if (queue->doubt[i].until_ms > now)
            queue->doubt[kept++] = queue->doubt[i];
    queue->doubts = kept;
}

/* Returns false: no memory, and the place cannot be remembered. */
static bool doubt_add(struct nbd_queue *queue, const struct request *request)
{
    if (queue->doubts == queue->doubts_room) {
        uint32_t room = queue->doubts_room == 0 ? 64 : 2 * queue->doubts_room;
        struct doubt *doubt = realloc(queue->doubt, room * sizeof(*doubt));

        if (doubt == NULL)
            return false;
        queue->doubt = doubt;
        queue->doubts_room = room;
    }
    queue->doubt[queue->doubts++] = (struct doubt){.offset = request->offset,
                                                   .bytes = request->bytes,
                                                   .until_ms = now_ms() + queue->settle_ms};
    return true;
}

static bool is_doubtful(const struct nbd_queue *queue, const struct request *request)
{
    for (uint32_t i = 0; i < queue->doubts; i++)
        if (overlap(request->offset, request->bytes, queue->doubt[i].offset, queue->doubt[i].bytes))
            return true;
    return false;
}

/* ---- The connection ---- */

/* A connection broke, with commands under way: they are sent again, before all that waits. */
static void connection_drop(struct nbd_queue *queue)
{
    struct request_list again;

    nbd_close(queue->handle); /* ends what the library still has of the commands */
    queue->handle = NULL;
    queue->retry_ms = now_ms();
    queue->lost = queue->lost || queue->unsynced;
    queue->unsynced = false;
    list_init(&again);
    while (queue->sent.first != NULL) {
        struct request *request = list_remove(&queue->sent, &queue->sent.first);

        queue->in_flight--;
        if (request->answered && request->result == 0) {
            queue->lost = queue->lost || request->kind == NBD_WRITE;
            request_end(request, request->kind == NBD_FLUSH && queue->lost ? -EIO : 0);
            continue;
        }
        request->answered = false;
        request->again = true;
        if (request->kind == NBD_FLUSH ||
            (request->kind == NBD_WRITE && queue->settle_ms > 0 && !doubt_add(queue, request)))
            request_end(request, -EIO);
        else
            list_append(&again, request);
    }
    ensure(queue->in_flight == 0);
    pthread_mutex_lock(&queue->lock);
    *again.end = queue->queued.first;
    if (queue->queued.first == NULL)
        queue->queued.end = again.end == &again.first ? &queue->queued.first : again.end;
    queue->queued.first = again.first;
    pthread_mutex_unlock(&queue->lock);
}

/* Let the library do what the descriptor is ready for, and wait `timeout_ms` at most. Returns false: the
 * connection is of no more use. */
static bool connection_run(struct nbd_queue *queue, int timeout_ms)
{
    unsigned direction = nbd_aio_get_direction(queue->handle);
    struct pollfd polled[2] = {{.fd = nbd_aio_get_fd(queue->handle)},
                               {.fd = queue->wake, .events = POLLIN}};
    uint64_t value;

    if ((direction & LIBNBD_AIO_DIRECTION_READ) != 0)
        polled[0].events |= POLLIN;
    if ((direction & LIBNBD_AIO_DIRECTION_WRITE) != 0)
        polled[0].events |= POLLOUT;
    if (poll(polled, 2, timeout_ms) < 0)
        return errno == EINTR;
    if ((polled[1].revents & POLLIN) != 0 && read(queue->wake, &value, sizeof(value)) < 0)
        ensure(errno == EAGAIN);
    direction = nbd_aio_get_direction(queue->handle);
    if ((polled[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0 &&
        (direction & LIBNBD_AIO_DIRECTION_READ) != 0)
        (void)nbd_aio_notify_read(queue->handle);
    else if ((polled[0].revents & (POLLOUT | POLLHUP | POLLERR)) != 0 &&
             (direction & LIBNBD_AIO_DIRECTION_WRITE) != 0)
        (void)nbd_aio_notify_write(queue->handle);
    return !nbd_aio_is_dead(queue->handle) && !nbd_aio_is_closed(queue->handle);
}

static struct nbd_handle *handle_new(const char *uri)
{
    struct nbd_handle *handle = nbd_create();

    if (handle == NULL)
        return NULL;
    (void)nbd_set_strict_mode(handle, LIBNBD_STRICT_COMMANDS | LIBNBD_STRICT_FLAGS);
    if (nbd_aio_connect_uri(handle, uri) < 0) {
        nbd_close(handle);
        return NULL;
    }
    return handle;
}

/* Connect. Returns 0 or a negative errno, with a text in nbd_get_error. */
static int connection_make(struct nbd_queue *queue)
{
    uint64_t deadline = now_ms() + CONNECT_MS;

    queue->handle = handle_new(queue->uri);
    if (queue->handle == NULL)
        return -ECONNREFUSED;
    while (!nbd_aio_is_ready(queue->handle)) {
        uint64_t now = now_ms();

        if (now < deadline && connection_run(queue, (int)(deadline - now)))
            continue;
        nbd_close(queue->handle);
        queue->handle = NULL;
        return now < deadline ? -ECONNREFUSED : -ETIMEDOUT;
    }
    if ((uint64_t)nbd_get_size(queue->handle) >= queue->bytes)
        return 0;
    nbd_close(queue->handle);
    queue->handle = NULL;
    return -ENOSPC; /* another export than before */
}

/* ---- The thread ---- */

static int on_answer(void *user, int *error)
{
    struct request *request = user;

    request->answered = true;
    request->result = -*error;
    return 0; /* not 1: libnbd 1.14 would look at the command once more after it has forgotten it */
}

/* Called by the library when a request is answered. */
#define ANSWER(request) ((nbd_completion_callback){.callback = on_answer, .user_data = (request)})

/* Hand a request to the library. */
static void request_send(struct nbd_queue *queue, struct request *request)
{
    list_append(&queue->sent, request);
    queue->in_flight++;
    if (request->kind == NBD_READ)
        request->cookie = nbd_aio_pread(queue->handle, request->data, request->bytes,
                                        request->offset, ANSWER(request), 0);
    else if (request->kind == NBD_WRITE)
        request->cookie = nbd_aio_pwrite(queue->handle, request->data, request->bytes,
                                         request->offset, ANSWER(request), 0);
    else
        request->cookie = nbd_aio_flush(queue->handle, ANSWER(request), 0);
    if (request->cookie < 0 && !request->answered) {
        request->answered = true;
        request->result = nbd_get_errno() > 0 ? -nbd_get_errno() : -EIO;
    }
}

static bool overlaps_sent(const struct nbd_queue *queue, const struct request *request)
{
    for (const struct request *sent = queue->sent.first; sent != NULL; sent = sent->next)
        if (overlap(request->offset, request->bytes, sent->offset, sent->bytes))
            return true;
    return false;
}

/* Is this other bytes for a place where older ones may still be written? */
static bool is_refused(struct nbd_queue *queue, const struct request *request)
{
    return request->kind == NBD_WRITE && !request->again && queue->doubts > 0 &&
           is_doubtful(queue, request);
}

/* Send what may be sent. A request that has to wait for another one does not stop those behind it. */
static void requests_send(struct nbd_queue *queue)
{
    struct request **link;

    doubts_expire(queue);
    pthread_mutex_lock(&queue->lock);
    for (link = &queue->queued.first; *link != NULL && queue->in_flight < NBD_IN_FLIGHT;)
        if (is_refused(queue, *link))
            request_end(list_remove(&queue->queued, link), -EIO);
        else if (overlaps_sent(queue, *link))
            link = &(*link)->next;
        else
            request_send(queue, list_remove(&queue->queued, link));
    pthread_mutex_unlock(&queue->lock);
}

/* A sync is good if everything that was written before it went over this connection. */
static int flush_judge(struct nbd_queue *queue, int result)
{
    if (result == 0 && queue->lost)
        result = -EIO;
    queue->lost = false;
    queue->unsynced = queue->unsynced && result != 0;
    return result;
}

/* Requests that were answered end. Returns false if the server goes away, or the connection has. */
static bool requests_end(struct nbd_queue *queue)
{
    for (struct request **link = &queue->sent.first; *link != NULL;) {
        struct request *request = *link;

        if (!request->answered) {
            link = &request->next;
            continue;
        }
        if (request->result == -ESHUTDOWN || request->result == -ENOTCONN)
            return false;
        (void)list_remove(&queue->sent, link);
        queue->in_flight--;
        if (request->cookie > 0) /* the library may forget it; the result is known */
            (void)nbd_aio_command_completed(queue->handle, (uint64_t)request->cookie);
        queue->unsynced = queue->unsynced || (request->kind == NBD_WRITE && request->result == 0);
        request_end(request, request->kind == NBD_FLUSH ? flush_judge(queue, request->result)
                                                        : request->result);
    }
    return true;
}

/* A request may have come after somebody looked at the clock. */
static bool is_overdue(const struct request *request, uint64_t now)
{
    return now > request->begun_ms + NBD_PATIENCE_MS;
}

/* Requests that have waited too long fail. Returns false: one of them was sent, and the connection has to go,
 * since the library may still write to its memory. */
static bool requests_expire(struct nbd_queue *queue)
{
    uint64_t now = now_ms();
    struct request **link;

    for (const struct request *sent = queue->sent.first; sent != NULL; sent = sent->next)
        if (is_overdue(sent, now))
            return false;
    pthread_mutex_lock(&queue->lock);
    for (link = &queue->queued.first; *link != NULL;)
        if (is_overdue(*link, now))
            request_end(list_remove(&queue->queued, link), -EIO);
        else
            link = &(*link)->next;
    pthread_mutex_unlock(&queue->lock);
    return true;
}

/* Without a connection: try to make one, or wait for a moment. */
static void connection_await(struct nbd_queue *queue)
{
    struct pollfd polled = {.fd = queue->wake, .events = POLLIN};
    uint64_t now = now_ms(), value;

    doubts_expire(queue);
    if (now >= queue->retry_ms && queue->doubts < DOUBTS_MAX) {
        int code = connection_make(queue);

        if (code == 0) {
            pthread_mutex_lock(&queue->lock);
            queue->reconnects++;
            pthread_mutex_unlock(&queue->lock);
            return;
        }
        queue->retry_ms = now_ms() + (code == -ENOSPC ? OTHER_RETRY_MS : RETRY_MS);
    }
    if (poll(&polled, 1, (int)RETRY_MS) > 0 && read(queue->wake, &value, sizeof(value)) < 0)
        ensure(errno == EAGAIN);
}

static bool is_stopped(struct nbd_queue *queue)
{
    bool stop;

    pthread_mutex_lock(&queue->lock);
    stop = queue->stop;
    pthread_mutex_unlock(&queue->lock);
    return stop;
}

static void *queue_run(void *arg)
{
    struct nbd_queue *queue = arg;

    while (!is_stopped(queue)) {
        bool good = true;

        if (queue->handle == NULL) {
            connection_await(queue);
        } else {
            requests_send(queue);
            good = requests_end(queue) && /* those that could not be sent */
                   connection_run(queue, queue->in_flight > 0 ? 1000 : -1) && requests_end(queue);
        }
        if (!good || !requests_expire(queue))
            connection_drop(queue);
    }
    return NULL;
}

/* ---- For others ---- */

static void queue_wake(struct nbd_queue *queue)
{
    uint64_t one = 1;

    if (write(queue->wake, &one, sizeof(one)) < 0)
        ensure(errno == EAGAIN); /* it is awake */
}

/* Send a request, and wait for what becomes of it. */
static void request_wait(struct nbd_queue *queue, struct request *request)
{
    sem_init(&request->done, 0, 0);
    pthread_mutex_lock(&queue->lock);
    list_append(&queue->queued, request);
    pthread_mutex_unlock(&queue->lock);
    queue_wake(queue);
    while (sem_wait(&request->done) < 0)
        ensure(errno == EINTR);
    sem_destroy(&request->done);
}

int nbd_queue_transfer(struct nbd_queue *queue, enum nbd_request_kind kind, uint64_t offset,
                       uint32_t bytes, void *data)
{
    struct request request;
    uint32_t tries = kind == NBD_FLUSH ? 1 : queue->retries + 1;

    do {
        request = (struct request){
            .kind = kind, .offset = offset, .bytes = bytes, .data = data, .begun_ms = now_ms()};
        request_wait(queue, &request);
        /* A request that was not answered has waited long enough, or must not be sent. */
    } while (request.result == -EIO && request.answered && --tries > 0);
    return request.result;
}

void nbd_queue_count(struct nbd_queue *queue, uint64_t *reconnects, uint32_t *in_flight)
{
    pthread_mutex_lock(&queue->lock);
    *reconnects = queue->reconnects;
    pthread_mutex_unlock(&queue->lock);
    *in_flight = atomic_load(&queue->in_flight);
}

static void queue_free(struct nbd_queue *queue)
{
    if (queue->handle != NULL)
        nbd_close(queue->handle);
    if (queue->wake >= 0)
        close(queue->wake);
    pthread_mutex_destroy(&queue->lock);
    free(queue->doubt);
    free(queue);
}

/* A thread that gets no signals: they are the server's. */
static int thread_start(struct nbd_queue *queue)
{
    sigset_t all, before;
    int code;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    code = pthread_create(&queue->thread, NULL, queue_run, queue);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -code;
}

/* Connect for the first time. */
static int queue_begin(struct nbd_queue *queue, struct nbd_export *export, struct sp_error *error)
{
    int64_t block;
    int code = connection_make(queue);

    if (code < 0)
        return error_set(error, -code, "cannot connect to %s: %s", queue->uri,
                         nbd_get_error() != NULL ? nbd_get_error() : strerror(-code));
    block = nbd_get_block_size(queue->handle, LIBNBD_SIZE_MINIMUM);
    *export = (struct nbd_export){.bytes = (uint64_t)nbd_get_size(queue->handle),
                                  .block = block > 1 ? (uint32_t)block : 1,
                                  .read_only = nbd_is_read_only(queue->handle) > 0,
                                  .flushes = nbd_can_flush(queue->handle) > 0};
    queue->bytes = export->bytes;
    code = thread_start(queue);
    return code < 0 ? error_set(error, -code, "no thread for %s: %s", queue->uri, strerror(-code))
                    : 0;
}

int nbd_queue_open(struct nbd_queue **queuep, const char *uri, double settle, uint32_t retries,
                   struct nbd_export *export, struct sp_error *error)
{
    struct nbd_queue *queue = calloc(1, sizeof(*queue));
    int code;

    if (queue == NULL)
        return error_set(error, ENOMEM, "no memory for a connection");
    queue->uri = uri;
    queue->settle_ms = (uint64_t)(settle * 1000);
    queue->retries = retries;
    list_init(&queue->queued);
    list_init(&queue->sent);
    pthread_mutex_init(&queue->lock, NULL);
    queue->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    code = queue->wake < 0 ? error_set(error, errno, "no eventfd: %s", strerror(errno))
                           : queue_begin(queue, export, error);
    if (code < 0)
        queue_free(queue);
    else
        *queuep = queue;
    return code;
}

void nbd_queue_close(struct nbd_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    ensure(queue->queued.first == NULL);
    queue->stop = true;
    pthread_mutex_unlock(&queue->lock);
    queue_wake(queue);
    pthread_join(queue->thread, NULL);
    queue_free(queue);
}
