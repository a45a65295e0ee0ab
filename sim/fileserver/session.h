/* What clients ask. */
#ifndef FILESERVER_SESSION_H
#define FILESERVER_SESSION_H

#include "service.h"

extern const struct server_handlers session_handlers;

#endif
