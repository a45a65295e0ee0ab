/* The connection of a swap server to another one. */
#include "backend/upstream_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/swap_backend.h"
#include "base/assert.h"
#include "base/error.h"
#include "client/hello.h"
#include "os/clock.h"
#include "os/extent.h"

/* Between two attempts to connect. */
#define RETRY_MS 20u

static void on_message(void *context, struct channel *channel, const struct wire_message *message,
                       int consume_fd)
{
    (void)context;
    (void)channel;
    (void)message; /* the answer to a FREE that nobody waits for */
    if (consume_fd >= 0)
        close(consume_fd);
}

int upstream_link_ask(struct upstream *upstream, struct wire_message *message, int borrowed_fd,
                      enum wire_type expected)
{
    int code = channel_ask(&upstream->channel, message, borrowed_fd, message);

    if (code < 0)
        return code;
    if (message->error != 0)
        return -(int)message->error;
    return message->type == expected ? 0 : -EPROTO;
}

/* Say HELLO, as who we were if `key` is not 0. Returns 0, or a negative errno with a text; -ENOENT: the server does
 * not know us. */
static int greet(struct upstream *upstream, uint64_t key, struct sp_error *error)
{
    const struct hello hello = {
        .role = WIRE_ROLE_TASK, .id = key != 0 ? upstream->id : 0, .key = key, .name = "swap"};
    struct wire_message message;
    int fd = link_connect(upstream->path, error), code;

    if (fd < 0)
        return fd == -ENOENT ? -ECONNREFUSED : fd; /* ENOENT is an answer */
    channel_init(&upstream->channel, fd, on_message, upstream);
    hello_fill(&message, &hello);
    code = channel_ask(&upstream->channel, &message, -1, &message);
    if (code < 0)
        code = error_set(error, EPROTO, "swap at %.160s does not answer HELLO: %s", upstream->path,
                         channel_problem(&upstream->channel));
    else
        code = hello_check(&message, "swap", error);
    if (code == 0 && message.welcome.page_size != SWAP_PAGE)
        code = error_set(error, EPROTO, "swap at %.160s has pages of %u bytes", upstream->path,
                         message.welcome.page_size);
    if (code < 0) {
        channel_fini(&upstream->channel);
        return code;
    }
    upstream->key = message.welcome.key;
    upstream->id = message.welcome.id;
    upstream->total = message.welcome.total;
    return 0;
}

static int reserve(struct upstream *upstream, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_RESERVE};
    int code;

    message.reserve.add = upstream->pages;
    code = upstream_link_ask(upstream, &message, -1, WIRE_RESERVED);
    if (code < 0)
        return error_set(error, -code, "swap at %.100s cannot reserve %u slots: %.100s",
                         upstream->path, upstream->pages,
                         message.type == WIRE_DONE ? message.done.text : strerror(-code));
    return 0;
}

static int extents_give(struct upstream *upstream, struct sp_error *error)
{
    for (uint32_t i = 0; i < UPSTREAM_BUFFERS; i++) {
        struct wire_message message = {.type = WIRE_GIVE_EXTENT};
        int code;

        message.give_extent.extent = i + 1;
        message.give_extent.pages = UPSTREAM_CHUNK;
        code = upstream_link_ask(upstream, &message, upstream->extent[i], WIRE_DONE);
        if (code < 0)
            return error_set(error, -code, "swap at %.160s does not take an extent: %s",
                             upstream->path, strerror(-code));
    }
    return 0;
}

/* Free all slots of ours that no page has. */
static int unknown_free(struct upstream *upstream)
{
    uint8_t *known = calloc((size_t)upstream->total + 1, 1);
    struct wire_message message;
    int code = known == NULL ? -ENOMEM : 0;

    for (uint32_t page = 0; code == 0 && page < upstream->pages; page++)
        if (upstream->slot[page] < upstream->total)
            known[upstream->slot[page]] = 1;
    for (uint32_t slot = 0; code == 0 && slot < upstream->total;) {
        message = (struct wire_message){.type = WIRE_FREE};
        while (slot < upstream->total && message.free.slots_count < UPSTREAM_CHUNK) {
            if (!known[slot])
                message.free.slots[message.free.slots_count++].value = slot;
            slot++;
        }
        if (message.free.slots_count > 0) /* most are not ours, and are refused */
            code = channel_ask(&upstream->channel, &message, -1, &message);
    }
    free(known);
    return code;
}

/* Become a client again, the same if the server knows it. No call is under way. */
static int reconnect(struct upstream *upstream, struct sp_error *error)
{
    bool known = upstream->key != 0;
    int code = greet(upstream, upstream->key, error);

    if (code == -ENOENT && known) {
        known = false;
        code = greet(upstream, 0, error);
    }
    if (code < 0)
        return code;
    if (!known)
        code = reserve(upstream, error);
    if (code == 0)
        code = extents_give(upstream, error);
    if (code == 0 && !known) {
        for (uint32_t page = 0; page < upstream->pages; page++)
            if (upstream->slot[page] != UPSTREAM_NONE)
                upstream->slot[page] = UPSTREAM_LOST;
        upstream->freed_count = 0;
        upstream->unsure = false;
    }
    if (code == 0 && upstream->unsure) {
        code = unknown_free(upstream);
        upstream->freed_count = code == 0 ? 0 : upstream->freed_count;
        upstream->unsure = code != 0;
    }
    if (code < 0)
        channel_fini(&upstream->channel);
    return code;
}

static void wait_until(struct upstream *upstream, uint64_t ns)
{
    struct timespec until = {.tv_sec = (time_t)(ns / CLOCK_NS_PER_S),
                             .tv_nsec = (long)(ns % CLOCK_NS_PER_S)};

    pthread_cond_timedwait(&upstream->changed, &upstream->lock, &until);
}

/* Connect if nobody does, and nobody uses the old connection. With the lock, which is released meanwhile. */
static void connection_mend(struct upstream *upstream)
{
    int code;

    if (upstream->connecting || upstream->in_flight > 0) {
        wait_until(upstream, clock_now_ns() + RETRY_MS * CLOCK_NS_PER_MS);
        return;
    }
    upstream->connecting = true;
    pthread_mutex_unlock(&upstream->lock);
    channel_fini(&upstream->channel);
    upstream->channel.link.fd = -1;
    code = reconnect(upstream, NULL);
    pthread_mutex_lock(&upstream->lock);
    upstream->connecting = false;
    upstream->connected = code == 0;
    upstream->reconnects += code == 0;
    if (code < 0)
        wait_until(upstream, clock_now_ns() + RETRY_MS * CLOCK_NS_PER_MS);
    pthread_cond_broadcast(&upstream->changed);
}

static uint32_t buffer_find(const struct upstream *upstream)
{
    uint32_t buffer = 0;

    while (buffer < UPSTREAM_BUFFERS && upstream->busy[buffer])
        buffer++;
    return buffer;
}

int upstream_link_begin(struct upstream *upstream, uint64_t deadline)
{
    for (;;) {
        uint32_t buffer = buffer_find(upstream);

        if (upstream->connected && channel_end(&upstream->channel) < 0)
            upstream->connected = false;
        if (upstream->connected && buffer < UPSTREAM_BUFFERS) {
            upstream->busy[buffer] = true;
            upstream->in_flight++;
            return (int)buffer;
        }
        if (clock_now_ns() >= deadline)
            return -EIO;
        if (upstream->connected)
            wait_until(upstream, deadline);
        else
            connection_mend(upstream);
    }
}

void upstream_link_end(struct upstream *upstream, int buffer)
{
    upstream->busy[buffer] = false;
    upstream->in_flight--;
    pthread_cond_broadcast(&upstream->changed);
}

/* Take slots that are not wanted for a FREE, whose answer nobody waits for. Returns how many. With the lock. */
static uint32_t freed_take(struct upstream *upstream, struct wire_message *message)
{
    *message = (struct wire_message){.type = WIRE_FREE};
    while (upstream->freed_count > 0 && message->free.slots_count < UPSTREAM_CHUNK)
        message->free.slots[message->free.slots_count++].value =
            upstream->freed[--upstream->freed_count];
    return message->free.slots_count;
}

void upstream_link_drop(struct upstream *upstream, uint32_t page)
{
    uint32_t slot = upstream->slot[page];

    upstream->slot[page] = UPSTREAM_NONE;
    if (slot == UPSTREAM_NONE || slot == UPSTREAM_LOST)
        return;
    ensure(upstream->freed_count < upstream->pages);
    upstream->freed[upstream->freed_count++] = slot;
}

/* Under the lock: a STORE of another thread must not overtake it, and find no room. */
int upstream_link_free(struct upstream *upstream)
{
    struct wire_message message;
    int code = 0;

    while (code == 0 && freed_take(upstream, &message) > 0) {
        struct channel_batch batch = {0};

        channel_add(&batch, &message);
        code = channel_send(&upstream->channel, &batch, -1);
    }
    upstream->unsure = upstream->unsure || code < 0;
    return code;
}

/* Tables and extents for a device that is not connected yet. */
static int parts_make(struct upstream *upstream, struct sp_error *error)
{
    int code = 0;

    upstream->slot = malloc(upstream->pages * sizeof(*upstream->slot));
    upstream->freed = malloc(upstream->pages * sizeof(*upstream->freed));
    if (upstream->slot == NULL || upstream->freed == NULL)
        return error_set(error, ENOMEM, "no memory for the slots of %u pages", upstream->pages);
    memset(upstream->slot, 0xff, upstream->pages * sizeof(*upstream->slot)); /* UPSTREAM_NONE */
    for (uint32_t i = 0; i < UPSTREAM_BUFFERS && code == 0; i++) {
        upstream->extent[i] = extent_create("selfpage-swap-upstream", UPSTREAM_CHUNK, error);
        code = upstream->extent[i] < 0 ? upstream->extent[i] : 0;
    }
    return code;
}

int upstream_link_open(struct upstream *upstream, const char *path, uint32_t pages,
                       struct sp_error *error)
{
    pthread_condattr_t monotonic;
    int code;

    upstream->path = path;
    upstream->pages = pages;
    upstream->channel.link.fd = -1;
    for (uint32_t i = 0; i < UPSTREAM_BUFFERS; i++)
        upstream->extent[i] = -1;
    pthread_mutex_init(&upstream->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&upstream->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    code = parts_make(upstream, error);
    if (code == 0)
        code = reconnect(upstream, error);
    upstream->connected = code == 0;
    return code;
}

void upstream_link_close(struct upstream *upstream)
{
    channel_fini(&upstream->channel);
    for (uint32_t i = 0; i < UPSTREAM_BUFFERS; i++)
        if (upstream->extent[i] >= 0)
            close(upstream->extent[i]);
    pthread_cond_destroy(&upstream->changed);
    pthread_mutex_destroy(&upstream->lock);
    free(upstream->slot);
    free(upstream->freed);
}
