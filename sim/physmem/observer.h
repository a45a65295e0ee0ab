/* What observers and administrators ask: the books, what one task has, and to have frames recalled. */
#ifndef PHYSMEM_OBSERVER_H
#define PHYSMEM_OBSERVER_H

#include "service.h"

/* Answer STATUS; ASK_TASK_DETAIL; RECALL_TASK. */
void observer_status(struct service *service, struct connection *connection,
                     const struct wire_message *request);
void observer_detail(struct service *service, struct connection *connection,
                     const struct wire_message *request);
void observer_recall_from(struct service *service, struct connection *connection,
                          const struct wire_message *message);

#endif
