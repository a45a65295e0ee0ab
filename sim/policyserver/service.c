#include "service.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "entitlements/entitlements.h"
#include "io/server.h"
#include "os/clock.h"
#include "os/heap.h"

/* ---- Messages out ---- */

/* Send a message, with a number if there will be a reply. Returns 0, or -EPIPE: physmem is gone. */
static int send_message(struct service *service, struct wire_message *message, bool reply)
{
    message->seq = reply ? link_next_seq(&service->physmem.link) : 0;
    return caller_send(&service->physmem, message, -1);
}

static int send_limits(struct service *service, const struct limit *limits, uint32_t count)
{
    struct wire_message message = {.type = WIRE_LIMIT};
    int code = 0;

    for (uint32_t i = 0; i < count && code == 0; i++) {
        message.limit.whom = limits[i].whom;
        message.limit.uid = limits[i].uid;
        message.limit.guaranteed = limits[i].guaranteed;
        message.limit.extra = limits[i].extra;
        message.limit.weight = limits[i].weight;
        message.limit.priority = limits[i].priority;
        memcpy(message.limit.name, limits[i].name, sizeof(message.limit.name));
        code = send_message(service, &message, false);
    }
    message = (struct wire_message){.type = WIRE_LIMITS};
    message.limits.count = count;
    if (code == 0)
        code = send_message(service, &message, true);
    service->limits_seq = message.seq;
    return code;
}

/* Read the file, if there is one; what it says takes the place of what was read before. */
static int limits_read(struct service *service, struct sp_error *error)
{
    struct limit *limits = NULL;
    uint32_t count = 0;
    int code = 0;

    if (service->options->entitlements != NULL)
        code = entitlements_load(service->options->entitlements, &limits, &count, error);
    for (uint32_t i = 0; i < count && code == 0 && service->options->swap == NULL; i++)
        if (limits[i].slots != LIMIT_NONE || (limits[i].shares | limits[i].rate) != 0)
            code = error_set(error, EINVAL,
                             "%s speaks of slots or bandwidth of swap: say --swap PATH, too",
                             service->options->entitlements);
    if (code != 0) {
        free(limits);
        return code;
    }
    free(service->limits);
    service->limits = limits;
    service->limits_count = count;
    return 0;
}

/* Read the file, if there is one, and send what it says. */
static int limits_renew(struct service *service, struct sp_error *error)
{
    int code = limits_read(service, error);

    if (code != 0)
        return code;
    sharing_tell(&service->sharing, service->limits, service->limits_count);
    code = send_limits(service, service->limits, service->limits_count);
    return code == 0 ? 0 : error_set(error, EPIPE, "physmem is gone");
}

/* ---- The end ---- */

static void stop(struct service *service)
{
    if (service->stopping)
        return;
    service->stopping = true;
    if (!service->started) /* a successor came at once */
        return;
    sharing_close(&service->sharing);
    uv_close((uv_handle_t *)&service->poll, NULL);
    uv_close((uv_handle_t *)&service->timer, NULL);
    uv_close((uv_handle_t *)&service->hangup, NULL);
    uv_close((uv_handle_t *)&service->terminate, NULL);
    uv_close((uv_handle_t *)&service->interrupt, NULL);
}

/* Give up: `text` says why. */
static void fail(struct service *service, const char *text)
{
    if (service->stopping)
        return;
    log_line(&service->log, "end", "%s", text);
    service->failed = true;
    stop(service);
}

/* End as it was before this program came: no limits, and physmem's own arbiter decides. (If the program
 * dies instead, its last table and limits stand.) */
static void give_back(struct service *service)
{
    struct wire_message message = {.type = WIRE_ENTITLED};

    service->giving_back = true;
    uv_timer_stop(&service->timer);
    rounds_give_back(&service->rounds);
    sharing_tell(&service->sharing, NULL, 0);
    if (send_message(service, &message, false) != 0 || send_limits(service, NULL, 0) != 0)
        fail(service, "physmem is gone");
}

/* End once both servers have answered that no limits stand. One that is gone has none to answer. */
static void given_back(struct service *service)
{
    if (!service->giving_back || service->limits_seq != 0 || service->sharing.limits_seq != 0 ||
        service->stopping)
        return;
    log_line(&service->log, "end", "physmem's own arbiter decides again, without limits");
    stop(service);
}

static void on_swap(void *context)
{
    given_back(context);
}

/* ---- Rounds ---- */

/* Use the table that a descriptor leads to; it is closed in any case. Returns 0 or a negative errno with a text, and the
 * old table, if any, stays. */
static int take_table(struct service *service, int consume_fd, struct sp_error *error)
{
    struct shared shared;
    int code = shared_open(&shared, consume_fd, error);

    if (code != 0)
        return code;
    if (!control_table_is_valid(shared.memory, shared.size))
        code = error_set(error, EPROTO, "physmem's table is of another version");
    else if (rounds_table(&service->rounds, shared.memory) != 0)
        code = error_set(error, ENOMEM, "no memory for all tasks");
    if (code != 0) {
        shared_close(&shared);
        return code;
    }
    shared_close(&service->table);
    service->table = shared;
    return 0;
}

static void on_changed(void *context, const struct sp_arbiter_task *task, uint32_t entitled)
{
    log_line(context, "entitled", "task %u: holds %u, wants %u more, is entitled to %u", task->id,
             task->held, task->wanted, entitled);
}

static void on_timer(uv_timer_t *timer);

/* Milliseconds to the next round. */
static uint64_t pause_ms(const struct service *service, uint64_t now)
{
    uint64_t due = rounds_due(&service->rounds);
    uint64_t pause = service->options->period_ns;

    if (due < now + pause)
        pause = due > now ? due - now : 0;
    return (pause + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS + (pause == 0);
}

static void look(struct service *service)
{
    struct wire_message message = {.type = WIRE_ENTITLED};
    uint64_t now = clock_now_ns();
    int64_t changed;

    if (service->stopping || service->giving_back || service->hand_over_seq != 0)
        return;
    sharing_return(&service->sharing, service->loop, service->limits, service->limits_count);
    changed = rounds_run(&service->rounds, now, service->options->verbose ? on_changed : NULL,
                         &service->log);
    if (changed < 0) {
        log_line(&service->log, "memory", "no memory to look at all tasks: nothing changes");
        changed = 0;
    }
    if (changed > 0 || service->rung || !service->ready) {
        message.entitled.changed = (uint32_t)changed;
        service->rung = false;
        if (send_message(service, &message, false) != 0) {
            fail(service, "physmem is gone");
            return;
        }
    }
    uv_timer_start(&service->timer, on_timer, pause_ms(service, now), 0);
}

static void on_timer(uv_timer_t *timer)
{
    look(timer->data);
}

/* ---- Messages in ---- */

static void on_done(struct service *service, const struct wire_message *message)
{
    if (message->seq == service->hand_over_seq && service->hand_over_seq != 0) {
        service->hand_over_seq = 0;
        if (message->error != 0) { /* the successor has gone meanwhile */
            service->rung = true;
            return;
        }
        log_line(&service->log, "end", "control has gone to process %u", service->successor);
        stop(service);
    } else if (message->seq == service->limits_seq && service->limits_seq != 0) {
        service->limits_seq = 0;
        if (service->giving_back)
            given_back(service);
        else if (message->error != 0)
            log_line(&service->log, "limits", "physmem refused the limits: %s", message->done.text);
        else
            log_line(&service->log, "limits", "%u limits are in force", message->done.count);
        service->rung = true;
    }
}

/* A message that is no reply to what this program waits for. */
static void on_message(void *context, const struct wire_message *message, int consume_fd)
{
    struct service *service = context;
    struct wire_message answer = {.type = WIRE_HAND_OVER};
    struct sp_error error = {0};

    switch (message->type) {
    case WIRE_CONTROL:
        if (take_table(service, consume_fd, &error) != 0)
            fail(service, error.text);
        service->rung = true;
        return;
    case WIRE_RING:
        service->rung = true;
        break;
    case WIRE_SUCCESSOR:
        service->successor = message->successor.pid;
        answer.hand_over.pid = message->successor.pid;
        if (send_message(service, &answer, true) != 0)
            fail(service, "physmem is gone");
        service->hand_over_seq = answer.seq;
        break;
    case WIRE_DONE:
        on_done(service, message);
        break;
    default:
        break;
    }
    if (consume_fd >= 0)
        close(consume_fd);
}

/* Handle the messages that came. */
static void receive(struct service *service)
{
    struct wire_message message;
    char text[160];
    int result = 1, fd;

    while (!service->stopping && (result = link_next(&service->physmem.link, &message, &fd)) > 0)
        on_message(service, &message, fd);
    snprintf(text, sizeof(text), "physmem sent %s", service->physmem.link.problem);
    if (result < 0)
        fail(service, result == -EPROTO ? text : "physmem is gone");
    else if (service->rung)
        look(service);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    receive(poll->data);
}

/* ---- Signals ---- */

static void on_hangup(uv_signal_t *handle, int number)
{
    struct service *service = handle->data;
    struct sp_error error = {0};

    (void)number;
    if (service->hand_over_seq == 0 && limits_renew(service, &error) != 0)
        log_line(&service->log, "limits", "all stays as it was: %s", error.text);
}

/* The first signal has control given back; a second one, or one during a hand-over, just ends. */
static void on_end(uv_signal_t *handle, int number)
{
    struct service *service = handle->data;

    (void)number;
    if (service->giving_back || service->hand_over_seq != 0)
        stop(service);
    else
        give_back(service);
}

/* ---- The start ---- */

static int take_control(struct service *service, struct sp_error *error)
{
    const struct hello hello = {.role = WIRE_ROLE_POLICY, .name = "policyserver"};
    struct wire_message message = {.type = WIRE_GET_CONTROL}, reply;
    int code, fd;

    code = caller_open(&service->physmem, service->options->physmem, &hello, NULL, error);
    if (code != 0)
        return code;
    message.get_control.wait = service->options->take_over;
    code = caller_ask_for(&service->physmem, &message, WIRE_CONTROL, &reply, &fd, error);
    if (code == 0)
        code = take_table(service, fd, error);
    if (code == 0 && service->options->swap != NULL)
        code = sharing_take(&service->sharing, service->options->take_over, error);
    if (code != 0 && error->code == EBUSY && !service->options->take_over)
        return error_set(error, EBUSY,
                         "another policy server has control; with --take-over it is asked to hand "
                         "control over");
    return code;
}

/* Limits first, then entitlements: a program that waits until this one is ready finds both in
 * force. */
static int rule(struct service *service, struct sp_error *error)
{
    struct wire_message reply;
    int code = limits_renew(service, error), fd;

    while (code == 0 && service->limits_seq != 0) {
        code = caller_receive(&service->physmem, &reply, &fd);
        if (code == 0)
            on_message(service, &reply, fd);
        else
            error_set(error, EPIPE, "physmem is gone");
    }
    sharing_await(&service->sharing);
    if (code == 0 && service->options->arbiter != NULL &&
        rounds_arbiter(&service->rounds, &service->arbiter.choice) != 0)
        code = error_set(error, ENOMEM, "no memory for the arbiter");
    return code;
}

static int handles_start(struct service *service, uv_loop_t *loop, struct sp_error *error)
{
    int code;

    service->loop = loop;
    code = uv_poll_init(loop, &service->poll, service->physmem.link.fd);
    if (code != 0)
        return error_set(error, -code, "cannot watch the connection: %s", uv_strerror(code));
    /* These cannot fail: they allocate nothing. */
    uv_timer_init(loop, &service->timer);
    uv_signal_init(loop, &service->hangup);
    uv_signal_init(loop, &service->terminate);
    uv_signal_init(loop, &service->interrupt);
    service->poll.data = service;
    service->timer.data = service;
    service->hangup.data = service;
    service->terminate.data = service;
    service->interrupt.data = service;
    service->started = true;
    code = uv_poll_start(&service->poll, UV_READABLE, on_readable);
    if (code == 0)
        code = sharing_watch(&service->sharing, loop);
    if (code == 0)
        code = uv_signal_start(&service->hangup, on_hangup, SIGHUP);
    if (code == 0)
        code = uv_signal_start(&service->terminate, on_end, SIGTERM);
    if (code == 0)
        code = uv_signal_start(&service->interrupt, on_end, SIGINT);
    return code == 0 ? 0
                     : error_set(error, -code, "cannot watch for events: %s", uv_strerror(code));
}

int service_start(struct service *service, uv_loop_t *loop,
                  const struct policyserver_options *options, struct sp_error *error)
{
    int code = 0;

    *service = (struct service){.options = options};
    log_init(&service->log, "selfpage-policyserver");
    caller_init(&service->physmem, "physmem", CALLER_FOREVER);
    service->physmem.on_other = on_message;
    service->physmem.context = service;
    sharing_init(&service->sharing, options->swap, &service->log, on_swap, service);
    rounds_init(&service->rounds, &heap_allocator);
    service->table.fd = -1;
    if (options->arbiter != NULL)
        code = arbiter_load(&service->arbiter, options->arbiter, error);
    /* Find mistakes before taking control from a policy server that works. */
    if (code == 0)
        code = limits_read(service, error);
    if (code == 0)
        code = take_control(service, error);
    if (code == 0)
        code = rule(service, error);
    if (code == 0 && !service->stopping)
        code = handles_start(service, loop, error);
    if (code == 0)
        look(service);
    service->ready = true;
    /* Messages that came together with the last reply are here already, and no event will announce them. */
    if (code == 0 && service->started)
        receive(service);
    if (code == 0 && options->ready_fd >= 0)
        code = server_tell_ready(options->ready_fd, error);
    if (code != 0)
        stop(service);
    return code;
}

void service_fini(struct service *service)
{
    rounds_fini(&service->rounds);
    sharing_close(&service->sharing);
    free(service->limits);
    shared_close(&service->table);
    caller_close(&service->physmem);
    if (service->options->arbiter != NULL)
        arbiter_unload(&service->arbiter);
}
