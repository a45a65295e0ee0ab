/* Start, timers and end of the physmem server. */
#include "service.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "os/clock.h"
#include "os/heap.h"
#include "os/limits.h"

/* Descriptors kept for the loop, the listener and standard streams. */
#define FDS_OWN 64

/* A connection on which HELLO has not come for so long is closed. */
#define HELLO_MS 10000

/* Largest blocks of frames: 4 MiB. */
#define MAX_ORDER 10

/* Extents that are audited, going round, and how often. */
#define AUDIT_BATCH     64
#define AUDIT_PERIOD_MS 100

/* How often idleness is sampled, for an arbiter that wants to know, unless options say. */
#define SAMPLE_PERIOD_MS 500

/* Milliseconds until `when`, rounded up. */
static uint64_t milliseconds_until(uint64_t when, uint64_t now)
{
    return when <= now ? 0 : (when - now + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS;
}

/* A deadline has come. What tasks sent in time may still lie in their sockets, when this process
 * was held up: let the loop receive once and every connection have its turn, and only then see who
 * is late. */
static void on_deadline(uv_timer_t *timer);

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* being there is enough: the loop does not wait */
}

static void on_check(uv_check_t *check)
{
    struct service *service = check->data;

    if (!service->late) {
        service->late = true;
        service->late_mark = server_turns_mark(&service->server);
    }
    if (!server_turns_had(&service->server, service->late_mark))
        return; /* somebody's messages are received, and not handled yet */
    service->late = false;
    uv_idle_stop(&service->idle);
    uv_check_stop(&service->check);
    service->armed = UINT64_MAX;
    physmem_tick(service->physmem, clock_now_ns());
    service_run_effects(service);
}

static void on_deadline(uv_timer_t *timer)
{
    struct service *service = timer->data;

    uv_idle_start(&service->idle, on_idle);
    uv_check_start(&service->check, on_check);
}

static void arm(struct service *service)
{
    uint64_t next = physmem_deadline(service->physmem);

    if (next == service->armed || uv_is_closing((uv_handle_t *)&service->deadline) ||
        uv_is_active((uv_handle_t *)&service->check))
        return;
    service->armed = next;
    if (next == UINT64_MAX)
        uv_timer_stop(&service->deadline);
    else
        uv_timer_start(&service->deadline, on_deadline, milliseconds_until(next, clock_now_ns()),
                       0);
}

void service_run_effects(struct service *service)
{
    struct physmem_effect effect;

    while (physmem_next_effect(service->physmem, &effect))
        effect_run(service, &effect);
    if (physmem_has_failed(service->physmem) && !service->failed) {
        service->failed = true;
        log_line(&service->server.log, "memory", "out of memory: cannot keep the books, giving up");
        server_stop(&service->server);
    }
    arm(service);
}

static void on_audit(uv_timer_t *timer)
{
    struct service *service = timer->data;

    physmem_audit_round(service->physmem, AUDIT_BATCH);
    service_run_effects(service);
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
        service_run_effects(service);
    }
}

static void on_sample(uv_timer_t *timer)
{
    struct service *service = timer->data;

    physmem_sample(service->physmem, clock_now_ns(), &service->random);
    service_run_effects(service);
}

static void on_stop(struct server *server)
{
    struct service *service = server->user;

    uv_close((uv_handle_t *)&service->deadline, NULL);
    uv_close((uv_handle_t *)&service->audit, NULL);
    uv_close((uv_handle_t *)&service->chaos, NULL);
    uv_close((uv_handle_t *)&service->sample, NULL);
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
    uv_idle_init(loop, &service->idle);
    uv_check_init(loop, &service->check);
    service->deadline.data = service;
    service->audit.data = service;
    service->chaos.data = service;
    service->sample.data = service;
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
        .warnings = options->warnings,
    };
    long files = limits_raise_files();
    const struct arbiter_choice *choice = &service->arbiter.choice;
    int code;

    memset(service, 0, sizeof(*service));
    service->options = options;
    policyserver_init(service);
    service->random = random_seeded(options->seed);
    service->page_size = (uint32_t)sysconf(_SC_PAGESIZE);
    if (service->page_size != SP_PAGE_SIZE)
        return error_set(error, ENOTSUP, "pages have %u bytes here, not %u", service->page_size,
                         SP_PAGE_SIZE);
    if (files < 4 * FDS_OWN)
        return error_set(error, EMFILE, "the limit of open files is %ld; at least %d are needed",
                         files, 4 * FDS_OWN);
    /* As many connections as extents; a tenth is for descriptors that are queued for tasks. */
    service->extents_max = (uint32_t)((files - FDS_OWN) * 9 / 20);
    server.connections_max = service->extents_max;
    code = arbiter_load(&service->arbiter, options->arbiter, error);
    if (code != 0)
        return code;
    config.arbiter = choice->arbiter;
    memcpy(config.arbiter_params, choice->params, sizeof(config.arbiter_params));
    service->sample_period_ms = options->sample_period_ns / CLOCK_NS_PER_MS;
    if (service->sample_period_ms == 0 && (config.arbiter->flags & SP_ARBITER_IDLE) != 0)
        service->sample_period_ms = SAMPLE_PERIOD_MS;
    code = physmem_new(&service->physmem, &config);
    if (code != 0)
        return error_set(error, -code, "cannot keep books for %u frames: %s", options->frames,
                         strerror(-code));
    server.handlers.on_stop = on_stop;
    code = server_start(&service->server, loop, &server, error);
    if (code == 0)
        handles_start(service, loop);
    service->started = true;
    return code;
}

void service_fini(struct service *service)
{
    if (service->started)
        server_fini(&service->server);
    physmem_free(&service->physmem);
    policyserver_fini(service);
    arbiter_unload(&service->arbiter);
}
