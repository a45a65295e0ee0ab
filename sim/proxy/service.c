#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "os/limits.h"

/* A connection on which physmem has not said WELCOME for so long is closed. */
#define WELCOME_MS 10000

/* Longest text of a message: a log line less its beginning. */
#define TEXT_MAX 400

/* Descriptors kept for the loop, the listener, the log and standard streams. */
#define FDS_OWN 64

static void trace(void *context, const char *sign, const struct flow *flow,
                  const struct wire_message *message)
{
    struct service *service = context;
    char line[TEXT_MAX];

    if (service->options->quiet)
        return;
    wire_print(message, line, sizeof(line));
    log_trace(&service->server.log, "%s %s process %ld: %s", sign,
              flow->name[0] != '\0' ? flow->name : "?", (long)flow->connection->peer.pid, line);
}

static struct limit *limit_of(void *context, uint32_t id)
{
    struct service *service = context;

    for (struct flow *flow = service->first; flow != NULL; flow = flow->next)
        if (flow->id == id && flow->is_task)
            return &flow->limit;
    return NULL;
}

static int on_accept(struct connection *connection, const struct sock_peer *peer)
{
    struct service *service = connection->server->user;
    int code;
    struct flow *flow = flow_new(connection, service->options->physmem, &code);

    (void)peer;
    if (flow == NULL)
        return code;
    flow->trace = trace;
    flow->limit_of = limit_of;
    flow->context = service;
    flow->limit.most = service->options->most;
    flow->next = service->first;
    if (flow->next != NULL)
        flow->next->prev = flow;
    service->first = flow;
    connection->user = flow;
    return 0;
}

static void on_message(struct connection *connection, const struct wire_message *message,
                       int consume_fd)
{
    struct wire_message copy = *message;

    if (consume_fd >= 0) /* no message to physmem carries one */
        connection_discard(connection, consume_fd);
    flow_pass(connection->user, &copy);
}

static void on_close(struct connection *connection, enum connection_end end, const char *reason)
{
    struct service *service = connection->server->user;
    struct flow *flow = connection->user;

    (void)end;
    (void)reason;
    if (flow->next != NULL)
        flow->next->prev = flow->prev;
    if (flow->prev != NULL)
        flow->prev->next = flow->next;
    else
        service->first = flow->next;
    flow_end(flow);
}

/* Have the log go to a file. */
static int log_open(struct service *service, struct sp_error *error)
{
    const char *path = service->options->log;

    if (path == NULL)
        return 0;
    service->log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (service->log < 0)
        return error_set(error, errno, "--log %s: %s", path, strerror(errno));
    service->server.log.fd = service->log;
    return 0;
}

int service_start(struct service *service, uv_loop_t *loop, const struct proxy_options *options,
                  struct sp_error *error)
{
    struct server_options server = {
        .program = "selfpage-proxy",
        .path = options->socket,
        .ready_fd = options->ready_fd,
        .signals = true,
        .greet_ms = WELCOME_MS,
        .descriptors = SERVER_DESCRIPTORS_NEVER,
        .handlers = {.on_accept = on_accept, .on_message = on_message, .on_close = on_close},
        .user = service,
    };
    long files = limits_raise_files();
    int code;

    limits_make_room(files);
    memset(service, 0, sizeof(*service));
    service->options = options;
    service->log = -1;
    server.connections_max = files > 4 * FDS_OWN ? (uint32_t)((files - FDS_OWN) / 2) : FDS_OWN;
    code = server_start(&service->server, loop, &server, error);
    service->started = true;
    if (code == 0)
        code = log_open(service, error);
    if (code != 0)
        server_stop(&service->server);
    return code;
}

void service_fini(struct service *service)
{
    if (service->started)
        server_fini(&service->server);
    if (service->log >= 0)
        close(service->log);
}
