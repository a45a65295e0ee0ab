/* The files that a client has open. */
#ifndef FILESERVER_PLACES_H
#define FILESERVER_PLACES_H

#include "service.h"

/* FILE_OPEN, FILE_OPEN_AS and FILE_CLOSE. */
void places_on_open(struct connection *connection, const struct wire_message *message);
void places_on_close(struct connection *connection, const struct wire_message *message);

/* The open file of this number, or NULL. */
struct file *places_find(struct session *session, uint32_t number);

void places_close_all(struct connection *connection);

#endif
