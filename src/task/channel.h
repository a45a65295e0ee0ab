/* A connection over which several threads, some of them in fault handlers, ask a server at once.
 *
 * There is no reading thread: whoever waits for a reply reads for all, hands each reply to the one
 * who waits for it, and passes the reading on when its own has come. No lock is held while a thread
 * sleeps. Messages that nobody waits for go to `on_message`.
 *
 * Functions may be called from any thread and from fault handlers, with all signals but SIGSEGV and
 * SIGBUS blocked, and with none of the caller's locks held. They allocate nothing. Apart from
 * channel_init they return 0, or -EPIPE once the server is gone (which stays so). */
#ifndef TASK_CHANNEL_H
#define TASK_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/futex.h"
#include "wire/message.h"

/* Descriptors that may have come before the messages that announce them were complete. */
#define CHANNEL_FDS 8u

/* Bytes of encoded messages that are sent at once. */
#define CHANNEL_BATCH 8192u

/* A reply to wait for; on the waiter's stack. */
struct channel_call {
    struct wire_message *reply;
    struct channel_call *next;
    uint32_t seq;
    uint32_t done;
};

struct channel {
    int fd;
    uint32_t dead;     /* 1: the server is gone */
    uint32_t reading;  /* 1: a thread reads */
    uint32_t progress; /* counts messages handled; sleepers wait on it */
    uint32_t sleepers;
    uint32_t next_seq;
    struct futex_lock send_lock;  /* so that messages do not mix */
    struct futex_lock calls_lock; /* guards calls and next_seq */
    struct channel_call *calls;
    /* A message that no call waits for. Runs on the reading thread; may take the caller's locks,
     * and may send; must not wait for the channel. `consume_fd` is the callee's, or -1. */
    void (*on_message)(void *context, struct channel *channel, const struct wire_message *message,
                       int consume_fd);
    void *context;
    int fds[CHANNEL_FDS]; /* received, not yet announced; guarded by `reading` */
    uint32_t fds_count;
    size_t in_used;
    unsigned char in[2 * WIRE_MESSAGE_MAX];
};

/* Messages encoded one after the other, to be sent with one system call. */
struct channel_batch {
    size_t size;
    unsigned char bytes[CHANNEL_BATCH];
};

/* Take over a connected socket. It stays open after the server is gone, until channel_fini. */
void channel_init(struct channel *channel, int consume_fd,
                  void (*on_message)(void *, struct channel *, const struct wire_message *, int),
                  void *context);
void channel_fini(struct channel *channel);

/* A number for a message whose reply will go to on_message. */
uint32_t channel_next_seq(struct channel *channel);

/* Register `call` for the reply to `message`, which gets its number. */
void channel_expect(struct channel *channel, struct channel_call *call,
                    struct wire_message *message, struct wire_message *reply);

/* Add a message to a batch. It must fit: see CHANNEL_BATCH. */
void channel_add(struct channel_batch *batch, const struct wire_message *message);

/* Send a batch, and with it a descriptor (-1: none). Waits while the socket is full, reading
 * meanwhile so that two full sockets cannot wait for each other. */
int channel_send(struct channel *channel, const struct channel_batch *batch, int borrowed_fd);

/* Wait for the reply of a registered call. */
int channel_wait(struct channel *channel, struct channel_call *call);

/* Send one message and wait for its reply. */
int channel_ask(struct channel *channel, struct wire_message *message, int borrowed_fd,
                struct wire_message *reply);

/* The number of messages handled so far, for channel_wait_progress. */
uint32_t channel_progress(const struct channel *channel);

/* Wait until more than `progress` messages have been handled. */
int channel_wait_progress(struct channel *channel, uint32_t progress);

/* Handle what is there, without waiting. */
int channel_poll(struct channel *channel);

#endif
