#include "core/leases/lease_book.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"

uint32_t lease_book_slots(uint32_t frames)
{
    uint64_t slots = (uint64_t)frames * 2 + EXTENT_PAGES;

    return slots < CONTAINER_SLOTS_MAX ? (uint32_t)slots : CONTAINER_SLOTS_MAX;
}

static size_t words_size(uint32_t slots)
{
    return 2 * bitmap_words(slots) * sizeof(uint64_t);
}

int lease_book_init(struct lease_book *book, const struct allocator *allocator, uint32_t frames,
                    uint32_t container, uint32_t held)
{
    uint32_t slots = lease_book_slots(frames);

    ensure(held <= slots);
    memset(book, 0, sizeof(*book));
    book->allocator = allocator;
    book->words = memory_new(allocator, words_size(slots));
    if (book->words == NULL)
        return -ENOMEM;
    bitmap_init(&book->stock, slots, book->words);
    bitmap_init(&book->holes, slots, book->words + bitmap_words(slots));
    for (uint32_t slot = 0; slot < slots; slot++)
        bitmap_set(slot < held ? &book->stock : &book->holes, slot);
    book->stock_container = container;
    book->stock_count = held;
    return 0;
}

void lease_book_fini(struct lease_book *book)
{
    while (book->first != NULL) {
        book->first->owner = NULL;
        lease_book_remove(book->first);
    }
    memory_free(book->allocator, book->words, words_size(book->stock.bits));
    book->words = NULL;
}

struct lease *lease_book_add(struct lease_book *book, void *owner, uint32_t pages)
{
    struct lease *lease;

    ensure(owner != NULL && pages <= EXTENT_PAGES);
    lease = memory_new(book->allocator, sizeof(*lease));
    if (lease == NULL)
        return NULL;
    lease->book = book;
    lease->owner = owner;
    lease->pages = pages;
    lease->fd = -1;
    lease->next = book->first;
    if (lease->next != NULL)
        lease->next->prev = lease;
    book->first = lease;
    book->leases++;
    return lease;
}

/* It is not in the list of those that want something any more. */
static void unwant(struct lease *lease)
{
    struct lease_book *book = lease->book;
    struct lease **link = &book->wanting_first;
    struct lease *before = NULL;

    if (!lease->wanting)
        return;
    while (*link != lease) {
        ensure(*link != NULL);
        before = *link;
        link = &before->next_wanting;
    }
    *link = lease->next_wanting;
    if (book->wanting_last == lease)
        book->wanting_last = before;
    lease->wanting = false;
}

void lease_book_end(struct lease *lease)
{
    struct lease_book *book = lease->book;

    ensure(lease->owner != NULL && book->leases > 0);
    unwant(lease);
    book->leases--;
    lease->owner = NULL;
    lease->fd = -1;
    memset(lease->used, 0, sizeof(lease->used));
    lease_book_recount(lease);
    check(lease->spares == 0);
}

void lease_book_remove(struct lease *lease)
{
    struct lease_book *book = lease->book;

    ensure(lease->owner == NULL);
    check((lease->prev == NULL) == (book->first == lease));
    if (lease->next != NULL)
        lease->next->prev = lease->prev;
    if (lease->prev != NULL)
        lease->prev->next = lease->next;
    else
        book->first = lease->next;
    memory_free(book->allocator, lease, sizeof(*lease));
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
    check(spares <= lease->pages);
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
    ensure(book->stock_count >= count);
    for (uint32_t slot = start; slot < start + count; slot++) {
        check(bitmap_test(&book->stock, slot));
        bitmap_clear(&book->stock, slot);
    }
    book->stock_count -= count;
}

void lease_book_expect(struct lease_book *book, struct lease *lease, uint32_t start, uint32_t count)
{
    if (lease != NULL) {
        pages_add(lease->coming, start, count);
        return;
    }
    for (uint32_t slot = start; slot < start + count; slot++) {
        check(bitmap_test(&book->holes, slot));
        bitmap_clear(&book->holes, slot);
    }
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
    for (uint32_t slot = start; slot < start + count; slot++) {
        check(!bitmap_test(&book->stock, slot) && !bitmap_test(&book->holes, slot));
        bitmap_set(came ? &book->stock : &book->holes, slot);
    }
    book->stock_count += came ? count : 0;
    check(book->stock_count <= book->stock.bits);
}

void lease_book_left(struct lease_book *book, const struct lease *lease, uint32_t start,
                     uint32_t count)
{
    for (uint32_t slot = start; lease == NULL && slot < start + count; slot++) {
        check(!bitmap_test(&book->stock, slot));
        bitmap_set(&book->holes, slot);
    }
}

void lease_book_stay(struct lease_book *book, struct lease *lease, uint32_t start, uint32_t count)
{
    if (lease != NULL) {
        ensure(!lease->lost);
        pages_add(lease->held, start, count);
        lease_book_recount(lease);
        return;
    }
    lease_book_expect(book, NULL, start, count);
    lease_book_arrive(book, NULL, start, count, true);
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
    check(count > 0 || first == BITMAP_NONE || most == 0);
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

    check(lease->owner != NULL);
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

    ensure(lease != NULL && lease->wanting);
    lease->wanting = false;
    book->wanting_first = lease->next_wanting;
    if (book->wanting_first == NULL)
        book->wanting_last = NULL;
}

/* ---- What the physmem above says ---- */

uint32_t lease_book_take_stock(struct lease_book *book, uint32_t start, uint32_t count)
{
    uint32_t taken = 0;

    for (uint32_t i = 0; start < book->stock.bits && i < count && i < book->stock.bits - start;
         i++) {
        if (!bitmap_test(&book->stock, start + i))
            continue;
        bitmap_clear(&book->stock, start + i);
        bitmap_set(&book->holes, start + i);
        taken++;
    }
    ensure(book->stock_count >= taken);
    book->stock_count -= taken;
    return taken;
}

uint32_t lease_book_lose(struct lease *lease)
{
    uint32_t taken = lease->lost ? 0 : pages_count(lease->held) + pages_count(lease->coming);

    lease->lost = true;
    memset(lease->held, 0, sizeof(lease->held));
    memset(lease->mapped, 0, sizeof(lease->mapped));
    lease_book_recount(lease);
    check(lease->spares == 0);
    return taken;
}

struct lease *lease_book_find(const struct lease_book *book, uint32_t container)
{
    struct lease *lease = book->first;

    while (lease != NULL && lease->container != container)
        lease = lease->next;
    return lease;
}
