#include "observer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/physmem/detail.h"

/* Copy one counter from `from` to `to`. */
#define OBSERVER_COPY_F(type, name, unit, meaning) to->name = from->name;
#define OBSERVER_COPY_E(name, list, unit, meaning) to->name = from->name;

static void send_task_status(struct service *service, struct connection *connection, uint32_t seq,
                             const struct physmem_task *task)
{
    struct wire_message *message = &service->message;
    __typeof__(message->task_status) *to = &message->task_status;
    struct physmem_task_status status, *from = &status;

    physmem_task_get_status(task, &status);
    message->type = WIRE_TASK_STATUS;
    message->seq = seq;
    message->error = 0;
    memset(to->name, 0, sizeof(to->name));
    snprintf(to->name, sizeof(to->name), "%s", physmem_task_identity(task)->name);
    SP_TASK_STATUS(OBSERVER_COPY_F, OBSERVER_COPY_E)
    connection_send(connection, message, -1);
}

void observer_status(struct service *service, struct connection *connection,
                     const struct wire_message *request)
{
    struct wire_message *message = &service->message;
    __typeof__(message->physmem_status) *to = &message->physmem_status;
    struct physmem_status status, *from = &status;
    const struct physmem_task *task;
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
    status.messages = service->server.counters.messages;
    status.violations = service->server.counters.violations;
    status.passes = service->server.counters.fed;
    status.recall_passes = service->recall_passes;
    SP_PHYSMEM_STATUS(OBSERVER_COPY_F, OBSERVER_COPY_E)
    connection_send(connection, message, -1);
}

/* ---- One task ---- */

_Static_assert(WIRE_AGREEMENTS == CONTRACTS_PER_TASK, "a message has room for all contracts");
_Static_assert(WIRE_DEBTS == PHYSMEM_RECALLS_MAX, "and for all recalls");
_Static_assert(WIRE_REGIONS == FRAME_STACK_REGIONS, "and for the regions that a task tells of");
_Static_assert(WIRE_HOLDINGS == PHYSMEM_DETAIL_CONTAINERS,
               "and for the containers that are listed");

static void fill_contracts(struct wire_message *message, const struct physmem_task_detail *detail)
{
    message->task_detail.contracts_count = (uint16_t)detail->contracts;
    for (uint32_t i = 0; i < detail->contracts; i++) {
        const struct physmem_contract_detail *from = &detail->contract[i];
        struct wire_agreement *to = &message->task_detail.contracts[i];

        to->contract = from->number;
        to->state = from->state;
        to->left_ns = from->left_ns;
        to->kept = from->kept;
        to->recalling = from->recalling;
        to->parts = from->parts;
        WIRE_COPY_TERMS(to, &from->terms);
    }
}

static void fill_recalls(struct wire_message *message, const struct physmem_task_detail *detail)
{
    message->task_detail.recalls_count = (uint16_t)detail->recalls;
    for (uint32_t i = 0; i < detail->recalls; i++) {
        const struct physmem_recall_detail *from = &detail->recall[i];

        message->task_detail.recalls[i] = (struct wire_debt){.id = from->id,
                                                             .asked = from->asked,
                                                             .missing = from->missing,
                                                             .left_ns = from->left_ns,
                                                             .overdue = from->overdue};
    }
}

static void fill_holdings(struct wire_message *message, const struct physmem_task_detail *detail)
{
    message->task_detail.containers = detail->containers;
    message->task_detail.holdings_count = (uint16_t)detail->containers_seen;
    for (uint32_t i = 0; i < detail->containers_seen; i++) {
        const struct physmem_container_detail *from = &detail->container[i];

        message->task_detail.holdings[i] = (struct wire_holding){.container = from->number,
                                                                 .slots = from->slots,
                                                                 .allocated = from->allocated,
                                                                 .soft = from->soft,
                                                                 .shares = from->shares,
                                                                 .locked = from->locked,
                                                                 .version = from->version};
    }
}

static void fill_regions(struct wire_message *message, const struct physmem_task_detail *detail)
{
    message->task_detail.regions_in_all = detail->regions;
    message->task_detail.regions_count = (uint16_t)detail->regions_seen;
    for (uint32_t i = 0; i < detail->regions_seen; i++) {
        const struct physmem_region_detail *from = &detail->region[i];

        message->task_detail.regions[i] = (struct wire_region){
            .address = from->address,
            .pages = from->pages,
            .resident = from->resident,
            .kind = from->kind < WIRE_KIND_UNKNOWN ? (uint8_t)from->kind : WIRE_KIND_UNKNOWN};
    }
}

void observer_detail(struct service *service, struct connection *connection,
                     const struct wire_message *request)
{
    uint32_t id = request->ask_task_detail.task;
    const struct physmem_task *task = id > 0 ? physmem_task_after(service->physmem, id - 1) : NULL;
    struct wire_message *message = &service->message;
    struct physmem_task_detail detail;

    if (task == NULL || physmem_task_id(task) != id) {
        connection_send_done(connection, request, -ENOENT, 0,
                             "there is no task of this number, or it went too long ago");
        return;
    }
    physmem_detail_get(service->physmem, service_received_ns(service), task, &detail);
    message->type = WIRE_TASK_DETAIL;
    message->seq = request->seq;
    message->error = 0;
    message->task_detail.task = id;
    fill_contracts(message, &detail);
    fill_recalls(message, &detail);
    fill_holdings(message, &detail);
    fill_regions(message, &detail);
    connection_send(connection, message, -1);
}

void observer_recall_from(struct service *service, struct connection *connection,
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
    if (frames == -EBUSY)
        connection_send_done(connection, message, -EBUSY, 0,
                             "four recalls of this task are running, as many as may: wait until it "
                             "has answered one, or has missed its deadline");
    else if (frames < 0)
        connection_send_done(connection, message, (int)frames, 0, "there is no task of this name");
    else if (frames == 0)
        connection_send_done(connection, message, -EINVAL, 0,
                             "no frames were named, or the task holds none beyond what its "
                             "contracts promise");
    else
        connection_send_done(connection, message, 0, (uint32_t)frames, NULL);
}
