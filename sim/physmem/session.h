#ifndef PHYSMEM_SESSION_H
#define PHYSMEM_SESSION_H

#include "service.h"

/* What the server's connections call; see io/server.h. */
extern const struct server_handlers session_handlers;

#endif
