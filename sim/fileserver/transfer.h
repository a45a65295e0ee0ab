/* Bytes of files, to clients and from them, through their containers. */
#ifndef FILESERVER_TRANSFER_H
#define FILESERVER_TRANSFER_H

#include "service.h"

/* A client has no container any more. */
void transfer_end(struct service *service, struct session *session);

/* FILE_BUFFER, FILE_READ, FILE_FILL and FILE_WRITE. */
void transfer_on_buffer(struct connection *connection, const struct wire_message *message);
void transfer_on_read(struct connection *connection, const struct wire_message *message);
void transfer_on_fill(struct connection *connection, const struct wire_message *message);
void transfer_on_write(struct connection *connection, const struct wire_message *message);

#endif
