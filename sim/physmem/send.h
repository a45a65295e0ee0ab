/* Sending from physmem: every message is filled in service->message. */
#ifndef PHYSMEM_SEND_H
#define PHYSMEM_SEND_H

#include "service.h"

/* Begin service->message: a message of this type that answers `seq` (0: none). */
struct wire_message *send_begin(struct service *service, enum wire_type type, uint32_t seq);

/* Send service->message; NULL: to nobody. Failures end the connection, which comes back as an
 * input. `borrowed_fd` as for connection_send. */
void send_to(struct service *service, struct connection *connection, int borrowed_fd);

#endif
