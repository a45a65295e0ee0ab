/* What --verbose prints. */
#ifndef PHYSMEM_TRACE_H
#define PHYSMEM_TRACE_H

#include "service.h"

/* Print a message. `direction` is "<" (received) or ">". */
void trace_print(struct service *service, const char *direction,
                 const struct connection *connection, const struct wire_message *message);

/* The same, if asked to. */
static inline void trace_message(struct service *service, const char *direction,
                                 const struct connection *connection,
                                 const struct wire_message *message)
{
    if (service->options->verbose)
        trace_print(service, direction, connection, message);
}

#endif
