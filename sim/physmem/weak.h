/* Weak references on the wire: what tasks ask about them, and what physmem answers. */
#ifndef PHYSMEM_WEAK_H
#define PHYSMEM_WEAK_H

#include "service.h"

/* Hand a request of a task about weak references, locks or versions to the core. False if the message
 * is none of these. */
bool weak_request(struct service *service, const struct physmem_request *request,
                  const struct wire_message *message);

/* PHYSMEM_REPLY_SHARED, .._ADOPTED, .._VERSION: fill the message that is to be sent, all but seq and
 * error. */
void weak_reply(struct service *service, const struct physmem_effect *effect);

#endif
