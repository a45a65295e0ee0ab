/* What clients ask. */
#ifndef FILESERVER_SESSION_H
#define FILESERVER_SESSION_H

#include "service.h"

extern const struct server_handlers session_handlers;

/* Handle the requests of a client that have waited for a job to end. */
void session_resume(struct connection *connection);

#endif
