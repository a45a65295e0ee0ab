/* Bringing files to their device, which takes long: in a thread, while others are served. */
#ifndef FILESERVER_SYNCING_H
#define FILESERVER_SYNCING_H

#include "service.h"

/* FILE_SYNC; one at a time for each client. */
void syncing_on_sync(struct connection *connection, const struct wire_message *message);

/* The client goes, and hears no answer any more. */
void syncing_leave(struct session *session);

#endif
