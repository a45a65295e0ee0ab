#include "wire_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/caller.h"
#include "server_process.h"

/* Keep a message that is not the reply. */
static void set_aside(void *context, const struct wire_message *message, int consume_fd)
{
    struct wire_client *client = context;

    if (client->aside_count == WIRE_CLIENT_ASIDE) {
        client->aside_lost = true;
        if (consume_fd >= 0)
            close(consume_fd);
        return;
    }
    client->aside[client->aside_count].message = *message;
    client->aside[client->aside_count].fd = consume_fd;
    client->aside_count++;
}

/* A client that is not connected. */
static int prepare(struct wire_client *client)
{
    memset(client, 0, sizeof(*client));
    client->fd = -1;
    client->caller = malloc(sizeof(*client->caller));
    client->aside = calloc(WIRE_CLIENT_ASIDE, sizeof(*client->aside));
    if (client->caller == NULL || client->aside == NULL) {
        free(client->caller);
        free(client->aside);
        client->caller = NULL;
        client->aside = NULL;
        return -ENOMEM;
    }
    caller_init(client->caller, "the server", SERVER_PATIENCE_MS);
    client->caller->on_other = set_aside;
    client->caller->context = client;
    return 0;
}

/* What has become of connecting. */
static int connected(struct wire_client *client, int error)
{
    if (error < 0)
        wire_client_close(client);
    else
        client->fd = client->caller->link.fd;
    return error;
}

int wire_client_connect(struct wire_client *client, const char *path)
{
    int error = prepare(client);

    return error < 0 ? error : connected(client, caller_connect(client->caller, path, NULL));
}

int wire_client_open(struct wire_client *client, const char *path, enum wire_role role, uint32_t id,
                     uint64_t key, const char *name, struct wire_message *welcome)
{
    const struct hello hello = {role, id, key, name};
    struct wire_message reply;
    int error = prepare(client);

    if (error < 0)
        return error;
    error = connected(client, caller_open(client->caller, path, &hello, &reply, NULL));
    if (error < 0)
        return error;
    client->seq = client->caller->link.seq;
    client->id = reply.welcome.id;
    client->key = reply.welcome.key;
    if (welcome != NULL)
        *welcome = reply;
    return 0;
}

void wire_client_close(struct wire_client *client)
{
    if (client->caller != NULL)
        caller_close(client->caller);
    free(client->caller);
    client->caller = NULL;
    client->fd = -1;
    for (unsigned i = 0; i < client->aside_count; i++)
        if (client->aside[i].fd >= 0)
            close(client->aside[i].fd);
    client->aside_count = 0;
    free(client->aside);
    client->aside = NULL;
}

int wire_client_send(struct wire_client *client, const struct wire_message *message, int fd)
{
    return caller_send(client->caller, message, fd);
}

int wire_client_send_bytes(struct wire_client *client, const void *bytes, size_t count, int fd)
{
    return caller_send_bytes(client->caller, bytes, count, fd);
}

/* Take the first message that was set aside, if there is one. */
static bool take_aside(struct wire_client *client, struct wire_message *message, int *fd)
{
    if (client->aside_count == 0)
        return false;
    *message = client->aside[0].message;
    if (fd != NULL)
        *fd = client->aside[0].fd;
    else if (client->aside[0].fd >= 0)
        close(client->aside[0].fd);
    client->aside_count--;
    memmove(client->aside, client->aside + 1, client->aside_count * sizeof(*client->aside));
    return true;
}

int wire_client_receive(struct wire_client *client, struct wire_message *message, int *fd)
{
    return take_aside(client, message, fd) ? 0 : caller_receive(client->caller, message, fd);
}

int wire_client_poll(struct wire_client *client, struct wire_message *message, int *fd)
{
    return take_aside(client, message, fd) ? 0 : caller_poll(client->caller, message, fd);
}

int wire_client_call(struct wire_client *client, struct wire_message *request, int fd,
                     struct wire_message *reply)
{
    int error;

    client->caller->link.seq = client->seq;
    error = caller_ask(client->caller, request, fd, reply, NULL);
    client->seq = client->caller->link.seq;
    return error == 0 && client->aside_lost ? -ENOBUFS : error;
}

int wire_client_expect_end(struct wire_client *client)
{
    struct wire_message message;
    int error;

    do
        error = caller_receive(client->caller, &message, NULL);
    while (error == 0);
    return error == -EPIPE ? 0 : error;
}
