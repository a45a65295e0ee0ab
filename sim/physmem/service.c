/* Start, timers and end of the physmem server. */
#include "service.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "os/clock.h"
#include "os/heap.h"
#include "os/holes.h"
#include "os/limits.h"
#include "policyserver.h"
#include "relet.h"
#include "run.h"
#include "session.h"
#include "swapper.h"
#include "backing.h"
#include "change.h"

/* Descriptors kept for the loop, the listener and standard streams. */
#define FDS_OWN 64

/* A connection on which HELLO has not come for so long is closed. */
#define HELLO_MS 10000

/* Largest blocks of frames: 4 MiB. */
#define MAX_ORDER 10

/* Extents are audited going round: all of them in half a second, if that costs no more than the
 * batch in a period. */
#define AUDIT_PERIOD_MS   20
#define AUDIT_ROUND_MS    500
#define AUDIT_BATCH_LEAST 16u
#define AUDIT_BATCH_MOST  512u

/* How often idleness is sampled, for an arbiter that wants to know, unless options say. */
#define SAMPLE_PERIOD_MS 500

static uint32_t audit_batch(uint32_t extents)
{
    uint32_t batch = extents / (AUDIT_ROUND_MS / AUDIT_PERIOD_MS) + 1;

    if (batch < AUDIT_BATCH_LEAST)
        return AUDIT_BATCH_LEAST;
    return batch < AUDIT_BATCH_MOST ? batch : AUDIT_BATCH_MOST;
}

static void on_audit(uv_timer_t *timer)
{
    struct service *service = timer->data;

    physmem_audit_round(service->physmem, audit_batch(service->extents));
    run_effects(service);
    change_end_late(service);
}

static void on_chaos(uv_timer_t *timer)
{
    struct service *service = timer->data;
    uint64_t now = clock_now_ns();
    uint64_t elapsed = now - service->chaos_last;

    if (elapsed > CLOCK_NS_PER_S / 10)
        elapsed = CLOCK_NS_PER_S / 10; /* was held up: do not make up for it at once */
    service->chaos_last = now;
    service->chaos_credit +=
        service->options->chaos_unmap * (double)elapsed / (double)CLOCK_NS_PER_S;
    while (service->chaos_credit >= 1) {
        service->chaos_credit -= 1;
        physmem_unmap_random(service->physmem, now, &service->random);
        run_effects(service);
    }
}

static void on_sample(uv_timer_t *timer)
{
    struct service *service = timer->data;

    physmem_sample(service->physmem, clock_now_ns(), &service->random);
    run_effects(service);
}

static void on_stop(struct server *server)
{
    struct service *service = server->user;

    /* What dead tasks have left goes while there is somebody to see to it. */
    physmem_bury(service->physmem);
    run_effects(service);
    relet_stop(service);
    swapper_stop(service);
    uv_close((uv_handle_t *)&service->deadline, NULL);
    uv_close((uv_handle_t *)&service->audit, NULL);
    uv_close((uv_handle_t *)&service->chaos, NULL);
    uv_close((uv_handle_t *)&service->sample, NULL);
    uv_close((uv_handle_t *)&service->later, NULL);
    uv_close((uv_handle_t *)&service->idle, NULL);
    uv_close((uv_handle_t *)&service->check, NULL);
}

static void handles_start(struct service *service, uv_loop_t *loop)
{
    /* None of these can fail: they allocate nothing. */
    uv_timer_init(loop, &service->deadline);
    uv_timer_init(loop, &service->audit);
    uv_timer_init(loop, &service->chaos);
    uv_timer_init(loop, &service->sample);
    uv_timer_init(loop, &service->later);
    uv_idle_init(loop, &service->idle);
    uv_check_init(loop, &service->check);
    service->deadline.data = service;
    service->audit.data = service;
    service->chaos.data = service;
    service->sample.data = service;
    service->later.data = service;
    service->check.data = service;
    service->armed = UINT64_MAX;
    uv_timer_start(&service->audit, on_audit, AUDIT_PERIOD_MS, AUDIT_PERIOD_MS);
    service->chaos_last = clock_now_ns();
    if (service->options->chaos_unmap > 0)
        uv_timer_start(&service->chaos, on_chaos, 1, 1);
    if (service->sample_period_ms > 0)
        uv_timer_start(&service->sample, on_sample, service->sample_period_ms,
                       service->sample_period_ms);
}

int service_start(struct service *service, uv_loop_t *loop, const struct physmem_options *options,
                  struct sp_error *error)
{
    struct server_options server = {
        .program = "selfpage-physmem",
        .path = options->socket,
        .ready_fd = options->ready_fd,
        .signals = true,
        .greet_ms = HELLO_MS,
        .descriptors = SERVER_DESCRIPTORS_NEVER,
        .handlers = session_handlers,
        .user = service,
    };
    struct physmem_config config = {
        .allocator = &heap_allocator,
        .frames = options->frames,
        .reserve = options->reserve,
        .max_order = MAX_ORDER,
        .max_term_ns = options->max_term_ns,
        .max_grace_ns = options->max_grace_ns,
        .silence_ns = options->silence_ns,
        .warnings = options->warnings,
        .user_guaranteed = options->user_guaranteed,
        .user_extra = options->user_extra,
        .swap = options->swap != NULL,
    };
    long files = limits_raise_files();
    const struct arbiter_choice *choice = &service->arbiter.choice;
    int code;

    limits_make_room(files);
    memset(service, 0, sizeof(*service));
    service->options = options;
    policyserver_init(service);
    service->random = random_seeded(options->seed);
    service->holes_fd = holes_open();
    service->page_size = (uint32_t)sysconf(_SC_PAGESIZE);
    if (service->page_size != SP_PAGE_SIZE)
        return error_set(error, ENOTSUP, "pages have %u bytes here, not %u", service->page_size,
                         SP_PAGE_SIZE);
    if (files < 4 * FDS_OWN)
        return error_set(error, EMFILE,
                         "the limit of open files is %ld; at least %d are needed: raise it "
                         "(ulimit -n %d)",
                         files, 4 * FDS_OWN, 4 * FDS_OWN);
    /* As many connections as extents; a tenth is for descriptors that are queued for tasks, and another one, where there
     * is a swap server, for accounts there, of two descriptors each. */
    service->extents_max = (uint32_t)((files - FDS_OWN) * (options->swap != NULL ? 8 : 9) / 20);
    server.connections_max = service->extents_max;
    code = arbiter_load(&service->arbiter, options->arbiter, error);
    if (code != 0)
        return code;
    config.arbiter = choice->arbiter;
    memcpy(config.arbiter_params, choice->params, sizeof(config.arbiter_params));
    if (options->upstream != NULL)
        code = relet_open(service, options, &config, error);
    if (code != 0)
        return code;
    if (service->relet != NULL)
        service->extents_max = relet_extents_most(service->relet, service->extents_max);
    service->frames = config.frames;
    service->sample_period_ms = options->sample_period_ns / CLOCK_NS_PER_MS;
    if (service->sample_period_ms == 0 && (config.arbiter->flags & SP_ARBITER_IDLE) != 0)
        service->sample_period_ms = SAMPLE_PERIOD_MS;
    code = physmem_new(&service->physmem, &config);
    if (code != 0)
        return error_set(error, -code, "cannot keep books for %u frames: %s", config.frames,
                         strerror(-code));
    if (options->swap != NULL)
        code = swapper_open(service, loop,
                            &(struct swapper_options){.path = options->swap,
                                                      .accounts = (uint32_t)(files - FDS_OWN) / 20,
                                                      .patience_ns = options->swap_patience_ns},
                            run_effects);
    if (code != 0)
        return error_set(error, -code, "no memory for what goes to swap");
    server.handlers.on_stop = on_stop;
    code = server_start(&service->server, loop, &server, error);
    if (code == 0)
        handles_start(service, loop);
    service->started = true;
    return code == 0 && service->relet != NULL ? relet_start(service, loop, error) : code;
}

void service_fini(struct service *service)
{
    if (service->started)
        server_fini(&service->server);
    physmem_free(&service->physmem);
    backing_fini(service);
    relet_end(service);
    if (service->holes_fd >= 0)
        close(service->holes_fd);
    swapper_close(service);
    policyserver_fini(service);
    arbiter_unload(&service->arbiter);
}
