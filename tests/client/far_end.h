/* The far end of a link under test: a server's side of a connection, which says what it is told. */
#ifndef TESTS_CLIENT_FAR_END_H
#define TESTS_CLIENT_FAR_END_H

#include <stddef.h>

#include "wire/message.h"

/* Encode a message of a type without a body's fields set. Returns its size. */
size_t far_end_encode(uint8_t type, uint32_t seq, unsigned char bytes[WIRE_MESSAGE_MAX]);

/* Send all these bytes, and with the first of them a descriptor or -1. Waits. */
void far_end_send_bytes(int fd, const void *bytes, size_t size, int borrowed_fd);

/* Send a message, and a descriptor or -1. */
void far_end_send(int fd, const struct wire_message *message, int borrowed_fd);

/* Wait for the next message. Returns its type, or 0 if the client has closed. */
int far_end_receive(int fd, struct wire_message *message);

#endif
