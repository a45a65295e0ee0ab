#include "task/channel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "os/sock.h"

void channel_init(struct channel *channel, int consume_fd,
                  void (*on_message)(void *, struct channel *, const struct wire_message *, int),
                  void *context)
{
    /* Not the buffer: most of it is never needed, and then never touched. */
    memset(channel, 0, offsetof(struct channel, in));
    channel->fd = consume_fd;
    channel->on_message = on_message;
    channel->context = context;
}

void channel_fini(struct channel *channel)
{
    for (uint32_t i = 0; i < channel->fds_count; i++)
        close(channel->fds[i]);
    channel->fds_count = 0;
    if (channel->fd >= 0)
        close(channel->fd);
    channel->fd = -1;
}

static bool is_dead(const struct channel *channel)
{
    return __atomic_load_n(&channel->dead, __ATOMIC_ACQUIRE) != 0;
}

uint32_t channel_progress(const struct channel *channel)
{
    return __atomic_load_n(&channel->progress, __ATOMIC_ACQUIRE);
}

static void wake_sleepers(struct channel *channel)
{
    __atomic_add_fetch(&channel->progress, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&channel->sleepers, __ATOMIC_SEQ_CST) > 0)
        futex_wake(&channel->progress, INT32_MAX);
}

static int die(struct channel *channel)
{
    __atomic_store_n(&channel->dead, 1, __ATOMIC_RELEASE);
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

static void deliver(struct channel *channel, const struct wire_message *message)
{
    struct channel_call *call = NULL;
    int fd = -1;

    if (message->nfds > 0) {
        fd = channel->fds[0];
        channel->fds_count--;
        memmove(channel->fds, channel->fds + 1, channel->fds_count * sizeof(channel->fds[0]));
    } else if (message->seq != 0) {
        call = take_call(channel, message->seq);
    }
    if (call == NULL) {
        channel->on_message(channel->context, channel, message, fd);
        return;
    }
    *call->reply = *message;
    /* From here on the call may be gone with its owner's stack. */
    __atomic_store_n(&call->done, 1, __ATOMIC_RELEASE);
}

/* Deliver the complete messages in the buffer. */
static int deliver_all(struct channel *channel)
{
    struct wire_message message;
    size_t from = 0;

    while (from < channel->in_used) {
        size_t used;
        enum wire_verdict verdict =
            wire_decode(channel->in + from, channel->in_used - from, &message, &used);

        if (verdict == WIRE_MORE)
            break;
        if (verdict != WIRE_OK || message.nfds > channel->fds_count)
            return -EPROTO;
        from += used;
        deliver(channel, &message);
    }
    channel->in_used -= from;
    memmove(channel->in, channel->in + from, channel->in_used);
    return 0;
}

/* Read once. The caller has `reading`. Returns the bytes read, 0 if there are none now. */
static ssize_t read_some(struct channel *channel)
{
    int fd;
    ssize_t got = sock_receive(channel->fd, channel->in + channel->in_used,
                               sizeof(channel->in) - channel->in_used, &fd);

    if (got == -EAGAIN)
        return 0;
    if (got <= 0)
        return -EPIPE;
    if (fd >= 0) {
        if (channel->fds_count == CHANNEL_FDS) {
            close(fd);
            return -EPROTO;
        }
        channel->fds[channel->fds_count++] = fd;
    }
    channel->in_used += (size_t)got;
    return deliver_all(channel) != 0 ? -EPROTO : got;
}

static bool start_reading(struct channel *channel)
{
    uint32_t nobody = 0;

    return __atomic_compare_exchange_n(&channel->reading, &nobody, 1, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

/* Let others read, unless reading failed: that is known to them before they could start. */
static int stop_reading(struct channel *channel, bool failed)
{
    if (failed)
        __atomic_store_n(&channel->dead, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&channel->reading, 0, __ATOMIC_SEQ_CST);
    wake_sleepers(channel);
    return is_dead(channel) ? -EPIPE : 0;
}

int channel_poll(struct channel *channel)
{
    if (is_dead(channel))
        return -EPIPE;
    if (!start_reading(channel))
        return 0;
    return stop_reading(channel, read_some(channel) < 0);
}

/* Read until something came, or sleep until another reader has handled something. Returns after
 * either, and at once if `progress` is not the count any more. */
static int read_or_sleep(struct channel *channel, uint32_t progress)
{
    if (!start_reading(channel)) {
        __atomic_add_fetch(&channel->sleepers, 1, __ATOMIC_SEQ_CST);
        futex_wait(&channel->progress, progress, -1);
        __atomic_sub_fetch(&channel->sleepers, 1, __ATOMIC_SEQ_CST);
        return is_dead(channel) ? -EPIPE : 0;
    }
    if (is_dead(channel) || channel_progress(channel) != progress)
        return stop_reading(channel, false);
    return stop_reading(channel, sock_wait(channel->fd, POLLIN, -1) < 0 || read_some(channel) < 0);
}

int channel_wait_progress(struct channel *channel, uint32_t progress)
{
    while (channel_progress(channel) == progress) {
        int result = is_dead(channel) ? -EPIPE : read_or_sleep(channel, progress);

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
        result = is_dead(channel) ? -EPIPE : read_or_sleep(channel, progress);
        if (result != 0 && __atomic_load_n(&call->done, __ATOMIC_ACQUIRE) == 0) {
            take_call(channel, call->seq);
            return result;
        }
    }
}

void channel_add(struct channel_batch *batch, const struct wire_message *message)
{
    batch->size +=
        wire_encode(message, batch->bytes + batch->size, sizeof(batch->bytes) - batch->size);
}

int channel_send(struct channel *channel, const struct channel_batch *batch, int borrowed_fd)
{
    size_t sent = 0;
    int result = 0;

    futex_lock_take(&channel->send_lock);
    while (sent < batch->size && result == 0) {
        ssize_t n = is_dead(channel) ? -EPIPE
                                     : sock_send(channel->fd, batch->bytes + sent,
                                                 batch->size - sent, sent == 0 ? borrowed_fd : -1);

        if (n >= 0) {
            sent += (size_t)n;
        } else if (n == -EAGAIN) {
            if (sock_wait(channel->fd, POLLIN | POLLOUT, -1) < 0)
                result = die(channel);
            else
                result = channel_poll(channel);
        } else {
            result = die(channel);
        }
    }
    futex_lock_release(&channel->send_lock);
    return result;
}

int channel_ask(struct channel *channel, struct wire_message *message, int borrowed_fd,
                struct wire_message *reply)
{
    struct channel_batch batch;
    struct channel_call call;
    int result;

    batch.size = 0;
    channel_expect(channel, &call, message, reply);
    channel_add(&batch, message);
    result = channel_send(channel, &batch, borrowed_fd);
    if (result != 0) {
        take_call(channel, call.seq);
        return result;
    }
    return channel_wait(channel, &call);
}
