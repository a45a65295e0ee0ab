/* What observers and administrators ask: the books, and to have frames recalled. */
#ifndef PHYSMEM_OBSERVER_H
#define PHYSMEM_OBSERVER_H

#include "service.h"

/* Answer STATUS; RECALL_TASK. */
void observer_status(struct service *service, struct connection *connection,
                     const struct wire_message *request);
void observer_recall_from(struct service *service, struct connection *connection,
                          const struct wire_message *message);

#endif
