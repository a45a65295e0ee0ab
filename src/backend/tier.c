/* Two devices: a fast one with few pages, and a slow one with all of them.
 *
 * A page that is written goes to the fast device. When that is full, pages go down by age, which is counted in rounds
 * of a hand that goes round the fast device when room is needed: each use of a page lets it stay for one more
 * round, up to TIER_SCORE_MOST. A page that was not used again since it was stored stays for none, so that a stream of
 * cold pages does not drive out hot ones. A page that is read on the slow device, and was used lately, comes up.
 * Page i of this device has its place on the slow device at page i, so that it always finds room.
 *
 * MOVING. A page that goes down is read from the fast device, written to the slow one, and then belongs there, if it
 * was not written or discarded meanwhile. A page goes down once at a time, and nobody else writes its place on the slow
 * device before that has ended. A page that is moved or transferred keeps its place on the fast device until all of
 * that has ended (pins).
 *
 * ERRORS. If the fast device cannot be written, the page goes to the slow one. If the slow device cannot be
 * written, pages stay where they are. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/below.h"
#include "backend/registry.h"
#include "backend/tier_books.h"
#include "base/assert.h"
#include "base/error.h"

#define CHUNK 64u

/* Between the two devices of a place. */
#define SEPARATOR "++"

static const struct sp_policy_param tier_params[] = {
    {"fast", 1024, 1, 1 << 26, "pages of the fast device"},
    {0},
};

struct tier {
    struct below fast;
    struct below slow;
    char *fast_name;
    char how[96];
    pthread_mutex_t lock; /* guards what follows; never held during I/O */
    pthread_cond_t moved;
    struct tier_books books;
    uint64_t demoted;
    uint64_t promoted;
};

/* The slow device need not keep what it has of a page, unless that is being written. */
static void slow_discard(struct tier *tier, uint32_t page)
{
    if (!tier->books.usage[page].moving)
        below_discard(&tier->slow, page, 1);
}

/* ---- Going down ---- */

/* Copy one page. Without the lock. */
static int page_copy(const struct tier *tier, uint32_t page, uint32_t number, void *buffer)
{
    int code = tier->fast.backend->read(tier->fast.device, number, 1, buffer);

    return code < 0 ? code : tier->slow.backend->write(tier->slow.device, page, 1, buffer);
}

/* Make room on the fast device. With the lock, which is released meanwhile. Returns whether any page went
 * down. */
static bool tier_descend(struct tier *tier, void *buffer)
{
    struct tier_descent descent;
    bool any = false;

    tier_books_choose(&tier->books, &descent);
    pthread_mutex_unlock(&tier->lock);
    for (uint32_t i = 0; i < descent.count; i++) {
        uint32_t page = descent.page[i], number = descent.spot[i];
        int code = page_copy(tier, page, number, buffer);

        pthread_mutex_lock(&tier->lock);
        tier->books.usage[page].moving = false;
        if (tier->books.place[page] != number) { /* it was written, or discarded, meanwhile */
            slow_discard(tier, page);
            any = true;
        } else if (code == 0) {
            tier_books_leave(&tier->books, page);
            tier->demoted++;
            any = true;
        }
        tier_books_unpin(&tier->books, number);
        pthread_cond_broadcast(&tier->moved);
        pthread_mutex_unlock(&tier->lock);
    }
    pthread_mutex_lock(&tier->lock);
    return any;
}

/* ---- Writing ---- */

/* A spot for a page that is to be written: its own, or another one if that is on its way down. With the lock,
 * which may be released meanwhile. TIER_NONE: the fast device has no room. */
static uint32_t page_claim(struct tier *tier, uint32_t page, void *buffer)
{
    uint32_t number = tier->books.place[page];

    tier_books_use(&tier->books, page);
    tier->books.usage[page].known = true;
    if (number != TIER_NONE && !tier->books.usage[page].moving) {
        tier_books_pin(&tier->books, number);
        return number;
    }
    tier_books_leave(&tier->books, page);
    number = tier_books_take(&tier->books);
    while (number == TIER_NONE && tier_descend(tier, buffer))
        number = tier_books_take(&tier->books);
    return number;
}

/* Write a page to the slow device, when nobody else does. */
static int slow_write(struct tier *tier, uint32_t page, const void *bytes)
{
    pthread_mutex_lock(&tier->lock);
    while (tier->books.usage[page].moving)
        pthread_cond_wait(&tier->moved, &tier->lock);
    tier_books_leave(&tier->books, page);
    pthread_mutex_unlock(&tier->lock);
    return tier->slow.backend->write(tier->slow.device, page, 1, bytes);
}

/* Write pages to spots that are neighbours; those that cannot be written go to the slow device. */
static int run_write(struct tier *tier, uint32_t page, const uint32_t *spot, uint32_t count,
                     const uint8_t *bytes)
{
    int code = spot[0] == TIER_NONE
                   ? -ENOSPC
                   : tier->fast.backend->write(tier->fast.device, spot[0], count, bytes);
    int result = 0;

    pthread_mutex_lock(&tier->lock);
    for (uint32_t i = 0; i < count && spot[0] != TIER_NONE; i++) {
        if (code == 0 && tier->books.place[page + i] != spot[i]) {
            tier_books_enter(&tier->books, page + i, spot[i]);
            slow_discard(tier, page + i);
        }
        tier_books_unpin(&tier->books, spot[i]);
    }
    pthread_mutex_unlock(&tier->lock);
    for (uint32_t i = 0; code < 0 && i < count; i++) {
        int error = slow_write(tier, page + i, bytes + (size_t)i * SWAP_PAGE);

        result = result == 0 ? error : result;
    }
    return result;
}

/* Pages from the first on whose spots are neighbours, and move in one write. */
static uint32_t spots_run(const uint32_t *spot, uint32_t count)
{
    uint32_t run = 1;

    while (spot[0] != TIER_NONE && run < count && spot[run] == spot[run - 1] + 1)
        run++;
    return run;
}

static int tier_write(void *devicep, uint32_t page, uint32_t count, const void *pages)
{
    struct tier *tier = devicep;
    uint8_t *buffer = aligned_alloc(SWAP_PAGE, SWAP_PAGE);
    uint32_t spot[CHUNK];
    int code = buffer == NULL ? -ENOMEM : 0;

    ensure(page < tier->books.pages && count <= tier->books.pages - page);
    for (uint32_t done = 0, some; code == 0 && done < count; done += some) {
        /* Few enough that no other thread find all spots pinned. */
        some = count - done < CHUNK ? count - done : CHUNK;
        some = some < tier->books.spots / 8 + 1 ? some : tier->books.spots / 8 + 1;
        pthread_mutex_lock(&tier->lock);
        for (uint32_t i = 0; i < some; i++)
            spot[i] = page_claim(tier, page + done + i, buffer);
        pthread_mutex_unlock(&tier->lock);
        for (uint32_t i = 0, run; i < some; i += run) {
            int error;

            run = spots_run(spot + i, some - i);
            error = run_write(tier, page + done + i, spot + i, run,
                              (const uint8_t *)pages + (size_t)(done + i) * SWAP_PAGE);
            code = code == 0 ? error : code;
        }
    }
    free(buffer);
    return code;
}

/* ---- Reading ---- */

/* A page that is read on the slow device again comes up. Nobody writes it meanwhile: it is being read. */
static void page_ascend(struct tier *tier, uint32_t page, const void *bytes)
{
    uint8_t *buffer = aligned_alloc(SWAP_PAGE, SWAP_PAGE);
    uint32_t number;
    int code;

    if (buffer == NULL)
        return;
    pthread_mutex_lock(&tier->lock);
    number = tier_books_take(&tier->books);
    if (number == TIER_NONE && tier_descend(tier, buffer))
        number = tier_books_take(&tier->books);
    pthread_mutex_unlock(&tier->lock);
    free(buffer);
    if (number == TIER_NONE)
        return;
    code = tier->fast.backend->write(tier->fast.device, number, 1, bytes);
    pthread_mutex_lock(&tier->lock);
    if (code == 0 && tier->books.place[page] == TIER_NONE) {
        tier_books_enter(&tier->books, page, number);
        tier->promoted++;
    }
    tier_books_unpin(&tier->books, number);
    pthread_mutex_unlock(&tier->lock);
}

/* Read pages from the slow device, and bring up those that are wanted often. */
static int slow_read(struct tier *tier, uint32_t page, uint32_t count, uint8_t *bytes)
{
    int code = tier->slow.backend->read(tier->slow.device, page, count, bytes);

    for (uint32_t i = 0; code == 0 && i < count; i++) {
        bool again;

        pthread_mutex_lock(&tier->lock);
        again = tier_books_score(&tier->books, page + i) > 0;
        pthread_mutex_unlock(&tier->lock);
        if (again)
            page_ascend(tier, page + i, bytes + (size_t)i * SWAP_PAGE);
    }
    return code;
}

static int run_read(struct tier *tier, uint32_t page, const uint32_t *spot, uint32_t count,
                    uint8_t *bytes)
{
    int code;

    if (spot[0] == TIER_NONE)
        return slow_read(tier, page, count, bytes);
    code = tier->fast.backend->read(tier->fast.device, spot[0], count, bytes);
    pthread_mutex_lock(&tier->lock);
    for (uint32_t i = 0; i < count; i++)
        tier_books_unpin(&tier->books, spot[i]);
    pthread_mutex_unlock(&tier->lock);
    return code;
}

/* Pages from the first on that move in one read. */
static uint32_t places_run(const uint32_t *spot, uint32_t count)
{
    uint32_t run = 1;

    if (spot[0] != TIER_NONE)
        return spots_run(spot, count);
    while (run < count && spot[run] == TIER_NONE)
        run++;
    return run;
}

static int tier_read(void *devicep, uint32_t page, uint32_t count, void *pages)
{
    struct tier *tier = devicep;
    uint32_t spot[CHUNK];
    int code = 0;

    ensure(page < tier->books.pages && count <= tier->books.pages - page);
    for (uint32_t done = 0, some; code == 0 && done < count; done += some) {
        some = count - done < CHUNK ? count - done : CHUNK;
        pthread_mutex_lock(&tier->lock);
        for (uint32_t i = 0; i < some; i++) {
            tier_books_use(&tier->books, page + done + i);
            spot[i] = tier->books.place[page + done + i];
            if (spot[i] != TIER_NONE)
                tier_books_pin(&tier->books, spot[i]);
        }
        pthread_mutex_unlock(&tier->lock);
        for (uint32_t i = 0, run; i < some; i += run) {
            int error;

            run = places_run(spot + i, some - i);
            error = run_read(tier, page + done + i, spot + i, run,
                             (uint8_t *)pages + (size_t)(done + i) * SWAP_PAGE);
            code = code == 0 ? error : code;
        }
    }
    return code;
}

/* ---- The table ---- */

static void tier_discard(void *devicep, uint32_t page, uint32_t count)
{
    struct tier *tier = devicep;

    pthread_mutex_lock(&tier->lock);
    for (uint32_t i = page; i < page + count; i++) {
        tier_books_leave(&tier->books, i);
        tier->books.usage[i].score = 0;
        tier->books.usage[i].known = false;
        slow_discard(tier, i);
    }
    pthread_mutex_unlock(&tier->lock);
}

static void tier_count(void *devicep, struct swap_backend_counts *counts)
{
    struct tier *tier = devicep;

    pthread_mutex_lock(&tier->lock);
    counts->fast += tier->books.spots - tier->books.free_count;
    counts->demoted += tier->demoted;
    counts->promoted += tier->promoted;
    pthread_mutex_unlock(&tier->lock);
    below_count(&tier->fast, counts);
    below_count(&tier->slow, counts);
}

static void tier_close(void *devicep)
{
    struct tier *tier = devicep;

    below_close(&tier->fast);
    below_close(&tier->slow);
    pthread_cond_destroy(&tier->moved);
    pthread_mutex_destroy(&tier->lock);
    free(tier->fast_name);
    tier_books_fini(&tier->books);
    free(tier);
}

static int devices_open(struct tier *tier, const struct swap_backend_wish *wish,
                        struct sp_error *error)
{
    struct swap_backend_wish fast = *wish;
    const char *devices = below_device(wish->place), *slow = strstr(devices, SEPARATOR);
    int code;

    if (slow == NULL)
        return error_set(error, EINVAL,
                         "tier: needs two devices, as in tier:fast=1024:mem:" SEPARATOR
                         "file:PATH");
    tier->fast_name = strndup(devices, (size_t)(slow - devices));
    if (tier->fast_name == NULL)
        return error_set(error, ENOMEM, "no memory for a device");
    fast.mode = SWAP_MODE_AUTO;
    code = below_open(&tier->fast, &fast, tier->fast_name, tier->books.spots, error);
    return code < 0
               ? code
               : below_open(&tier->slow, wish, slow + strlen(SEPARATOR), tier->books.pages, error);
}

static int tier_open(void **devicep, const struct swap_backend_wish *wish,
                     struct swap_backend_facts *facts, struct sp_error *error)
{
    struct tier *tier = calloc(1, sizeof(*tier));
    double value[PARAMS_MAX];
    int code;

    if (tier == NULL)
        return error_set(error, ENOMEM, "no memory for a device");
    pthread_mutex_init(&tier->lock, NULL);
    pthread_cond_init(&tier->moved, NULL);
    code = below_options("tier", tier_params, wish->place, value, error);
    if (code == 0 && tier_books_init(&tier->books, wish->pages,
                                     value[0] < wish->pages ? (uint32_t)value[0] : wish->pages) < 0)
        code = error_set(error, ENOMEM, "no memory for the books of %u pages", wish->pages);
    if (code == 0)
        code = devices_open(tier, wish, error);
    if (code < 0) {
        tier_close(tier);
        return code;
    }
    facts->existed = false;
    *devicep = tier;
    return 0;
}

static int tier_finish(void *devicep, struct swap_backend_facts *facts, struct sp_error *error)
{
    struct tier *tier = devicep;
    int code = below_finish(&tier->fast, error);

    if (code == 0)
        code = below_finish(&tier->slow, error);
    if (code < 0)
        return code;
    snprintf(tier->how, sizeof(tier->how), "%.28s before %.28s", tier->fast.facts.how,
             tier->slow.facts.how);
    *facts = tier->slow.facts;
    facts->waits = tier->fast.facts.waits || tier->slow.facts.waits;
    facts->how = tier->how;
    return 0;
}

const struct swap_backend backend_tier = {
    .name = "tier",
    .place = "[OPTIONS:]FAST" SEPARATOR "SLOW",
    .help = "two devices: FAST for what is used, SLOW for the rest; not with --keep or --sync",
    .params = tier_params,
    .open = tier_open,
    .finish = tier_finish,
    .write = tier_write,
    .read = tier_read,
    .discard = tier_discard,
    .count = tier_count,
    .close = tier_close,
};
