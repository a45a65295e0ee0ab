/* A client of a server under test: a caller (client/caller.h) that also says wrong things on purpose,
 * and keeps what arrives while it waits for a reply. */
#ifndef TEST_WIRE_CLIENT_H
#define TEST_WIRE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/message.h"

/* Messages that may lie here unasked for. */
#define WIRE_CLIENT_ASIDE 32

struct caller;

/* A message that came while a reply to another one was awaited, and its descriptor or -1. */
struct wire_client_aside {
    struct wire_message message;
    int fd;
};

struct wire_client {
    int fd;       /* the socket; -1: not connected */
    uint32_t seq; /* of the last request sent by wire_client_call */
    uint32_t id;  /* from WELCOME */
    uint64_t key; /* from WELCOME */
    struct caller *caller;
    unsigned aside_count;
    bool aside_lost;                 /* more came than fit */
    struct wire_client_aside *aside; /* WIRE_CLIENT_ASIDE of them */
};

/* Connect to the server at `path`; no HELLO yet. Returns 0 or a negative errno. */
int wire_client_connect(struct wire_client *client, const char *path);

/* Connect, and exchange HELLO and WELCOME: `id` and `key` are 0 for a new client. Fills client->id
 * and client->key. `welcome` may be NULL. Returns 0, the negative error of the server's refusal, or
 * another negative errno; on failure nothing is left open. */
int wire_client_open(struct wire_client *client, const char *path, enum wire_role role, uint32_t id,
                     uint64_t key, const char *name, struct wire_message *welcome);

/* Close the socket and whatever was received and not taken. Safe to call twice. */
void wire_client_close(struct wire_client *client);

/* Send `message` as it is; `fd` travels with it unless it is -1 (the caller still owns it).
 * Returns 0, -EINVAL if it cannot be encoded, or another negative errno. */
int wire_client_send(struct wire_client *client, const struct wire_message *message, int fd);

/* Send any bytes, with a descriptor or -1. Returns 0 or a negative errno. */
int wire_client_send_bytes(struct wire_client *client, const void *bytes, size_t count, int fd);

/* The next message: first those that wire_client_call had set aside. `*fd` is its descriptor, the
 * caller's from then on, or -1; `fd` may be NULL, it is then closed. Returns 0, -EPIPE when the
 * server has closed the connection, -EPROTO for what no server sends, -ETIMEDOUT, or a
 * negative errno. */
int wire_client_receive(struct wire_client *client, struct wire_message *message, int *fd);

/* Like wire_client_receive, but do not wait: -EAGAIN if no whole message is there. */
int wire_client_poll(struct wire_client *client, struct wire_message *message, int *fd);

/* Give `request` the next seq, send it, and wait for the reply with that seq; what comes before it
 * is set aside. Returns 0 (reply->error may be set: the server's answer), or a negative errno. */
int wire_client_call(struct wire_client *client, struct wire_message *request, int fd,
                     struct wire_message *reply);

/* Wait until the server closes the connection, dropping what it still says. Returns 0, or
 * -ETIMEDOUT. */
int wire_client_expect_end(struct wire_client *client);

#endif
