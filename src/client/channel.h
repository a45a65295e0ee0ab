/* A channel: a link (client/link.h) over which several threads, some of them in fault handlers, ask
 * a server at once.
 *
 * There is no reading thread. A thread that waits for a reply reads for all: it hands each reply to
 * the thread that waits for it, and lets another thread read once its own reply has come. No lock
 * is held while a thread sleeps. Messages that nobody waits for go to `on_message`.
 *
 * Functions may be called from any thread and from fault handlers, with all signals but SIGSEGV and
 * SIGBUS blocked, and with none of the caller's locks held. They allocate nothing, and none needs
 * more than WIRE_MESSAGE_MAX bytes of stack, and a little. Apart from channel_init they return 0,
 * or -EPIPE once the link is of no more use, which stays that way; channel_problem then says why.
 */
#ifndef CLIENT_CHANNEL_H
#define CLIENT_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#include "client/link.h"
#include "os/futex.h"
#include "wire/message.h"

/* A reply to wait for; on the waiter's stack. */
struct channel_call {
    struct wire_message *reply;
    struct channel_call *next;
    uint32_t seq;
    uint32_t done;
};

struct channel {
    struct link link;            /* what is received is guarded by `reading` */
    struct wire_message message; /* the one being handled; guarded by `reading`, too */
    int32_t end;                 /* 0, or the negative errno that ended the link */
    uint32_t reading;            /* 1: a thread reads */
    uint32_t progress;           /* counts messages handled; sleepers wait on it */
    uint32_t sleepers;
    uint32_t next_seq;
    struct futex_lock send_lock;  /* so that messages do not mix */
    struct futex_lock calls_lock; /* guards calls and next_seq */
    struct channel_call *calls;
    /* A message that no call waits for. Runs on the reading thread; may take the caller's locks,
     * and may send; must not wait for the channel. The callee owns `consume_fd`, or it is -1. */
    void (*on_message)(void *context, struct channel *channel, const struct wire_message *message,
                       int consume_fd);
    void *context;
    unsigned char in[LINK_BUFFER];
};

/* Messages encoded one after the other, to be sent with one system call: as many bytes as the
 * longest message has. */
struct channel_batch {
    size_t size;
    unsigned char bytes[WIRE_MESSAGE_MAX];
};

/* Take over a connected socket, as of link_connect. It stays open until channel_fini. */
void channel_init(struct channel *channel, int consume_fd,
                  void (*on_message)(void *, struct channel *, const struct wire_message *, int),
                  void *context);

/* Close the socket. No thread may use the channel any more. May be called again, and for a channel
 * of zeros whose link.fd is -1. */
void channel_fini(struct channel *channel);

/* Why the link is of no more use: -EPIPE, -EPROTO or -EMFILE as in link.h; 0: it is of use. */
int channel_end(const struct channel *channel);

/* The same in words: "the server has closed the connection". Static. */
const char *channel_problem(const struct channel *channel);

/* A number for a message whose reply will go to on_message. */
uint32_t channel_next_seq(struct channel *channel);

/* Register `call` for the reply to `message`, which gets its number. */
void channel_expect(struct channel *channel, struct channel_call *call,
                    struct wire_message *message, struct wire_message *reply);

/* Add a message to a batch, which must have room for it. */
void channel_add(struct channel_batch *batch, const struct wire_message *message);

/* Send a batch, and with it a descriptor (-1: none). Waits while the socket is full, reading
 * meanwhile so that two full sockets cannot wait for each other. */
int channel_send(struct channel *channel, const struct channel_batch *batch, int borrowed_fd);

/* Wait for the reply of a registered call. */
int channel_wait(struct channel *channel, struct channel_call *call);

/* Send one message and wait for its reply, which may take the message's place. */
int channel_ask(struct channel *channel, struct wire_message *message, int borrowed_fd,
                struct wire_message *reply);

/* The number of messages handled so far, for channel_wait_progress. */
static inline uint32_t channel_progress(const struct channel *channel)
{
    return __atomic_load_n(&channel->progress, __ATOMIC_ACQUIRE);
}

/* Wait until more than `progress` messages have been handled. */
int channel_wait_progress(struct channel *channel, uint32_t progress);

/* Handle what is there, without waiting. */
int channel_poll(struct channel *channel);

#endif
