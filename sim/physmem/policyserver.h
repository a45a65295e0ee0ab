/* Policy servers: which one has control, and which ones wait for it. */
#ifndef PHYSMEM_POLICYSERVER_H
#define PHYSMEM_POLICYSERVER_H

#include "service.h"

void policyserver_init(struct service *service);
void policyserver_fini(struct service *service);

/* A message came from a policy server; its connection has ended. */
void policyserver_message(struct service *service, struct connection *connection,
                          const struct wire_message *message);
void policyserver_closed(struct service *service, struct connection *connection);

/* Tell the policy server that has control (PHYSMEM_RING_*). */
void policyserver_ring(struct service *service, uint32_t what);

/* Make a larger table, and send it. */
void policyserver_grow(struct service *service);

#endif
