/* What observers and administrators ask: the books, and to have frames recalled. */
#include "service.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void send_task_status(struct service *service, struct connection *connection, uint32_t seq,
                             const struct physmem_task *task)
{
    struct wire_message *message = &service->message;
    struct physmem_task_status status;

    physmem_task_get_status(task, &status);
    message->type = WIRE_TASK_STATUS;
    message->seq = seq;
    message->error = 0;
    memset(message->task_status.name, 0, sizeof(message->task_status.name));
    snprintf(message->task_status.name, sizeof(message->task_status.name), "%s",
             status.identity.name);
    message->task_status.id = status.id;
    message->task_status.pid = status.identity.pid;
    message->task_status.uid = status.identity.uid;
    message->task_status.guaranteed = status.guaranteed;
    message->task_status.extra = status.extra;
    message->task_status.leased = status.leased;
    message->task_status.held = status.held;
    message->task_status.soft = status.soft;
    message->task_status.owed = status.owed;
    message->task_status.contracts = status.contracts;
    message->task_status.allocations = status.allocations;
    message->task_status.recalls = status.recalls;
    message->task_status.recalls_met = status.recalls_met;
    message->task_status.recalls_missed = status.recalls_missed;
    message->task_status.overdue = status.overdue;
    message->task_status.warnings = status.warnings;
    message->task_status.penalty = status.penalty;
    message->task_status.repossessed = status.repossessed;
    message->task_status.unmaps = status.unmaps;
    message->task_status.frames_recalled = status.frames_recalled;
    message->task_status.recalls_transparent = status.recalls_transparent;
    message->task_status.frames_transparent = status.frames_transparent;
    message->task_status.available = status.available;
    message->task_status.breached = status.breached;
    message->task_status.reason = status.reason;
    connection_send(connection, message, -1);
}

void observer_status(struct service *service, struct connection *connection,
                     const struct wire_message *request)
{
    struct wire_message *message = &service->message;
    const struct physmem_task *task;
    struct physmem_status status;
    uint32_t after = request->status.after;

    for (unsigned i = 0; i < WIRE_TASKS; i++) {
        task = physmem_task_after(service->physmem, after);
        if (task == NULL)
            break;
        send_task_status(service, connection, request->seq, task);
        after = physmem_task_id(task);
    }
    physmem_get_status(service->physmem, &status);
    message->type = WIRE_PHYSMEM_STATUS;
    message->seq = request->seq;
    message->error = 0;
    message->physmem_status.frames = status.frames;
    message->physmem_status.free = status.free;
    message->physmem_status.soft = status.soft;
    message->physmem_status.guaranteed = status.guaranteed;
    message->physmem_status.leased = status.leased;
    message->physmem_status.tasks = status.tasks;
    message->physmem_status.extents = status.extents;
    message->physmem_status.allocated = status.allocated;
    message->physmem_status.returned = status.returned;
    message->physmem_status.proposals = status.proposals;
    message->physmem_status.accepted = status.accepted;
    message->physmem_status.countered = status.countered;
    message->physmem_status.refused = status.refused;
    message->physmem_status.recalls = status.recalls;
    message->physmem_status.recalls_met = status.recalls_met;
    message->physmem_status.recalls_missed = status.recalls_missed;
    message->physmem_status.frames_recalled = status.frames_recalled;
    message->physmem_status.recalls_transparent = status.recalls_transparent;
    message->physmem_status.frames_transparent = status.frames_transparent;
    message->physmem_status.warnings = status.warnings;
    message->physmem_status.repossessed = status.repossessed;
    message->physmem_status.breaches = status.breaches;
    message->physmem_status.unmaps = status.unmaps;
    message->physmem_status.audits = status.audits;
    message->physmem_status.compacted = status.compacted;
    message->physmem_status.messages = service->server.counters.messages;
    message->physmem_status.violations = service->server.counters.violations;
    message->physmem_status.control = status.control;
    message->physmem_status.controllers = status.controllers;
    message->physmem_status.entitlements = status.entitlements;
    message->physmem_status.passes = service->server.counters.passes;
    message->physmem_status.recall_passes = service->recall_passes;
    connection_send(connection, message, -1);
}

void observer_recall(struct service *service, struct connection *connection,
                     const struct wire_message *message)
{
    int64_t frames;

    if (!service_is_administrator(connection)) {
        connection_send_done(connection, message, -EPERM, 0,
                             "only physmem's own user may have frames recalled");
        return;
    }
    frames = physmem_recall_from(service->physmem, service_received_ns(service),
                                 message->recall_task.name, message->recall_task.frames);
    if (frames < 0)
        connection_send_done(connection, message, (int)frames, 0, "there is no task of this name");
    else if (frames == 0)
        connection_send_done(connection, message, -EINVAL, 0,
                             "no frames were named, or the task holds none beyond what its "
                             "contracts promise");
    else
        connection_send_done(connection, message, 0, (uint32_t)frames, NULL);
}
