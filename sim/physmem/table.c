#include "table.h"

#include "base/error.h"
#include "os/clock.h"
#include "send.h"

int table_make(struct service *service, uint32_t rows)
{
    struct policyserver *self = &service->policyserver;
    struct shared table, old = self->table;
    struct sp_error error = {0};
    int code;

    code = shared_create(&table, "selfpage-control", control_table_size(rows), &error);
    if (code == 0) {
        control_table_init(table.memory, rows, physmem_extra_frames(service->frames));
        code = physmem_policyserver_table(service->physmem, clock_now_ns(), table.memory, rows);
        if (code != 0)
            shared_close(&table);
    } else {
        log_line(&service->server.log, "control", "cannot make a table of %u rows: %s", rows,
                 error.text);
        physmem_policyserver_table(service->physmem, clock_now_ns(), NULL, 0);
    }
    if (code != 0)
        return code;
    self->table = table;
    self->rows = rows;
    shared_close(&old);
    return 0;
}

void table_send(struct service *service, uint32_t seq)
{
    struct wire_message *message = send_begin(service, WIRE_CONTROL, seq);

    message->control.rows = service->policyserver.rows;
    send_to(service, service->policyserver.control.holder, service->policyserver.table.fd);
}

void table_fini(struct service *service)
{
    shared_close(&service->policyserver.table);
}
