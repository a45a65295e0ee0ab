/* A backend that fails and lies on purpose, in front of any other: for tests of what stands on it.
 *
 * What happens to which transfer is drawn from the seed, in the order in which transfers begin; with one
 * thread a run is a function of its seed.
 *
 *     write-errors, read-errors, sync-errors   the call fails, and nothing was done
 *     short     a write that transfers a part of its pages, and fails
 *     torn      a write that ends well, and has transferred only a part, cut at 512 bytes: a lie that only
 *               a checksum finds
 *     delay     milliseconds that a transfer waits at most
 *     reorder   writes that are held back at most, and handed down in any order; a read, and a sync, first
 *               hand down all of them */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/below.h"
#include "backend/registry.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/random.h"

#define SECTOR      512u
#define REORDER_MAX 64u

enum { SEED, WRITE_ERRORS, READ_ERRORS, SYNC_ERRORS, SHORT, TORN, DELAY, REORDER };

static const struct sp_policy_param debug_params[] = {
    [SEED] = {"seed", 1, 0, 1e9, "which transfers"},
    [WRITE_ERRORS] = {"write-errors", 0, 0, 1, "share of writes that fail"},
    [READ_ERRORS] = {"read-errors", 0, 0, 1, "share of reads that fail"},
    [SYNC_ERRORS] = {"sync-errors", 0, 0, 1, "share of syncs that fail"},
    [SHORT] = {"short", 0, 0, 1, "share of writes that come short, and say so"},
    [TORN] = {"torn", 0, 0, 1,
              "share of writes that are torn at 512 bytes, and say that all is well"},
    [DELAY] = {"delay", 0, 0, 10000, "milliseconds that a transfer waits at most"},
    [REORDER] = {"reorder", 0, 0, REORDER_MAX, "writes that are held back at most"},
    {0},
};

/* A write that is held back. */
struct held_write {
    uint32_t page;
    uint32_t count;
    void *pages;
};

struct debug_device {
    struct below below;
    double value[PARAMS_MAX];
    pthread_mutex_t lock; /* guards what follows; held while held writes are handed down */
    struct random_source random;
    struct held_write held[REORDER_MAX];
    uint32_t held_count;
};

/* What is drawn for one transfer. */
struct fate {
    bool fails;
    bool falls_short;
    bool is_torn;
    double delay; /* milliseconds */
    double where; /* of the cut, in [0, 1) */
};

static bool draw(struct debug_device *device, int rate)
{
    return random_unit(&device->random) < device->value[rate];
}

/* Draw the same numbers for each transfer, whatever is asked for. */
static struct fate fate_draw(struct debug_device *device, int errors)
{
    struct fate fate;

    pthread_mutex_lock(&device->lock);
    fate.fails = draw(device, errors);
    fate.falls_short = draw(device, SHORT);
    fate.is_torn = draw(device, TORN);
    fate.delay = random_unit(&device->random) * device->value[DELAY];
    fate.where = random_unit(&device->random);
    pthread_mutex_unlock(&device->lock);
    return fate;
}

static void pause_for(double milliseconds)
{
    struct timespec rest = {.tv_sec = (time_t)(milliseconds / 1000)};

    if (milliseconds <= 0)
        return;
    rest.tv_nsec = (long)((milliseconds - (double)rest.tv_sec * 1000) * 1e6);
    while (nanosleep(&rest, &rest) < 0 && errno == EINTR)
        ;
}

/* ---- Writes that are held back ---- */

/* Hand one down, any of them. With the lock. */
static int held_release(struct debug_device *device)
{
    uint32_t which = random_below(&device->random, device->held_count);
    struct held_write write = device->held[which];
    int code =
        device->below.backend->write(device->below.device, write.page, write.count, write.pages);

    device->held[which] = device->held[--device->held_count];
    free(write.pages);
    return code;
}

/* Hand down all of them. Returns the first error. With the lock. */
static int held_release_all(struct debug_device *device)
{
    int code = 0;

    while (device->held_count > 0) {
        int error = held_release(device);

        if (code == 0)
            code = error;
    }
    return code;
}

static bool held_overlaps(const struct debug_device *device, uint32_t page, uint32_t count)
{
    for (uint32_t i = 0; i < device->held_count; i++)
        if (device->held[i].page < page + count &&
            page < device->held[i].page + device->held[i].count)
            return true;
    return false;
}

/* Hold a write back, and hand another one down if there are too many. Two for one page keep their order: that
 * much a device promises. With the lock. */
static int held_add(struct debug_device *device, uint32_t page, uint32_t count, const void *pages)
{
    size_t bytes = (size_t)count * SWAP_PAGE;
    void *copy = aligned_alloc(SWAP_PAGE, bytes);
    int code = 0;

    if (copy == NULL)
        return -ENOMEM;
    memcpy(copy, pages, bytes);
    if (held_overlaps(device, page, count))
        code = held_release_all(device);
    device->held[device->held_count++] =
        (struct held_write){.page = page, .count = count, .pages = copy};
    check(device->held_count <= REORDER_MAX);
    if (device->held_count >= (uint32_t)device->value[REORDER]) {
        int error = held_release(device);

        if (code == 0)
            code = error;
    }
    return code;
}

/* ---- The table ---- */

static int debug_open(void **devicep, const struct swap_backend_wish *wish,
                      struct swap_backend_facts *facts, struct sp_error *error)
{
    struct debug_device *device = calloc(1, sizeof(*device));
    int code;

    if (device == NULL)
        return error_set(error, ENOMEM, "no memory for a device");
    code = below_options("debug", debug_params, wish->place, device->value, error);
    if (code == 0)
        code = below_open(&device->below, wish, below_device(wish->place), wish->pages, error);
    if (code < 0) {
        free(device);
        return code;
    }
    device->random = random_seeded((uint64_t)device->value[SEED]);
    pthread_mutex_init(&device->lock, NULL);
    *facts = device->below.facts;
    *devicep = device;
    return 0;
}

static int debug_finish(void *devicep, struct swap_backend_facts *facts, struct sp_error *error)
{
    struct debug_device *device = devicep;
    int code = below_finish(&device->below, error);

    *facts = device->below.facts;
    facts->waits = facts->waits || device->value[DELAY] > 0;
    return code;
}

/* Write the first `bytes` bytes; the rest of the page in which they end stays as it was. */
static int write_torn(struct debug_device *device, uint32_t page, const uint8_t *pages,
                      size_t bytes)
{
    const struct below *below = &device->below;
    uint32_t whole = (uint32_t)(bytes / SWAP_PAGE);
    uint8_t *last = aligned_alloc(SWAP_PAGE, SWAP_PAGE);
    int code = last == NULL ? -ENOMEM : 0;

    if (code == 0 && whole > 0)
        code = below->backend->write(below->device, page, whole, pages);
    if (code == 0 && bytes % SWAP_PAGE != 0) {
        code = below->backend->read(below->device, page + whole, 1, last);
        memcpy(last, pages + (size_t)whole * SWAP_PAGE, bytes % SWAP_PAGE);
        if (code == 0)
            code = below->backend->write(below->device, page + whole, 1, last);
    }
    free(last);
    return code;
}

/* A write for which something was drawn. It is not held back, and neither is any write before it. */
static int write_badly(struct debug_device *device, uint32_t page, uint32_t count,
                       const void *pages, const struct fate *fate)
{
    size_t sectors = (size_t)count * (SWAP_PAGE / SECTOR);
    size_t cut = (size_t)(fate->where * (double)sectors);
    int code;

    pthread_mutex_lock(&device->lock);
    code = held_release_all(device);
    pthread_mutex_unlock(&device->lock);
    if (code == 0)
        code = write_torn(device, page, pages, cut * SECTOR);
    return code == 0 && fate->falls_short ? -EIO : code;
}

static int debug_write(void *devicep, uint32_t page, uint32_t count, const void *pages)
{
    struct debug_device *device = devicep;
    struct fate fate = fate_draw(device, WRITE_ERRORS);
    int code;

    pause_for(fate.delay);
    if (fate.fails)
        return -EIO;
    if (fate.falls_short || fate.is_torn)
        return write_badly(device, page, count, pages, &fate);
    if (device->value[REORDER] < 1)
        return device->below.backend->write(device->below.device, page, count, pages);
    pthread_mutex_lock(&device->lock);
    code = held_add(device, page, count, pages);
    pthread_mutex_unlock(&device->lock);
    return code;
}

static int debug_read(void *devicep, uint32_t page, uint32_t count, void *pages)
{
    struct debug_device *device = devicep;
    struct fate fate = fate_draw(device, READ_ERRORS);
    int code;

    pause_for(fate.delay);
    if (fate.fails)
        return -EIO;
    pthread_mutex_lock(&device->lock);
    code = held_overlaps(device, page, count) ? held_release_all(device) : 0;
    pthread_mutex_unlock(&device->lock);
    return code < 0 ? code : device->below.backend->read(device->below.device, page, count, pages);
}

/* A write of these pages that is held back is handed down first: after the discard it would count as one that
 * is wanted. */
static void debug_discard(void *devicep, uint32_t page, uint32_t count)
{
    struct debug_device *device = devicep;

    pthread_mutex_lock(&device->lock);
    if (held_overlaps(device, page, count))
        (void)held_release_all(device);
    pthread_mutex_unlock(&device->lock);
    below_discard(&device->below, page, count);
}

static void debug_count(void *devicep, struct swap_backend_counts *counts)
{
    const struct debug_device *device = devicep;

    below_count(&device->below, counts);
}

static int debug_head_write(void *devicep, uint64_t offset, const void *bytes, uint32_t count)
{
    struct debug_device *device = devicep;

    return device->below.backend->head_write(device->below.device, offset, bytes, count);
}

static int debug_head_read(void *devicep, uint64_t offset, void *bytes, uint32_t count)
{
    struct debug_device *device = devicep;

    return device->below.backend->head_read(device->below.device, offset, bytes, count);
}

static int debug_sync(void *devicep)
{
    struct debug_device *device = devicep;
    struct fate fate = fate_draw(device, SYNC_ERRORS);
    int code;

    pause_for(fate.delay);
    pthread_mutex_lock(&device->lock);
    code = held_release_all(device);
    pthread_mutex_unlock(&device->lock);
    if (fate.fails)
        return -EIO;
    return code < 0 ? code : device->below.backend->sync(device->below.device);
}

static void debug_close(void *devicep)
{
    struct debug_device *device = devicep;

    (void)held_release_all(device);
    below_close(&device->below);
    pthread_mutex_destroy(&device->lock);
    free(device);
}

const struct swap_backend backend_debug = {
    .name = "debug",
    .place = "[OPTIONS:]DEVICE",
    .help = "fails and lies on purpose, in front of DEVICE; for tests",
    .params = debug_params,
    .keeps = true,
    .filter = true,
    .open = debug_open,
    .finish = debug_finish,
    .write = debug_write,
    .read = debug_read,
    .discard = debug_discard,
    .head_write = debug_head_write,
    .head_read = debug_head_read,
    .sync = debug_sync,
    .count = debug_count,
    .close = debug_close,
};
