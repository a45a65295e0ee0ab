#include "policyserver.h"

#include <errno.h>
#include <string.h>

#include "os/clock.h"
#include "send.h"
#include "table.h"

_Static_assert(WIRE_WHOM_USER == LIMIT_USER && WIRE_WHOM_NAME == LIMIT_NAME &&
                   WIRE_COUNT(WIRE_WHOMS) == LIMIT_WHOMS,
               "LIMIT.whom has the values of the core");

static const char log_cause[] = "control";

/* ---- Control ---- */

static void control_give(struct service *service, struct connection *to, uint32_t seq)
{
    struct policyserver *self = &service->policyserver;
    uint32_t rows = physmem_policyserver_rows(service->physmem);
    int code = 0;

    if (self->table.memory == NULL || self->rows < rows / 2)
        code = table_make(service, rows);
    if (code != 0 && self->table.memory == NULL) {
        struct wire_message request = {.seq = seq};

        connection_send_done(to, &request, code, 0, "physmem has no memory for the table");
        return;
    }
    self->control.holder = to;
    /* What the one before had sent of a set that it did not finish. */
    self->limits = 0;
    self->limits_lost = false;
    physmem_policyserver_begin(service->physmem, clock_now_ns());
    log_line(&service->server.log, log_cause, "the policy server (process %ld) has control",
             (long)to->peer.pid);
    table_send(service, seq);
}

/* Give control to the successor, if one waits. */
static void control_pass(struct service *service)
{
    uint32_t seq;
    struct connection *to = succession_next(&service->policyserver.control, &seq);

    if (to != NULL)
        control_give(service, to, seq);
}

static void on_hand_over(struct service *service, struct connection *connection,
                         const struct wire_message *request)
{
    struct succession *control = &service->policyserver.control;

    if (!succession_hand_over(control, request))
        return;
    log_line(&service->server.log, log_cause,
             "the policy server (process %ld) hands over to process %ld",
             (long)connection->peer.pid, (long)control->successor->peer.pid);
    control_pass(service);
}

/* ---- Limits ---- */

static void on_limit(struct policyserver *self, const struct wire_message *message)
{
    struct limit *limit = &self->limit[self->limits];

    if (self->limits == LIMITS_MAX) {
        self->limits_lost = true;
        return;
    }
    self->limits++;
    *limit = (struct limit){
        .whom = message->limit.whom,
        .uid = message->limit.uid,
        .guaranteed = message->limit.guaranteed,
        .extra = message->limit.extra,
        .weight = message->limit.weight,
        .priority = message->limit.priority,
    };
    memcpy(limit->name, message->limit.name, sizeof(limit->name));
}

static void on_limits(struct service *service, struct connection *connection,
                      const struct wire_message *message)
{
    struct policyserver *self = &service->policyserver;
    bool complete = !self->limits_lost && message->limits.count == self->limits;
    int code = -E2BIG;

    if (complete)
        code = physmem_policyserver_limits(service->physmem, clock_now_ns(), self->limit,
                                           self->limits);
    connection_send_done(connection, message, code, self->limits,
                         complete ? NULL : "too many limits, or not as many as were announced");
    self->limits = 0;
    self->limits_lost = false;
}

/* ---- Messages and effects ---- */

static void on_holder(struct service *service, struct connection *connection,
                      const struct wire_message *message)
{
    switch (message->type) {
    case WIRE_HAND_OVER:
        on_hand_over(service, connection, message);
        break;
    case WIRE_LIMIT:
        on_limit(&service->policyserver, message);
        break;
    case WIRE_LIMITS:
        on_limits(service, connection, message);
        break;
    default:
        physmem_policyserver_entitled(service->physmem, clock_now_ns());
        break;
    }
}

void policyserver_message(struct service *service, struct connection *connection,
                          const struct wire_message *message)
{
    switch (message->type) {
    case WIRE_GET_CONTROL:
        if (succession_ask(&service->policyserver.control, connection, message))
            control_give(service, connection, message->seq);
        break;
    case WIRE_HAND_OVER:
    case WIRE_LIMIT:
    case WIRE_LIMITS:
    case WIRE_ENTITLED:
        if (service->policyserver.control.holder == connection)
            on_holder(service, connection, message);
        else /* it may have been sent just before control went to a successor */
            connection_send_done(connection, message, -EPERM, 0, "you do not have control");
        break;
    default:
        connection_close(connection, CONNECTION_VIOLATION, "%s may not be sent by a policy server",
                         message_type_name(message->type));
        break;
    }
}

void policyserver_closed(struct service *service, struct connection *connection)
{
    if (!succession_leave(&service->policyserver.control, connection) || service->server.stopping)
        return;
    log_line(
        &service->server.log, log_cause, "the policy server (process %ld) %s",
        (long)connection->peer.pid,
        physmem_policyserver_end(service->physmem, clock_now_ns())
            ? "is gone without handing over: its last table and limits stand"
            : "is gone, and nothing of it stands: physmem's own arbiter decides, without limits");
    control_pass(service);
}

void policyserver_ring(struct service *service, uint32_t what)
{
    if (service->policyserver.control.holder == NULL)
        return;
    send_begin(service, WIRE_RING, 0)->ring.what = what;
    send_to(service, service->policyserver.control.holder, -1);
}

void policyserver_grow(struct service *service)
{
    if (table_make(service, physmem_policyserver_rows(service->physmem)) == 0 &&
        service->policyserver.control.holder != NULL)
        table_send(service, 0);
}

void policyserver_init(struct service *service)
{
    service->policyserver.table.fd = -1;
}

void policyserver_fini(struct service *service)
{
    table_fini(service);
}
