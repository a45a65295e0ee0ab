#include "io/succession.h"

#include <errno.h>
#include <stddef.h>

#include "base/assert.h"
#include "io/server.h"

bool succession_ask(struct succession *succession, struct connection *connection,
                    const struct wire_message *request)
{
    struct wire_message message = {.type = WIRE_SUCCESSOR};

    if (succession->holder == NULL)
        return true;
    if (succession->holder == connection || succession->successor == connection) {
        connection_send_done(connection, request, -EALREADY, 0, "asked already");
    } else if (request->get_control.wait == 0) {
        connection_send_done(connection, request, -EBUSY, 0, "another policy server has control");
    } else if (succession->successor != NULL) {
        connection_send_done(connection, request, -EBUSY, 0, "another successor waits for control");
    } else {
        succession->successor = connection;
        succession->successor_seq = request->seq;
        message.successor.pid = (uint32_t)connection->peer.pid;
        connection_send(succession->holder, &message, -1);
    }
    return false;
}

bool succession_hand_over(struct succession *succession, const struct wire_message *request)
{
    struct connection *holder = succession->holder;

    ensure(holder != NULL);
    if (succession->successor == NULL) {
        connection_send_done(holder, request, -ENOENT, 0, "no successor waits for control");
        return false;
    }
    succession->holder = NULL;
    connection_send_done(holder, request, 0, 0, NULL);
    return true;
}

struct connection *succession_next(struct succession *succession, uint32_t *seqp)
{
    struct connection *next = succession->successor;

    check(succession->holder == NULL);
    succession->successor = NULL;
    *seqp = succession->successor_seq;
    return next;
}

bool succession_leave(struct succession *succession, const struct connection *connection)
{
    check(succession->holder == NULL || succession->holder != succession->successor);
    if (succession->successor == connection)
        succession->successor = NULL;
    if (succession->holder != connection)
        return false;
    succession->holder = NULL;
    return true;
}
