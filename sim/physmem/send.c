#include "send.h"

#include "trace.h"

struct wire_message *send_begin(struct service *service, enum wire_type type, uint32_t seq)
{
    service->message.type = (uint8_t)type;
    service->message.seq = seq;
    service->message.error = 0;
    return &service->message;
}

void send_to(struct service *service, struct connection *connection, int borrowed_fd)
{
    if (connection == NULL)
        return;
    trace_message(service, ">", connection, &service->message);
    connection_send(connection, &service->message, borrowed_fd);
}
