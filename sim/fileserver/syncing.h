/* Bringing files to their device, which takes long. */
#ifndef FILESERVER_SYNCING_H
#define FILESERVER_SYNCING_H

#include "service.h"

/* FILE_SYNC. */
void syncing_on_sync(struct connection *connection, const struct wire_message *message);

#endif
