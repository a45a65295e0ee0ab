/* Pages in another swap server, whose client this one is: stacking.
 *
 * The upper server chooses the slots, so that a table says which of its slots has which page; the table lies in
 * memory, and a device of this kind is not kept. Pages go through extents of this process, a number of which the
 * upper server is given; each call has one to itself.
 *
 * SPACE. All pages are reserved when the device opens: no write finds the upper server full. Slots of pages that are
 * not wanted any more are freed with the next write, in front of it; the upper server takes requests in order.
 *
 * WHEN THE UPPER SERVER DIES, requests wait for another one at the same path, `patience` seconds at most, then
 * fail with -EIO. If it was kept (--keep) and knows this client, nothing is lost: what was under way is sent
 * again, and slots that it may have given to requests without an answer are freed. If not, reads of pages that it
 * had fail with -EIO, until they are written again. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/below.h"
#include "backend/registry.h"
#include "backend/upstream_link.h"
#include "base/assert.h"
#include "base/error.h"
#include "os/clock.h"

static int extent_transfer(int fd, bool write, void *pages, uint32_t count)
{
    size_t bytes = (size_t)count * SWAP_PAGE;
    ssize_t moved = write ? pwrite(fd, pages, bytes, 0) : pread(fd, pages, bytes, 0);

    return moved == (ssize_t)bytes ? 0 : -EIO;
}

/* STORE pages from a buffer. Returns 0, an error of the pages, or -EPIPE. */
static int store(struct upstream *upstream, int buffer, uint32_t page, uint32_t count)
{
    struct wire_message message = {.type = WIRE_STORE};
    int code;

    message.store.pages_count = (uint16_t)count;
    for (uint32_t i = 0; i < count; i++)
        message.store.pages[i] = (struct wire_place){.extent = (uint32_t)buffer + 1, .offset = i};
    code = upstream_link_ask(upstream, &message, -1, WIRE_STORED);
    if (code == 0 && message.stored.slots_count != count)
        code = -EPROTO;
    pthread_mutex_lock(&upstream->lock);
    upstream->unsure = upstream->unsure || code == -EPIPE;
    for (uint32_t i = 0; code == 0 && i < count; i++) {
        if (message.stored.slots[i].error == 0)
            upstream->slot[page + i] = message.stored.slots[i].slot;
    }
    for (uint32_t i = 0; code == 0 && i < count; i++)
        code = -(int)message.stored.slots[i].error;
    pthread_mutex_unlock(&upstream->lock);
    return code;
}

/* The old slots of the pages are freed before they get new ones. */
static int chunk_write(struct upstream *upstream, uint32_t page, uint32_t count, void *pages)
{
    uint64_t deadline = clock_now_ns() + upstream->patience_ns;
    int code, buffer;

    do {
        pthread_mutex_lock(&upstream->lock);
        buffer = upstream_link_begin(upstream, deadline);
        for (uint32_t i = 0; buffer >= 0 && i < count; i++)
            upstream_link_drop(upstream, page + i);
        code = buffer < 0 ? buffer : upstream_link_free(upstream);
        pthread_mutex_unlock(&upstream->lock);
        if (buffer < 0)
            return code;
        if (code == 0)
            code = extent_transfer(upstream->extent[buffer], true, pages, count);
        if (code == 0)
            code = store(upstream, buffer, page, count);
        pthread_mutex_lock(&upstream->lock);
        upstream_link_end(upstream, buffer);
        pthread_mutex_unlock(&upstream->lock);
    } while (code == -EPIPE);
    return code;
}

/* LOAD what lies in the upper server. Returns as store. */
static int load(struct upstream *upstream, int buffer, const uint32_t *slot, uint32_t count)
{
    struct wire_message message = {.type = WIRE_LOAD};
    int code;

    for (uint32_t i = 0; i < count; i++)
        if (slot[i] != UPSTREAM_NONE)
            message.load.pages[message.load.pages_count++] =
                (struct wire_loading){.slot = slot[i], .extent = (uint32_t)buffer + 1, .offset = i};
    if (message.load.pages_count == 0)
        return 0;
    code = upstream_link_ask(upstream, &message, -1, WIRE_LOADED);
    for (uint32_t i = 0; code == 0 && i < message.loaded.errors_count; i++)
        code = -(int)message.loaded.errors[i].value;
    return code;
}

/* Note the slots of pages. Returns -EIO if one is lost. With the lock. */
static int slots_look(const struct upstream *upstream, uint32_t page, uint32_t count,
                      uint32_t *slot)
{
    int code = 0;

    for (uint32_t i = 0; i < count; i++) {
        slot[i] = upstream->slot[page + i];
        if (slot[i] == UPSTREAM_LOST)
            code = -EIO;
    }
    return code;
}

static int chunk_read(struct upstream *upstream, uint32_t page, uint32_t count, uint8_t *pages)
{
    uint64_t deadline = clock_now_ns() + upstream->patience_ns;
    uint32_t slot[UPSTREAM_CHUNK];
    int code, buffer;

    do {
        pthread_mutex_lock(&upstream->lock);
        buffer = upstream_link_begin(upstream, deadline);
        code = buffer < 0 ? buffer : slots_look(upstream, page, count, slot);
        pthread_mutex_unlock(&upstream->lock);
        if (buffer < 0)
            return code;
        if (code == 0)
            code = load(upstream, buffer, slot, count);
        if (code == 0)
            code = extent_transfer(upstream->extent[buffer], false, pages, count);
        pthread_mutex_lock(&upstream->lock);
        upstream_link_end(upstream, buffer);
        pthread_mutex_unlock(&upstream->lock);
    } while (code == -EPIPE);
    for (uint32_t i = 0; code == 0 && i < count; i++)
        if (slot[i] == UPSTREAM_NONE) /* it was never written */
            memset(pages + (size_t)i * SWAP_PAGE, 0, SWAP_PAGE);
    return code;
}

/* ---- The table ---- */

/* A channel wants to be used without signals. */
static void signals_block(sigset_t *before)
{
    sigset_t all;

    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

static int upstream_write(void *devicep, uint32_t page, uint32_t count, const void *pages)
{
    struct upstream *upstream = devicep;
    sigset_t before;
    int code = 0;

    ensure(page < upstream->pages && count <= upstream->pages - page);
    signals_block(&before);
    for (uint32_t done = 0, some; code == 0 && done < count; done += some) {
        some = count - done < UPSTREAM_CHUNK ? count - done : UPSTREAM_CHUNK;
        code = chunk_write(upstream, page + done, some,
                           (char *)(uintptr_t)pages + (size_t)done * SWAP_PAGE);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

static int upstream_read(void *devicep, uint32_t page, uint32_t count, void *pages)
{
    struct upstream *upstream = devicep;
    sigset_t before;
    int code = 0;

    ensure(page < upstream->pages && count <= upstream->pages - page);
    signals_block(&before);
    for (uint32_t done = 0, some; code == 0 && done < count; done += some) {
        some = count - done < UPSTREAM_CHUNK ? count - done : UPSTREAM_CHUNK;
        code = chunk_read(upstream, page + done, some, (uint8_t *)pages + (size_t)done * SWAP_PAGE);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

static void upstream_discard(void *devicep, uint32_t page, uint32_t count)
{
    struct upstream *upstream = devicep;

    pthread_mutex_lock(&upstream->lock);
    for (uint32_t i = 0; i < count; i++)
        upstream_link_drop(upstream, page + i);
    pthread_mutex_unlock(&upstream->lock);
}

static void upstream_count(void *devicep, struct swap_backend_counts *counts)
{
    struct upstream *upstream = devicep;

    pthread_mutex_lock(&upstream->lock);
    counts->reconnects += upstream->reconnects;
    counts->in_flight += upstream->in_flight;
    pthread_mutex_unlock(&upstream->lock);
}

static void upstream_close(void *upstream)
{
    upstream_link_close(upstream);
    free(upstream);
}

static const struct sp_policy_param upstream_params[] = {
    {"patience", 5, 0, 3600, "seconds that a request waits for a server that has died"},
    {0},
};

static int upstream_open(void **devicep, const struct swap_backend_wish *wish,
                         struct swap_backend_facts *facts, struct sp_error *error)
{
    struct upstream *upstream;
    double value[PARAMS_MAX];
    sigset_t before;
    bool plain;
    int code;

    if (wish->mode == SWAP_MODE_DIRECT)
        return error_set(error, EINVAL, "unix: has no page cache to bypass: leave out --direct");
    plain = wish->place[0] == '/' || wish->place[0] == '.'; /* a path may have a = in it */
    code = below_options("unix", upstream_params, plain ? "" : wish->place, value, error);
    if (code < 0)
        return code;
    upstream = calloc(1, sizeof(*upstream));
    if (upstream == NULL)
        return error_set(error, ENOMEM, "no memory for a device");
    upstream->patience_ns = (uint64_t)(value[0] * CLOCK_NS_PER_S);
    signals_block(&before);
    code = upstream_link_open(upstream, plain ? wish->place : below_device(wish->place),
                              wish->pages, error);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code < 0) {
        upstream_close(upstream);
        return code;
    }
    facts->existed = false;
    *devicep = upstream;
    return 0;
}

static int upstream_finish(void *device, struct swap_backend_facts *facts, struct sp_error *error)
{
    (void)device;
    (void)error;
    facts->waits = true;
    facts->fell_back = false;
    facts->how = "stacked";
    return 0;
}

const struct swap_backend backend_upstream = {
    .name = "unix",
    .place = "[OPTIONS:]SOCKET",
    .help = "another swap server, whose client this one is; not with --keep, --sync or --direct",
    .params = upstream_params,
    .shares = true,
    .open = upstream_open,
    .finish = upstream_finish,
    .write = upstream_write,
    .read = upstream_read,
    .discard = upstream_discard,
    .count = upstream_count,
    .close = upstream_close,
};
