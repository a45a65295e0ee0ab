#include "sharing.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

/* A swap server that takes nothing for so long counts as gone. */
#define SEND_MS 1000

static const char log_cause[] = "swap";
static const struct hello hello_policy = {.role = WIRE_ROLE_POLICY, .name = "policyserver"};

void sharing_init(struct sharing *sharing, const char *path, struct log *log,
                  void (*on_answer)(void *context), void *context)
{
    *sharing =
        (struct sharing){.path = path, .log = log, .on_answer = on_answer, .context = context};
    caller_init(&sharing->swap, "swap", SEND_MS);
}

/* ---- The connection ---- */

static void on_closed(uv_handle_t *handle)
{
    struct sharing *sharing = handle->data;

    sharing->watched = false;
}

void sharing_close(struct sharing *sharing)
{
    if (sharing->watched && !uv_is_closing((uv_handle_t *)&sharing->poll))
        uv_close((uv_handle_t *)&sharing->poll, on_closed);
    if (sharing->there)
        caller_close(&sharing->swap);
    sharing->there = false;
    sharing->control_seq = 0;
    sharing->limits_seq = 0;
}

/* Swap is gone, or of no use: `text` says why, unless that was said already. */
static void lose(struct sharing *sharing, const char *text)
{
    if (!sharing->refused)
        log_line(sharing->log, log_cause, "%s: it is told again once it is back", text);
    sharing->refused = true;
    sharing_close(sharing);
    sharing->on_answer(sharing->context);
}

/* Send a message, with a number if there will be a reply; the number goes to *seqp then. */
static int send_message(struct sharing *sharing, struct wire_message *message, uint32_t *seqp)
{
    message->seq = seqp != NULL ? link_next_seq(&sharing->swap.link) : 0;
    if (seqp != NULL)
        *seqp = message->seq;
    return caller_send(&sharing->swap, message, -1);
}

/* ---- What swap is told ---- */

static bool is_about_swap(const struct limit *limit)
{
    return limit->slots != LIMIT_NONE || (limit->shares | limit->rate) != 0;
}

static int send_limits(struct sharing *sharing, const struct limit *limits, uint32_t count)
{
    struct wire_message message = {.type = WIRE_SWAP_LIMIT};
    uint32_t sent = 0;
    int code = 0;

    for (uint32_t i = 0; i < count && code == 0; i++) {
        if (!is_about_swap(&limits[i]))
            continue;
        message.swap_limit.whom = limits[i].whom;
        message.swap_limit.uid = limits[i].uid;
        message.swap_limit.slots = limits[i].slots;
        message.swap_limit.shares = limits[i].shares;
        message.swap_limit.rate = limits[i].rate;
        message.swap_limit.extra = limits[i].beyond;
        memcpy(message.swap_limit.name, limits[i].name, sizeof(message.swap_limit.name));
        code = send_message(sharing, &message, NULL);
        sent++;
    }
    message = (struct wire_message){.type = WIRE_LIMITS};
    message.limits.count = sent;
    return code != 0 ? code : send_message(sharing, &message, &sharing->limits_seq);
}

void sharing_tell(struct sharing *sharing, const struct limit *limits, uint32_t count)
{
    if (sharing->there && !sharing->handed && send_limits(sharing, limits, count) != 0)
        lose(sharing, "swap is gone");
}

/* ---- What swap says ---- */

static void on_done(struct sharing *sharing, const struct wire_message *message)
{
    if (message->seq == sharing->control_seq && sharing->control_seq != 0) {
        sharing->control_seq = 0;
        if (message->error != 0)
            lose(sharing, message->done.text);
    } else if (message->seq == sharing->limits_seq && sharing->limits_seq != 0) {
        sharing->limits_seq = 0;
        sharing->refused = false;
        if (message->error != 0)
            log_line(sharing->log, log_cause, "swap refused the limits: %s", message->done.text);
        else
            log_line(sharing->log, log_cause, "%u limits are in force", message->done.count);
        sharing->on_answer(sharing->context);
    } else if (message->error != 0 && sharing->control_seq != 0) {
        lose(sharing, message->done.text); /* HELLO was refused */
    }
}

static void on_message(struct sharing *sharing, const struct wire_message *message)
{
    struct wire_message answer = {.type = WIRE_HAND_OVER};
    uint32_t seq;

    if (message->type == WIRE_DONE) {
        on_done(sharing, message);
    } else if (message->type == WIRE_SUCCESSOR) {
        answer.hand_over.pid = message->successor.pid;
        log_line(sharing->log, log_cause, "control goes to process %u", message->successor.pid);
        sharing->handed = true;
        if (send_message(sharing, &answer, &seq) != 0)
            lose(sharing, "swap is gone");
    }
}

/* Take the messages that are there. */
static void receive(struct sharing *sharing)
{
    struct wire_message message;
    int fd, result = 1;

    while (sharing->there && (result = link_next(&sharing->swap.link, &message, &fd)) > 0) {
        if (fd >= 0)
            close(fd);
        on_message(sharing, &message);
    }
    if (result < 0)
        lose(sharing, "swap is gone");
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    receive(poll->data);
}

/* ---- The start, and later ones ---- */

int sharing_take(struct sharing *sharing, bool wait, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_GET_CONTROL}, reply;
    int code;

    sharing->swap.timeout_ms = CALLER_FOREVER;
    code = caller_open(&sharing->swap, sharing->path, &hello_policy, NULL, error);
    if (code != 0)
        return code;
    message.get_control.wait = wait;
    code = caller_ask_for(&sharing->swap, &message, WIRE_DONE, &reply, NULL, error);
    sharing->swap.timeout_ms = SEND_MS;
    sharing->there = true;
    return code;
}

void sharing_await(struct sharing *sharing)
{
    struct wire_message reply;
    int code;

    sharing->swap.timeout_ms = CALLER_FOREVER;
    while (sharing->there && sharing->limits_seq != 0) {
        code = caller_receive(&sharing->swap, &reply, NULL);
        if (code == 0)
            on_message(sharing, &reply);
        else
            lose(sharing, "swap is gone");
    }
    sharing->swap.timeout_ms = SEND_MS;
}

int sharing_watch(struct sharing *sharing, uv_loop_t *loop)
{
    int code = 0;

    if (!sharing->there)
        return 0;
    code = uv_poll_init(loop, &sharing->poll, sharing->swap.link.fd);
    if (code != 0)
        return code;
    sharing->poll.data = sharing;
    sharing->watched = true;
    code = uv_poll_start(&sharing->poll, UV_READABLE, on_readable);
    if (code == 0)
        receive(sharing); /* what came together with the last answer is announced by no event */
    return code;
}

void sharing_return(struct sharing *sharing, uv_loop_t *loop, const struct limit *limits,
                    uint32_t count)
{
    struct wire_message message = {.type = WIRE_GET_CONTROL};
    struct wire_message greeting;
    uint32_t seq;
    int code;

    if (sharing->path == NULL || sharing->there || sharing->watched || sharing->handed ||
        caller_connect(&sharing->swap, sharing->path, NULL) != 0)
        return;
    sharing->there = true;
    /* All at once: whether swap answers is seen later. */
    hello_fill(&greeting, &hello_policy);
    code = send_message(sharing, &greeting, &seq);
    if (code == 0)
        code = send_message(sharing, &message, &sharing->control_seq);
    if (code == 0)
        code = send_limits(sharing, limits, count);
    if (code == 0)
        code = sharing_watch(sharing, loop);
    if (code != 0)
        lose(sharing, "swap is gone");
}
