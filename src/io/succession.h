/* Which policy server has control of a server, and which one waits for it.
 *
 * One at a time has control (GET_CONTROL). Another one can wait: it gets control when the holder hands it over (HAND_OVER),
 * or is gone. Requests that change nothing are answered here; what it means to have control is up to the server, which
 * sets `holder` where it gives it, and answers that GET_CONTROL. All zero: nobody. To be called in the loop. */
#ifndef IO_SUCCESSION_H
#define IO_SUCCESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/message.h"

struct connection;

struct succession {
    struct connection *holder;    /* NULL: nobody has control */
    struct connection *successor; /* waits; NULL: nobody */
    uint32_t successor_seq;       /* of its GET_CONTROL */
};

/* GET_CONTROL. True: nobody has control, and the caller gives it to `connection`. False: it is answered, or waits, and the
 * holder has been told. */
bool succession_ask(struct succession *succession, struct connection *connection,
                    const struct wire_message *request);

/* HAND_OVER of the holder. True: it is answered, nobody has control now, and succession_next says who gets it. False: it is
 * refused, since nobody waits. */
bool succession_hand_over(struct succession *succession, const struct wire_message *request);

/* Who waits, and waits no more, with the seq of its GET_CONTROL; NULL if nobody does. */
struct connection *succession_next(struct succession *succession, uint32_t *seqp);

/* The connection of a policy server has closed. True: it had control; nobody has now. */
bool succession_leave(struct succession *succession, const struct connection *connection);

#endif
