/* Where files have holes: pages that were never written, and read as zeros. */
#ifndef FILESERVER_HOLES_H
#define FILESERVER_HOLES_H

#include "service.h"

/* FILE_SEEK_HOLE. */
void holes_on_seek(struct connection *connection, const struct wire_message *message);

#endif
