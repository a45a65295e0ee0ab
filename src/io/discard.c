#include "io/discard.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/private.h"

/* Descriptors that one errand closes. An errand costs the loop a lock and a thread that wakes; but one that blocks while it
 * is closed holds up those behind it. */
#define TOGETHER 64u

struct discarded {
    struct errand errand; /* first */
    struct server *server;
    struct user *user;
    unsigned count;
    int fd[];
};

static void descriptors_run(struct errand *errand)
{
    const struct discarded *discarded = (struct discarded *)errand;

    for (unsigned i = 0; i < discarded->count; i++)
        close(discarded->fd[i]);
}

/* So many descriptors of a user less are open. */
static void closed(struct server *server, struct user *user, unsigned count)
{
    check(count <= user->unclosed);
    user->unclosed -= count;
    if (user->paused > 0 && user->unclosed <= DISCARD_MAX / 2)
        server->resume(server, user);
}

static void descriptors_done(struct errand *errand)
{
    struct discarded *discarded = (struct discarded *)errand;

    closed(discarded->server, discarded->user, discarded->count);
    user_release(&discarded->server->users, discarded->user);
    free(discarded);
}

static void discard(struct server *server, struct user *user, const int *fds, unsigned count)
{
    struct discarded *discarded = malloc(sizeof(*discarded) + count * sizeof(*fds));

    if (discarded == NULL) {
        for (unsigned i = 0; i < count; i++)
            close(fds[i]);
        return;
    }
    *discarded = (struct discarded){.errand = {.run = descriptors_run, .done = descriptors_done},
                                    .server = server,
                                    .user = user,
                                    .count = count};
    memcpy(discarded->fd, fds, count * sizeof(*fds));
    user->references++;
    user->unclosed += count;
    errand_submit(server->errands, &user->lane, &discarded->errand);
}

void discard_descriptors(struct server *server, struct user *user, const int *consume_fds,
                         unsigned count)
{
    for (unsigned done = 0, some; done < count; done += some) {
        some = count - done < TOGETHER ? count - done : TOGETHER;
        discard(server, user, consume_fds + done, some);
    }
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
    closed(server, user, 1);
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
