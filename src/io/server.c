/* A server's life: listening, accepting, passes of the loop, stopping. */
#include "io/server.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "io/private.h"
#include "os/clock.h"

#define BACKLOG      128
#define QUEUE_MAX    (256u * 1024u)
#define ACCEPT_BATCH 16 /* connections accepted before others get their turn */
/* Without descriptors accepting would fail, and poll return, at once. */
#define ACCEPT_PAUSE_MS 100
#define OUTPUT_MAX      (UINT64_C(64) * 1024 * 1024)
#define GREET_PERIODS   4 /* looks at a connection in the time in which it must be greeted */
#define ERRANDS_WAIT_MS 1000
#define CLEAR_NS        (INPUT_PASS_NS / 2) /* the time of a pass for connections that have ended */

static void on_listener(uv_poll_t *handle, int status, int events);
static void on_greet_timer(uv_timer_t *timer);

static void watch_listener(struct server *server)
{
    /* Cannot fail: the handle is open, and epoll took the descriptor in uv_poll_init. */
    uv_poll_start(&server->listener_poll, UV_READABLE, on_listener);
}

static void on_accept_pause(uv_timer_t *timer)
{
    watch_listener(timer->data);
}

/* Whether accept failed for something that others may give back. */
static bool is_shortage(int error)
{
    return error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM;
}

static void on_listener(uv_poll_t *handle, int status, int events)
{
    struct server *server = handle->data;
    int fd;
    int i;

    (void)status; /* a listening socket that has failed shows it in accept */
    (void)events;
    for (i = 0; i < ACCEPT_BATCH && !server->stopping; i++) {
        fd = sock_accept(server->listener);
        if (fd == -EAGAIN)
            return;
        if (fd < 0) {
            log_line(&server->log, LOG_ACCEPT, "accept failed: %s%s", strerror(-fd),
                     is_shortage(fd) ? "; trying again in a moment" : "");
            uv_poll_stop(&server->listener_poll);
            uv_timer_start(&server->accept_pause, on_accept_pause, ACCEPT_PAUSE_MS, 0);
            return;
        }
        input_open(server, fd);
    }
}

static void on_prepare(uv_prepare_t *handle)
{
    struct server *server = handle->data;

    if (server->dirty != NULL)
        connection_flush_dirty(server);
    server->counters.passes++;
    server->counters.fed += server->fed;
    server->fed = false;
    input_pass_end(server);
}

static void on_busy(uv_idle_t *handle)
{
    (void)handle; /* being there is enough: the loop does not wait */
}

/* Close a handle that may not have been opened. */
static void close_handle(void *handle)
{
    if (((uv_handle_t *)handle)->loop != NULL && !uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* Nobody waits any more. */
static void rest(struct server *server)
{
    uv_check_stop(&server->turns);
    uv_idle_stop(&server->busy);
}

static void close_turns(struct server *server)
{
    close_handle(&server->turns);
    close_handle(&server->busy);
}

static void on_turns(uv_check_t *handle)
{
    struct server *server = handle->data;

    if (!server->stopping)
        input_turns(server);
    if (server->ended_first != NULL)
        connection_clear_ended(server, clock_now_ns() + CLEAR_NS);
    if (server->ended_first != NULL || (server->deferred_first != NULL && !server->stopping))
        return;
    if (server->stopping)
        close_turns(server);
    else
        rest(server);
}

/* A connection waits for its turn, or to be cleared away. */
static void wait_for_turns(struct server *server)
{
    uv_check_start(&server->turns, on_turns);
    uv_idle_start(&server->busy, on_busy);
}

uint64_t server_turns_mark(const struct server *server)
{
    return server->deferrals;
}

bool server_turns_had(const struct server *server, uint64_t mark)
{
    for (unsigned i = 0; i < USER_BUCKETS; i++)
        for (const struct user *user = server->users.bucket[i]; user != NULL; user = user->next)
            if ((user->behind > 0 && user->behind_since <= mark) ||
                (user->deferred_first != NULL && user->deferred_first->deferral <= mark))
                return false;
    return true;
}

/* Cannot fail: the timer is initialised and has a callback. */
static void watch_greetings(struct server *server, bool soon)
{
    uint32_t period_ms = server->greet_ms / GREET_PERIODS + 1;

    uv_timer_start(&server->greet_timer, on_greet_timer, soon ? 1 : period_ms, period_ms);
}

static void on_greet_timer(uv_timer_t *timer)
{
    struct server *server = timer->data;

    if (input_close_silent(server))
        watch_greetings(server, true);
}

static void on_errands_done(uv_async_t *handle)
{
    errand_reap(((struct server *)handle->data)->errands);
}

/* On a thread of the pool. */
static void errands_wake(void *context)
{
    uv_async_send(&((struct server *)context)->errands_done);
}

static void on_signal(uv_signal_t *handle, int signal)
{
    sigset_t asked;

    (void)signal;
    /* Asked once more while the loop closes down, it would find no handler, and be killed. */
    sigemptyset(&asked);
    sigaddset(&asked, SIGTERM);
    sigaddset(&asked, SIGINT);
    pthread_sigmask(SIG_BLOCK, &asked, NULL);
    server_stop(handle->data);
}

static void close_handles(struct server *server)
{
    close_handle(&server->listener_poll);
    close_handle(&server->accept_pause);
    if (server->errands != NULL)
        errand_pool_silence(server->errands);
    close_handle(&server->greet_timer);
    close_handle(&server->flush_prepare);
    close_handle(&server->errands_done);
    close_handle(&server->terminate);
    close_handle(&server->interrupt);
    if (server->terminate.loop != NULL) {
        signal(SIGTERM, SIG_IGN); /* threads of libuv's may have it unblocked */
        signal(SIGINT, SIG_IGN);
    }
    if (server->listener >= 0) {
        /* While it still listens, no other server takes the path for a stale one. */
        unlink(server->path);
        close(server->listener);
        server->listener = -1;
    }
}

static void server_init(struct server *server, uv_loop_t *loop,
                        const struct server_options *options)
{
    memset(server, 0, sizeof(*server));
    server->loop = loop;
    server->user = options->user;
    server->handlers = options->handlers;
    server->connections_max = options->connections_max;
    server->queue_max = options->queue_max != 0 ? options->queue_max : QUEUE_MAX;
    server->output_max = options->output_max != 0 ? options->output_max : OUTPUT_MAX;
    server->greet_ms = options->greet_ms;
    server->descriptors = (uint8_t)options->descriptors;
    server->slice_ns = options->slice_ns != 0 ? options->slice_ns : INPUT_SLICE_NS;
    server->on_ready = input_on_ready;
    server->resume = input_resume;
    server->wait_for_turns = wait_for_turns;
    server->listener = -1;
    log_init(&server->log, options->program);
}

static int watch_signals(struct server *server)
{
    int result;

    signal(SIGPIPE, SIG_IGN); /* sockets do without it; standard error may be a pipe */
    result = uv_signal_init(server->loop, &server->terminate);
    if (result == 0)
        result = uv_signal_init(server->loop, &server->interrupt);
    if (result == 0)
        result = uv_signal_start(&server->terminate, on_signal, SIGTERM);
    if (result == 0)
        result = uv_signal_start(&server->interrupt, on_signal, SIGINT);
    server->terminate.data = server;
    server->interrupt.data = server;
    return result;
}

/* Open all handles; on failure some are. */
static int open_handles(struct server *server, bool signals)
{
    int result;

    uv_timer_init(server->loop, &server->accept_pause);
    uv_timer_init(server->loop, &server->greet_timer);
    uv_prepare_init(server->loop, &server->flush_prepare);
    uv_check_init(server->loop, &server->turns);
    uv_idle_init(server->loop, &server->busy);
    server->accept_pause.data = server;
    server->greet_timer.data = server;
    server->flush_prepare.data = server;
    server->turns.data = server;
    uv_prepare_start(&server->flush_prepare, on_prepare);
    if (server->greet_ms > 0)
        watch_greetings(server, false);
    result = uv_async_init(server->loop, &server->errands_done, on_errands_done);
    if (result != 0)
        return result;
    server->errands_done.data = server;
    uv_unref((uv_handle_t *)&server->errands_done);
    if (signals)
        result = watch_signals(server);
    if (result == 0)
        result = uv_poll_init(server->loop, &server->listener_poll, server->listener);
    if (result != 0)
        return result;
    server->listener_poll.data = server;
    watch_listener(server);
    return 0;
}

int server_tell_ready(int consume_fd, struct sp_error *error)
{
    ssize_t written;
    int saved;

    do
        written = write(consume_fd, "\n", 1);
    while (written < 0 && errno == EINTR);
    saved = written == 1 ? 0 : errno;
    close(consume_fd);
    if (saved != 0)
        return error_set(error, saved,
                         "cannot write the byte for the start to descriptor %d "
                         "(--ready-fd): %s",
                         consume_fd, strerror(saved));
    return 0;
}

int server_start(struct server *server, uv_loop_t *loop, const struct server_options *options,
                 struct sp_error *error)
{
    int result;

    server_init(server, loop, options);
    server->buffer = malloc(BUFFER_SIZE);
    server->spare = output_large_new();
    server->errands = errand_pool_new(errands_wake, server);
    if (server->buffer == NULL || server->spare == NULL || server->errands == NULL)
        return error_set(error, ENOMEM, "no memory for buffers");
    server->listener =
        sock_listen(options->path, options->backlog > 0 ? options->backlog : BACKLOG, error);
    if (server->listener < 0)
        return server->listener;
    if (server->descriptors != SERVER_DESCRIPTORS_ALWAYS)
        sock_pass_descriptors(server->listener, false);
    memcpy(server->path, options->path,
           strlen(options->path) + 1); /* sock_listen took its length */
    result = open_handles(server, options->signals);
    if (result != 0)
        error_set(error, -result, "cannot set up the event loop: %s", uv_strerror(result));
    else if (options->ready_fd >= 0)
        result = server_tell_ready(options->ready_fd, error);
    if (result != 0) {
        close_handles(server);
        close_turns(server);
    }
    return result;
}

void server_stop(struct server *server)
{
    struct connection *connection;

    if (server->stopping)
        return;
    server->stopping = true;
    if (server->handlers.on_stop != NULL)
        server->handlers.on_stop(server);
    for (connection = server->first; connection != NULL; connection = connection->next)
        connection_close(connection, CONNECTION_LOCAL, "the server stops");
    close_handles(server);
    if (server->ended_first == NULL)
        close_turns(server);
}

void server_fini(struct server *server)
{
    struct user *user;

    assert(server->first == NULL && server->listener < 0);
    input_pass_end(server);
    while ((user = server->deferred_first) != NULL) {
        server->deferred_first = user->deferred_next;
        user->deferred = false;
        user_release(&server->users, user);
    }
    if (!errand_pool_free(&server->errands, ERRANDS_WAIT_MS))
        log_line(
            &server->log, LOG_FAILURE,
            "descriptors or memory of clients are blocked in the kernel: they are left behind");
    free(server->buffer);
    free(server->spare);
    server->buffer = NULL;
    server->spare = NULL;
}
