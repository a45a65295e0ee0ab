#include "run.h"

#include "effect.h"
#include "os/clock.h"
#include "swapper.h"

/* Milliseconds until `when`, rounded up. */
static uint64_t milliseconds_until(uint64_t when, uint64_t now)
{
    return when <= now ? 0 : (when - now + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS;
}

/* A deadline has come. If this process was held up, messages that tasks sent in time may still lie
 * in their sockets: let the loop receive once and every connection have its turn, and only then see
 * which tasks are late. */
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
    run_effects(service);
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

void run_effects(struct service *service)
{
    struct physmem_effect effect;

    while (physmem_next_effect(service->physmem, &effect))
        effect_run(service, &effect);
    swapper_flush(service);
    if (physmem_has_failed(service->physmem) && !service->failed) {
        service->failed = true;
        log_line(&service->server.log, "memory", "out of memory: cannot keep the books, giving up");
        server_stop(&service->server);
    }
    arm(service);
}
