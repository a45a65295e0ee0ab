#include "io/discard.h"

#include <stdlib.h>
#include <unistd.h>

#include "io/private.h"

struct discarded {
    struct errand errand; /* first */
    struct server *server;
    struct user *user;
    int fd;
};

static void descriptor_run(struct errand *errand)
{
    close(((struct discarded *)errand)->fd);
}

/* One descriptor of a user less is open. */
static void closed(struct server *server, struct user *user)
{
    user->unclosed--;
    if (user->paused > 0 && user->unclosed <= DISCARD_MAX / 2)
        server->resume(server, user);
}

static void descriptor_done(struct errand *errand)
{
    struct discarded *discarded = (struct discarded *)errand;

    closed(discarded->server, discarded->user);
    user_release(&discarded->server->users, discarded->user);
    free(discarded);
}

void discard_descriptor(struct server *server, struct user *user, int consume_fd)
{
    struct discarded *discarded = malloc(sizeof(*discarded));

    if (discarded == NULL) {
        close(consume_fd);
        return;
    }
    *discarded = (struct discarded){.errand = {.run = descriptor_run, .done = descriptor_done},
                                    .server = server,
                                    .user = user,
                                    .fd = consume_fd};
    user->references++;
    user->unclosed++;
    errand_submit(server->errands, &user->lane, &discarded->errand);
}

static struct connection *connection_of(struct errand *errand)
{
    return (struct connection *)((char *)errand - offsetof(struct connection, errand));
}

static void connection_run(struct errand *errand)
{
    close(connection_of(errand)->fd);
}

static void connection_done(struct errand *errand)
{
    struct connection *connection = connection_of(errand);
    struct server *server = connection->server;
    struct user *user = connection->owner;

    server->connections--;
    user->connections--;
    closed(server, user);
    user_release(&server->users, user);
    free(connection->reason);
    free(connection);
}

void discard_connection(struct connection *connection)
{
    connection->owner->unclosed++;
    if (connection->bare) { /* nothing is in it that could block */
        close(connection->fd);
        connection_done(&connection->errand);
        return;
    }
    connection->errand.run = connection_run;
    connection->errand.done = connection_done;
    errand_submit(connection->server->errands, &connection->owner->lane, &connection->errand);
}
