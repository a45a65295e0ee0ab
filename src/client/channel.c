#include "client/channel.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "os/sock.h"

void channel_init(struct channel *channel, int consume_fd,
                  void (*on_message)(void *, struct channel *, const struct wire_message *, int),
                  void *context)
{
    /* Not the buffer: most of it is never needed, and then never touched. */
    memset(channel, 0, offsetof(struct channel, in));
    link_init(&channel->link, consume_fd, channel->in, sizeof(channel->in));
    channel->on_message = on_message;
    channel->context = context;
}

void channel_fini(struct channel *channel)
{
    link_close(&channel->link);
}

int channel_end(const struct channel *channel)
{
    return __atomic_load_n(&channel->end, __ATOMIC_ACQUIRE);
}

const char *channel_problem(const struct channel *channel)
{
    switch (channel_end(channel)) {
    case 0:
        return "it is open";
    case -EPROTO:
        return "the server sent what no server sends";
    case -EMFILE:
        return "this process may have no more files: raise its limit (ulimit -n)";
    default:
        return "the server has closed the connection";
    }
}

static void wake_sleepers(struct channel *channel)
{
    __atomic_add_fetch(&channel->progress, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&channel->sleepers, __ATOMIC_SEQ_CST) > 0)
        futex_wake(&channel->progress, INT32_MAX);
}

/* Note why the link has ended, unless that is known. */
static void note_end(struct channel *channel, int code)
{
    int32_t none = 0;

    __atomic_compare_exchange_n(&channel->end, &none, code, false, __ATOMIC_SEQ_CST,
                                __ATOMIC_SEQ_CST);
}

static int die(struct channel *channel)
{
    note_end(channel, -EPIPE);
    wake_sleepers(channel);
    return -EPIPE;
}

uint32_t channel_next_seq(struct channel *channel)
{
    uint32_t seq;

    futex_lock_take(&channel->calls_lock);
    seq = ++channel->next_seq;
    if (seq == 0)
        seq = ++channel->next_seq;
    futex_lock_release(&channel->calls_lock);
    return seq;
}

void channel_expect(struct channel *channel, struct channel_call *call,
                    struct wire_message *message, struct wire_message *reply)
{
    call->seq = channel_next_seq(channel);
    call->reply = reply;
    call->done = 0;
    message->seq = call->seq;
    futex_lock_take(&channel->calls_lock);
    call->next = channel->calls;
    channel->calls = call;
    futex_lock_release(&channel->calls_lock);
}

/* Take the call that waits for `seq` off the list. */
static struct channel_call *take_call(struct channel *channel, uint32_t seq)
{
    struct channel_call **callp = &channel->calls;
    struct channel_call *call;

    futex_lock_take(&channel->calls_lock);
    while (*callp != NULL && (*callp)->seq != seq)
        callp = &(*callp)->next;
    call = *callp;
    if (call != NULL)
        *callp = call->next;
    futex_lock_release(&channel->calls_lock);
    return call;
}

/* Hand on channel->message. */
static void deliver(struct channel *channel, int consume_fd)
{
    const struct wire_message *message = &channel->message;
    struct channel_call *call = NULL;

    if (consume_fd < 0 && message->seq != 0)
        call = take_call(channel, message->seq);
    if (call == NULL) {
        channel->on_message(channel->context, channel, message, consume_fd);
        return;
    }
    *call->reply = *message;
    /* From here on the call may be gone with its owner's stack. */
    __atomic_store_n(&call->done, 1, __ATOMIC_RELEASE);
}

/* Read once, and deliver what is complete. The caller has `reading`. Returns 0, or the negative
 * errno that ends the link. */
static int read_some(struct channel *channel)
{
    int result = link_pull(&channel->link), fd;

    while (result > 0) {
        result = link_take(&channel->link, &channel->message, &fd);
        if (result > 0)
            deliver(channel, fd);
    }
    return result;
}

static bool start_reading(struct channel *channel)
{
    uint32_t nobody = 0;

    return __atomic_compare_exchange_n(&channel->reading, &nobody, 1, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

/* Let others read, unless reading failed: they know it before they could start. */
static int stop_reading(struct channel *channel, int result)
{
    if (result < 0)
        note_end(channel, result);
    __atomic_store_n(&channel->reading, 0, __ATOMIC_SEQ_CST);
    wake_sleepers(channel);
    return channel_end(channel) != 0 ? -EPIPE : 0;
}

int channel_poll(struct channel *channel)
{
    if (channel_end(channel) != 0)
        return -EPIPE;
    if (!start_reading(channel))
        return 0;
    return stop_reading(channel, read_some(channel));
}

/* Read until something came, or sleep until another reader has handled something. Returns after
 * either, and at once if `progress` is not the count any more. */
static int read_or_sleep(struct channel *channel, uint32_t progress)
{
    int result;

    if (!start_reading(channel)) {
        __atomic_add_fetch(&channel->sleepers, 1, __ATOMIC_SEQ_CST);
        futex_wait(&channel->progress, progress, -1);
        __atomic_sub_fetch(&channel->sleepers, 1, __ATOMIC_SEQ_CST);
        return channel_end(channel) != 0 ? -EPIPE : 0;
    }
    if (channel_end(channel) != 0 || channel_progress(channel) != progress)
        return stop_reading(channel, 0);
    result = sock_wait(channel->link.fd, POLLIN, -1);
    return stop_reading(channel, result < 0 ? result : read_some(channel));
}

int channel_wait_progress(struct channel *channel, uint32_t progress)
{
    while (channel_progress(channel) == progress) {
        int result = channel_end(channel) != 0 ? -EPIPE : read_or_sleep(channel, progress);

        if (result != 0)
            return result;
    }
    return 0;
}

int channel_wait(struct channel *channel, struct channel_call *call)
{
    for (;;) {
        uint32_t progress = channel_progress(channel);
        int result;

        if (__atomic_load_n(&call->done, __ATOMIC_ACQUIRE) != 0)
            return 0;
        result = channel_end(channel) != 0 ? -EPIPE : read_or_sleep(channel, progress);
        if (result != 0 && __atomic_load_n(&call->done, __ATOMIC_ACQUIRE) == 0) {
            take_call(channel, call->seq);
            return result;
        }
    }
}

void channel_add(struct channel_batch *batch, const struct wire_message *message)
{
    size_t size =
        wire_encode(message, batch->bytes + batch->size, sizeof(batch->bytes) - batch->size);

    ensure(size > 0);
    batch->size += size;
}

/* The socket is full: wait for room, reading meanwhile. */
static int wait_to_send(struct channel *channel)
{
    if (sock_wait(channel->link.fd, POLLIN | POLLOUT, -1) < 0)
        return die(channel);
    return channel_poll(channel);
}

/* Send bytes, and with the first of them a descriptor. */
static int send_bytes(struct channel *channel, const unsigned char *bytes, size_t size,
                      int borrowed_fd)
{
    int result = 0;

    futex_lock_take(&channel->send_lock);
    while (size > 0 && result == 0) {
        ssize_t sent = channel_end(channel) != 0
                           ? -EPIPE
                           : sock_send(channel->link.fd, bytes, size, borrowed_fd);

        if (sent == -EAGAIN) {
            result = wait_to_send(channel);
        } else if (sent < 0) {
            result = die(channel);
        } else {
            bytes += sent;
            size -= (size_t)sent;
            borrowed_fd = -1;
        }
    }
    futex_lock_release(&channel->send_lock);
    return result;
}

int channel_send(struct channel *channel, const struct channel_batch *batch, int borrowed_fd)
{
    return send_bytes(channel, batch->bytes, batch->size, borrowed_fd);
}

/* Apart from the wait, so that the bytes do not lie on the stack meanwhile. */
static __attribute__((noinline)) int
send_message(struct channel *channel, const struct wire_message *message, int borrowed_fd)
{
    unsigned char bytes[WIRE_MESSAGE_MAX];
    size_t size = wire_encode(message, bytes, sizeof(bytes));

    ensure(size > 0);
    return send_bytes(channel, bytes, size, borrowed_fd);
}

int channel_ask(struct channel *channel, struct wire_message *message, int borrowed_fd,
                struct wire_message *reply)
{
    struct channel_call call;
    int result;

    channel_expect(channel, &call, message, reply);
    result = send_message(channel, message, borrowed_fd);
    if (result == 0)
        return channel_wait(channel, &call);
    take_call(channel, call.seq);
    return result;
}
