#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "counting.h"
#include "jobs.h"
#include "os/limits.h"
#include "session.h"

/* A connection on which HELLO has not come for so long is closed. */
#define HELLO_MS 10000u

#define CONNECTIONS_MAX 1024u

/* On the library's control thread: physmem wants frames back. */
static enum sp_recall_answer on_recall(void *arg, const struct sp_recall *recall)
{
    struct service *service = arg;

    atomic_fetch_add(&service->recalled, recall->frames);
    if (service->started)
        uv_async_send(&service->shrink);
    return SP_RECALL_COMPLY;
}

static void on_shrink(uv_async_t *async)
{
    struct service *service = async->data;
    uint32_t frames = atomic_exchange(&service->recalled, 0);

    check(service->started);
    if (frames > 0)
        cache_shrink(&service->cache, frames);
}

/* Physmem is gone, and this process ends with it: nobody shall find a socket that nobody listens at. */
static void on_end(void *arg)
{
    const struct service *service = arg;

    if (service->server.listener >= 0)
        unlink(service->options->socket);
}

static void on_stop(struct server *server)
{
    struct service *service = server->user;

    if (service->options->verbose)
        log_line(&server->log, "totals",
                 "%llu reads, %llu of them refused; %llu bytes; %llu hits (%llu recovered), "
                 "%llu misses",
                 (unsigned long long)service->counters.reads,
                 (unsigned long long)service->counters.refused,
                 (unsigned long long)service->counters.bytes,
                 (unsigned long long)service->cache.hits,
                 (unsigned long long)service->cache.recovered,
                 (unsigned long long)service->cache.misses);
    if (service->started)
        uv_close((uv_handle_t *)&service->shrink, NULL);
}

/* Become a task of physmem, and make the cache. */
static int attach(struct service *service, struct sp_error *error)
{
    const struct fileserver_options *options = service->options;
    const char *contract = options->contract;
    char terms[64];
    struct sp_attach_options attach_options = {.physmem_path = options->physmem,
                                               .max_pages = 16,
                                               .flags = SP_ATTACH_NO_FRAME_STACK,
                                               .on_recall = on_recall,
                                               .on_recall_arg = service};
    int result;

    snprintf(terms, sizeof(terms), "extra=%u,min=%u", options->cache, CHUNKS_PAGES);
    if (contract == NULL)
        contract = getenv("SELFPAGE_CONTRACT");
    attach_options.contract = contract != NULL ? contract : terms;
    result = sp_attach(&service->task, &attach_options, error);
    check(result != 0 || service->task != NULL);
    return result != 0 ? result : cache_init(&service->cache, service->task, options->cache, error);
}

static int listen_for_clients(struct service *service, uv_loop_t *loop, struct sp_error *error)
{
    struct server_options options = {
        .program = "selfpage-fileserver",
        .path = service->options->socket,
        .ready_fd = service->options->ready_fd,
        .signals = true,
        .connections_max = CONNECTIONS_MAX,
        .greet_ms = HELLO_MS,
        .descriptors = SERVER_DESCRIPTORS_NEVER,
        .handlers = session_handlers,
        .user = service,
    };

    options.handlers.on_stop = on_stop;
    return server_start(&service->server, loop, &options, error);
}

int service_start(struct service *service, uv_loop_t *loop,
                  const struct fileserver_options *options, struct sp_error *error)
{
    long files;
    int result;

    memset(service, 0, sizeof(*service));
    service->options = options;
    service->resume = session_resume;
    files = limits_raise_files();
    limits_make_room(files);
    service->files_max =
        files > 4 * (long)CONNECTIONS_MAX ? (uint32_t)(files / 4) : CONNECTIONS_MAX;
    service->root = open(options->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (service->root < 0)
        return error_set(error, errno, "--root %s: %s", options->root, strerror(errno));
    service->near = files_near(service->root);
    result = attach(service, error);
    if (result != 0)
        return result;
    result = uv_async_init(loop, &service->shrink, on_shrink);
    if (result != 0)
        return error_set(error, -result, "cannot make a handle: %s", uv_strerror(result));
    service->shrink.data = service;
    service->started = true;
    result = listen_for_clients(service, loop, error);
    if (result == 0)
        sp_on_end(service->task, on_end, service);
    if (result != 0)
        uv_close((uv_handle_t *)&service->shrink, NULL);
    return result;
}

void service_fini(struct service *service)
{
    service->started = false;
    jobs_forget(service);
    if (service->server.loop != NULL)
        server_fini(&service->server);
    sp_detach(&service->task);
    cache_fini(&service->cache);
    if (service->root >= 0)
        close(service->root);
    check(service->task == NULL);
}
