/* What --verbose prints. */
#ifndef PHYSMEM_TRACE_H
#define PHYSMEM_TRACE_H

#include "service.h"

/* Print a message, if asked to. `direction` is "<" (received) or ">". */
void trace_message(struct service *service, const char *direction,
                   const struct connection *connection, const struct wire_message *message);

#endif
