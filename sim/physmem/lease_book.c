#include "lease_book.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"

uint32_t lease_book_slots(uint32_t frames)
{
    uint64_t slots = (uint64_t)frames * 2 + EXTENT_PAGES;

    return slots < CONTAINER_SLOTS_MAX ? (uint32_t)slots : CONTAINER_SLOTS_MAX;
}

int lease_book_init(struct lease_book *book, struct upstream *upstream, uint32_t frames,
                    uint32_t container, uint32_t held)
{
    uint32_t slots = lease_book_slots(frames);
    size_t words = bitmap_words(slots);

    ensure(held <= slots);
    memset(book, 0, sizeof(*book));
    book->words = calloc(2 * words, sizeof(uint64_t));
    if (book->words == NULL)
        return -ENOMEM;
    bitmap_init(&book->stock, slots, book->words);
    bitmap_init(&book->holes, slots, book->words + words);
    for (uint32_t slot = 0; slot < slots; slot++)
        bitmap_set(slot < held ? &book->stock : &book->holes, slot);
    book->upstream = upstream;
    book->stock_container = container;
    book->stock_count = held;
    return 0;
}

void lease_book_remove(struct lease *lease)
{
    if (lease->next != NULL)
        lease->next->prev = lease->prev;
    if (lease->prev != NULL)
        lease->prev->next = lease->next;
    else
        lease->book->first = lease->next;
    free(lease);
}

void lease_book_fini(struct lease_book *book)
{
    struct lease_arrival *arrival;

    while (book->first != NULL) {
        if (book->first->owner == NULL && book->first->fd >= 0)
            close(book->first->fd);
        lease_book_remove(book->first);
    }
    while ((arrival = book->arrivals) != NULL) {
        book->arrivals = arrival->next;
        close(arrival->fd);
        free(arrival);
    }
    free(book->words);
    book->words = NULL;
}

void lease_book_fail(struct lease_book *book, const char *what)
{
    if (book->failed)
        return;
    book->failed = true;
    book->handlers.on_failed(book->context, what);
}

/* The pages of a lease that can go elsewhere. */
static void spare_pages(const struct lease *lease, uint64_t words[PAGES_WORDS])
{
    for (unsigned i = 0; i < PAGES_WORDS; i++)
        words[i] = lease->held[i] & ~lease->used[i] & ~lease->dirty[i];
}

void lease_book_recount(struct lease *lease)
{
    uint64_t words[PAGES_WORDS];
    uint32_t spares = 0;

    spare_pages(lease, words);
    if (lease->owner != NULL && !lease->lost)
        spares = pages_count(words);
    ensure(lease->book->spares >= lease->spares);
    lease->book->spares += spares - lease->spares;
    lease->spares = spares;
}

/* ---- Frames that move ---- */

uint32_t lease_book_container(const struct lease_book *book, const struct lease *lease)
{
    return lease != NULL ? lease->container : book->stock_container;
}

void lease_book_leave(struct lease_book *book, struct lease *lease, uint32_t start, uint32_t count)
{
    if (lease != NULL) {
        pages_remove(lease->held, start, count);
        pages_remove(lease->mapped, start, count);
        lease_book_recount(lease);
        return;
    }
    for (uint32_t slot = start; slot < start + count; slot++)
        bitmap_clear(&book->stock, slot);
    book->stock_count -= count;
}

void lease_book_expect(struct lease_book *book, struct lease *lease, uint32_t start, uint32_t count)
{
    if (lease != NULL) {
        pages_add(lease->coming, start, count);
        return;
    }
    for (uint32_t slot = start; slot < start + count; slot++)
        bitmap_clear(&book->holes, slot);
}

void lease_book_arrive(struct lease_book *book, struct lease *lease, uint32_t start, uint32_t count,
                       bool came)
{
    if (lease != NULL) {
        pages_remove(lease->coming, start, count);
        if (came && !lease->lost)
            pages_add(lease->held, start, count);
        lease_book_recount(lease);
        return;
    }
    for (uint32_t slot = start; slot < start + count; slot++)
        bitmap_set(came ? &book->stock : &book->holes, slot);
    book->stock_count += came ? count : 0;
}

void lease_book_left(struct lease_book *book, const struct lease *lease, uint32_t start,
                     uint32_t count)
{
    for (uint32_t slot = start; lease == NULL && slot < start + count; slot++)
        bitmap_set(&book->holes, slot);
}

/* ---- Where frames are taken from ---- */

uint32_t lease_book_run(const struct bitmap *bitmap, uint32_t most, uint32_t *firstp)
{
    uint32_t first = bitmap_first(bitmap);
    uint32_t count = 0;

    *firstp = first;
    while (first != BITMAP_NONE && count < most && first + count < bitmap->bits &&
           bitmap_test(bitmap, first + count))
        count++;
    return count;
}

uint32_t lease_book_find_spare(const struct lease_book *book, struct lease *last, uint32_t most,
                               struct lease **leasep, uint32_t *firstp)
{
    uint64_t words[PAGES_WORDS];
    struct lease *lease = book->first;

    *leasep = NULL;
    if (book->stock_count > 0)
        return lease_book_run(&book->stock, most, firstp);
    if (book->spares == 0)
        return 0;
    while (lease != NULL && (lease->spares == 0 || lease == last))
        lease = lease->next;
    if (lease == NULL)
        lease = last;
    ensure(lease != NULL && lease->spares > 0);
    *leasep = lease;
    spare_pages(lease, words);
    return pages_run(words, lease->pages, most, firstp);
}

/* ---- Leases that want something ---- */

void lease_book_want(struct lease *lease)
{
    struct lease_book *book = lease->book;

    if (lease->wanting)
        return;
    lease->wanting = true;
    lease->next_wanting = NULL;
    if (book->wanting_last != NULL)
        book->wanting_last->next_wanting = lease;
    else
        book->wanting_first = lease;
    book->wanting_last = lease;
}

void lease_book_unwant_first(struct lease_book *book)
{
    struct lease *lease = book->wanting_first;

    lease->wanting = false;
    book->wanting_first = lease->next_wanting;
    if (book->wanting_first == NULL)
        book->wanting_last = NULL;
}

void lease_book_unwant(struct lease *lease)
{
    struct lease_book *book = lease->book;
    struct lease **link = &book->wanting_first;
    struct lease *before = NULL;

    if (!lease->wanting)
        return;
    while (*link != lease) {
        before = *link;
        link = &before->next_wanting;
    }
    *link = lease->next_wanting;
    if (book->wanting_last == lease)
        book->wanting_last = before;
    lease->wanting = false;
}

/* ---- What the physmem above says ---- */

uint32_t lease_book_take_stock(struct lease_book *book, const struct wire_message *message)
{
    uint32_t taken = 0;

    for (uint16_t i = 0; i < message->repossessed.ranges_count; i++) {
        uint32_t slot = message->repossessed.ranges[i].start;
        uint32_t end = slot + message->repossessed.ranges[i].count;

        for (; slot < end && slot < book->stock.bits; slot++)
            if (bitmap_test(&book->stock, slot)) {
                bitmap_clear(&book->stock, slot);
                bitmap_set(&book->holes, slot);
                taken++;
            }
    }
    book->stock_count -= taken;
    return taken;
}

struct lease *lease_book_find(const struct lease_book *book, uint32_t container)
{
    struct lease *lease = book->first;

    while (lease != NULL && lease->container != container)
        lease = lease->next;
    return lease;
}
