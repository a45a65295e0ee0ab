/* Control of the swap server, by a policy server. */
#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "service.h"

_Static_assert(WIRE_WHOM_USER == LIMIT_USER && WIRE_WHOM_NAME == LIMIT_NAME &&
                   WIRE_COUNT(WIRE_WHOMS) == LIMIT_WHOMS,
               "SWAP_LIMIT.whom has the values of the core");

static const char log_cause[] = "control";

bool control_may(const struct connection *connection)
{
    return connection->peer.uid == geteuid() || connection->peer.uid == 0;
}

/* ---- Coming and going ---- */

static void control_give(struct swap_service *service, struct connection *to, uint32_t seq)
{
    struct swap_control *control = &service->control;
    struct wire_message request = {.type = WIRE_GET_CONTROL, .seq = seq};

    check(control->succession.holder == NULL);
    check(service->clients.limit == control->limit); /* the last ones stand */
    control->succession.holder = to;
    /* What the one before had sent of a set that it did not finish. */
    control->comings = 0;
    control->coming_lost = false;
    log_line(&service->server.log, log_cause, "the policy server (process %ld) has control",
             (long)to->peer.pid);
    connection_send_done(to, &request, 0, 1, NULL);
}

/* Give control to the successor, if one waits. */
static void control_pass(struct swap_service *service)
{
    uint32_t seq;
    struct connection *to = succession_next(&service->control.succession, &seq);

    if (to != NULL)
        control_give(service, to, seq);
}

/* ---- Limits ---- */

static void on_swap_limit(struct swap_control *control, const struct wire_message *message)
{
    struct limit *limit;

    if (control->coming == NULL)
        control->coming = malloc(LIMITS_MAX * sizeof(*control->coming));
    if (control->coming == NULL || control->comings == LIMITS_MAX) {
        control->coming_lost = true;
        return;
    }
    limit = &control->coming[control->comings++];
    *limit = (struct limit){
        .whom = message->swap_limit.whom,
        .uid = message->swap_limit.uid,
        .guaranteed = LIMIT_NONE,
        .extra = LIMIT_NONE,
        .weight = LIMIT_NONE,
        .priority = LIMIT_NONE,
        .slots = message->swap_limit.slots,
        .shares = message->swap_limit.shares,
        .rate = message->swap_limit.rate,
        .beyond = message->swap_limit.extra != 0,
    };
    memcpy(limit->name, message->swap_limit.name, sizeof(limit->name));
    check(control->comings <= LIMITS_MAX);
}

/* Is each limit one that a client can have? */
static int limits_judge(const struct swap_control *control)
{
    check(control->comings == 0 || control->coming != NULL);
    for (uint32_t i = 0; i < control->comings; i++) {
        const struct limit *limit = &control->coming[i];

        if (limit->shares > BANDWIDTH_SHARES_MOST || (limit->beyond && limit->rate == 0))
            return -EINVAL;
    }
    return 0;
}

/* The set that has come holds from now on. Returns 0 or a negative errno, and *textp says why not. */
static int limits_take(struct swap_service *service, uint32_t announced, const char **textp)
{
    struct swap_control *control = &service->control;
    struct limit *limit = NULL;
    int code = limits_judge(control);

    check(service->clients.limit == control->limit && service->clients.limits == control->limits);
    *textp = "bandwidth is 1 to 64 shares, or a rate; extra only with a rate";
    if (code < 0)
        return code;
    *textp = "too many limits, or not as many as were announced";
    if (control->coming_lost || announced != control->comings)
        return -E2BIG;
    *textp = "no memory for the limits";
    if (control->comings > 0) {
        limit = malloc(control->comings * sizeof(*limit));
        if (limit == NULL)
            return -ENOMEM;
        memcpy(limit, control->coming, control->comings * sizeof(*limit));
    }
    *textp = "this server makes no contracts for bandwidth (start it with --bandwidth)";
    code = client_table_limit(&service->clients, limit, control->comings);
    if (code < 0) {
        free(limit);
        return code;
    }
    free(control->limit);
    control->limit = limit;
    control->limits = control->comings;
    check(service->clients.limit == control->limit);
    return 0;
}

static bool on_limits(struct swap_service *service, struct connection *connection,
                      const struct wire_message *message)
{
    struct swap_control *control = &service->control;
    const char *text;
    int code = limits_take(service, message->limits.count, &text);

    check(control->succession.holder == connection);
    connection_send_done(connection, message, code, control->comings, code == 0 ? NULL : text);
    control->comings = 0;
    control->coming_lost = false;
    return code == 0;
}

/* ---- Messages ---- */

static bool on_holder(struct swap_service *service, struct connection *connection,
                      const struct wire_message *message)
{
    check(service->control.succession.holder == connection);
    if (message->type == WIRE_LIMITS)
        return on_limits(service, connection, message);
    if (message->type != WIRE_HAND_OVER)
        on_swap_limit(&service->control, message);
    else if (succession_hand_over(&service->control.succession, message))
        control_pass(service);
    return false;
}

bool control_message(struct swap_service *service, struct connection *connection,
                     const struct wire_message *message)
{
    switch (message->type) {
    case WIRE_GET_CONTROL:
        if (succession_ask(&service->control.succession, connection, message))
            control_give(service, connection, message->seq);
        break;
    case WIRE_HAND_OVER:
    case WIRE_SWAP_LIMIT:
    case WIRE_LIMITS:
        if (service->control.succession.holder == connection)
            return on_holder(service, connection, message);
        /* It may have been sent just before control went to a successor. */
        connection_send_done(connection, message, -EPERM, 0, "you do not have control");
        break;
    default:
        connection_close(connection, CONNECTION_VIOLATION, "unexpected %s from a policy server",
                         message_type_name(message->type));
        break;
    }
    return false;
}

void control_closed(struct swap_service *service, struct connection *connection)
{
    struct swap_control *control = &service->control;

    if (!succession_leave(&control->succession, connection) || service->server.stopping)
        return;
    check(control->limits == 0 || control->limit != NULL);
    log_line(&service->server.log, log_cause, "the policy server (process %ld) is gone: %s",
             (long)connection->peer.pid,
             control->limits > 0 ? "its last limits stand" : "nothing of it stands");
    control_pass(service);
}

void control_fini(struct swap_control *control)
{
    check(control->limits == 0 || control->limit != NULL);
    free(control->limit);
    free(control->coming);
    *control = (struct swap_control){0};
}
