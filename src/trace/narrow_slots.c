/* Open addressing with linear probing, and only a part of an id in each slot: the rest follows from where the slot
 * lies (quotienting; Knuth, The Art of Computer Programming, volume 3, section 6.4, exercise 13, and Cleary 1984).
 *
 * An id of `width` bits times an odd number, modulo 2^width, is another such number, one for each id: its place,
 * which is kept in the upper bits of 64. Places in their order are spread over the slots: `home` is the first slot
 * that a page can lie in, and it lies at most `reach` slots behind it. In a slot are, from above, all bits of the
 * place but the first `known_bits`, and the page's number plus 1, or 0 if the slot is free.
 *
 * Two places that differ in their first `known_bits` alone have homes that lie narrow_count / 2^known_bits or more
 * apart. As `reach` is less, no slot can be within reach of both: an id is found if and only if its page is there,
 * and a slot and its position say which id it has. That is all a table needs to grow.
 *
 * What costs is the cache miss on a slot: those of the next block are fetched before one is looked at. */
#include "trace/narrow_slots.h"

#include <errno.h>

#include "base/assert.h"
#include "trace/reserve.h"

#define SLOTS_LEAST 4096u

/* Up to so many slots (4 MiB), a table that grows has twice as many then; a larger one three eighths more, which takes less
 * memory, and moves each page more often. */
#define SLOTS_DOUBLED 524288u

/* Slots of an old table that are given back at once: a quarter of a MiB. With less, large pages of the machine would have to be
 * taken apart too often, and with more, the last ones lie in memory beside all of the new table. */
#define SLOTS_RELEASED (((size_t)256 << 10) / sizeof(uint64_t))

/* Slots that are made ready at once before they are filled, so that not each page of them is a fault. */
#define SLOTS_READY (((size_t)256 << 10) / sizeof(uint64_t))

/* The golden section of 2^64. Multiples of it lie apart as evenly as they can, and so do those of its upper bits. */
#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

/* So many bits are taken for ids at least. */
#define WIDTH_LEAST 32u

/* Ids that do not fit into so many bits are for wide slots: a page would have to lie too near its home. */
#define WIDTH_MOST 56u

/* Of a table with some eight tenths of its slots in use, where places are scattered as if at random, hardly any
 * page lies farther. */
#define REACH_MOST 1024u

/* References that are fetched, or looked up, in a row. */
#define BLOCK 32u

/* ---- Slots ---- */

/* Pages that `slots` slots are enough for. */
static size_t pages_for(size_t slots)
{
    return slots - slots / 4 + slots / 32;
}

/* How many slots a table of `count` has next. */
static size_t slots_next(size_t count)
{
    return count + (count < SLOTS_DOUBLED ? count : count / 8 * 3);
}

/* Behind the last home there is room for the pages that cannot lie there, and one slot that stays free. */
static size_t slots_bytes(size_t count)
{
    return (count + REACH_MOST + 1) * sizeof(uint64_t);
}

static unsigned bits_of(uint64_t number)
{
    return number > 0 ? 64 - (unsigned)__builtin_clzll(number) : 0;
}

/* The bits that a table takes for ids: some widths only, so that it does not change them often. */
static unsigned width_for(uint64_t id)
{
    unsigned bits = bits_of(id);

    return bits <= WIDTH_LEAST ? WIDTH_LEAST : bits <= 40 ? 40 : bits <= 48 ? 48 : bits;
}

/* Give the table `count` free slots for ids of `width` bits. The caller frees the slots that it had before.
 * -ENOMEM: the table still has those. */
static int slots_allocate(struct page_table *table, size_t count, unsigned width)
{
    uint64_t *slots = reserve(slots_bytes(count));
    size_t apart;

    if (slots == NULL)
        return -ENOMEM;
    if (slots_bytes(count) >= RESERVE_LARGE)
        reserve_large_pages(slots, slots_bytes(count));
    table->narrow = slots;
    table->narrow_count = count;
    table->width = width;
    table->multiplier = (GOLDEN >> (64 - width) | 1) << (64 - width);
    table->page_bits = bits_of(pages_for(count));
    table->known_bits = width + table->page_bits > 64 ? width + table->page_bits - 64 : 0;
    apart = count >> table->known_bits;
    ensure(apart > 2);
    table->reach = apart - 2 < REACH_MOST ? (uint32_t)apart - 2 : REACH_MOST;
    return 0;
}

int narrow_slots_init(struct page_table *table)
{
    return slots_allocate(table, SLOTS_LEAST, WIDTH_LEAST);
}

void narrow_slots_fini(struct page_table *table)
{
    reserve_free(table->narrow, slots_bytes(table->narrow_count));
    table->narrow = NULL;
}

static inline uint64_t place_of(uint64_t id, uint64_t multiplier)
{
    return id * multiplier;
}

static inline size_t home_of(uint64_t place, size_t count)
{
    return (size_t)((unsigned __int128)place * count >> 64);
}

/* ---- Other slots for the same pages ---- */

/* Put a page in that is not there. False: it would lie too far from its home. */
static inline bool put(struct page_table *table, uint64_t place, uint32_t page)
{
    uint64_t *slot = table->narrow + home_of(place, table->narrow_count);
    const uint64_t *end = slot + table->reach;

    while (*slot != 0)
        if (++slot == end)
            return false;
    *slot = place << table->known_bits | (page + 1);
    return true;
}

bool narrow_slots_put(struct page_table *table, uint64_t id, uint32_t page)
{
    return put(table, place_of(id, table->multiplier), page);
}

/* The inverse of an odd number modulo 2^64, and so modulo any smaller power of two: each step doubles the bits
 * that are right. */
static uint64_t inverse_of(uint64_t odd)
{
    uint64_t inverse = odd;

    for (int bits = 3; bits < 64; bits *= 2)
        inverse *= 2 - odd * inverse;
    return inverse;
}

/* The slots that a table had before it got others. */
struct former {
    struct page_table was;
    uint64_t step;    /* places for each slot, rounded down */
    uint64_t inverse; /* of the multiplier, as an odd number */
    size_t released;  /* slots that are gone */
};

static struct former former_of(const struct page_table *table)
{
    return (struct former){.was = *table,
                           .step = UINT64_MAX / table->narrow_count,
                           .inverse = inverse_of(table->multiplier >> (64 - table->width))};
}

/* The place of what lies in a slot: of all places that have the bits in it, the last one whose home is not behind
 * the slot. `step` is rounded, and `last` may be too large by less than the places of a slot. */
static inline uint64_t place_at(const struct former *former, size_t at)
{
    const struct page_table *was = &former->was;
    uint64_t known = was->narrow[at] >> was->page_bits << was->page_bits >> was->known_bits;
    uint64_t last = UINT64_MAX;

    if (was->known_bits == 0)
        return known;
    if (at + 1 < was->narrow_count)
        last = (at + 1) * former->step + was->narrow_count;
    check(last >= known);
    return known + ((last - known) >> (64 - was->known_bits) << (64 - was->known_bits));
}

static inline uint64_t id_of(const struct former *former, uint64_t place)
{
    unsigned above = 64 - former->was.width;

    return (place >> above) * former->inverse << above >> above;
}

static inline uint32_t page_at(const struct former *former, size_t at)
{
    uint64_t low = (UINT64_C(1) << former->was.page_bits) - 1;

    return (uint32_t)(former->was.narrow[at] & low) - 1;
}

static size_t former_end(const struct former *former)
{
    return former->was.narrow_count + former->was.reach;
}

/* Slots go as they are passed: they never lie in memory whole beside others. */
static inline void former_passed(struct former *former, size_t at)
{
    if (at - former->released < SLOTS_RELEASED)
        return;
    reserve_free(former->was.narrow + former->released, SLOTS_RELEASED * sizeof(uint64_t));
    former->released += SLOTS_RELEASED;
}

static void former_fini(struct former *former)
{
    reserve_free(former->was.narrow + former->released,
                 slots_bytes(former->was.narrow_count) - former->released * sizeof(uint64_t));
}

/* Slots from `from` on are about to be filled, if the table still has such. */
static void make_ready(const struct page_table *table, size_t from)
{
    size_t left = table->narrow_count - from;

    if (table->narrow != NULL)
        reserve_ready(table->narrow + from,
                      (left < SLOTS_READY ? left : SLOTS_READY) * sizeof(uint64_t));
}

static int change(struct page_table *table, size_t count, unsigned width,
                  narrow_slots_take_fn *take, void *context)
{
    struct former former = former_of(table);
    size_t end = former_end(&former), ready = 0;

    if (slots_allocate(table, count, width) != 0)
        return -ENOMEM;
    for (size_t i = 0; i < end; i++) {
        former_passed(&former, i);
        if (i < former.was.narrow_count && home_of(i * former.step, count) >= ready) {
            make_ready(table, ready);
            ready += SLOTS_READY;
        }
        if (former.was.narrow[i] != 0) {
            uint64_t place = place_at(&former, i);

            if (width != former.was.width)
                place = place_of(id_of(&former, place), table->multiplier);
            if (table->narrow == NULL || !put(table, place, page_at(&former, i)))
                take(context, id_of(&former, place_at(&former, i)), page_at(&former, i));
        }
    }
    former_fini(&former);
    return 0;
}

int narrow_slots_grow(struct page_table *table, narrow_slots_take_fn *take, void *context)
{
    if (table->count < table->narrow_count / 2)
        return NARROW_SLOTS_CANNOT;
    return change(table, slots_next(table->narrow_count), table->width, take, context);
}

int narrow_slots_widen(struct page_table *table, uint64_t id, narrow_slots_take_fn *take,
                       void *context)
{
    if (bits_of(id) > WIDTH_MOST)
        return NARROW_SLOTS_CANNOT;
    return change(table, table->narrow_count, width_for(id), take, context);
}

void narrow_slots_leave(struct page_table *table, narrow_slots_take_fn *take, void *context)
{
    struct former former = former_of(table);
    size_t end = former_end(&former);

    table->narrow = NULL;
    for (size_t i = 0; i < end; i++) {
        former_passed(&former, i);
        if (former.was.narrow[i] != 0)
            take(context, id_of(&former, place_at(&former, i)), page_at(&former, i));
    }
    former_fini(&former);
}

/* ---- Looking up ---- */

bool narrow_slots_fit(const struct page_table *table, uint64_t id)
{
    return id >> table->width == 0;
}

static size_t first_unfit(const struct page_table *table, const struct trace_reference *references,
                          size_t from)
{
    while (narrow_slots_fit(table, references[from].id))
        from++;
    return from;
}

/* Fetch the slots of references. Returns `to`, or the first one whose id does not fit. */
static inline size_t fetch(const struct page_table *table, const struct trace_reference *references,
                           size_t from, size_t to, uint64_t **homes)
{
    uint64_t multiplier = table->multiplier, seen = 0, *slots = table->narrow;
    size_t slot_count = table->narrow_count;

    for (size_t i = from; i < to; i++) {
        uint64_t id = references[i].id;

        seen |= id;
        homes[i] = slots + home_of(place_of(id, multiplier), slot_count);
        __builtin_prefetch(homes[i]);
    }
    return narrow_slots_fit(table, seen) ? to : first_unfit(table, references, from);
}

/* Look for an id that is not in the first slot that it can lie in. Returns its page, plus 1, which may be a new
 * one; 0: there is no room for it. */
static inline uint64_t seek(struct page_table *table, uint64_t id, uint64_t known, uint64_t *slot,
                            uint64_t pages)
{
    const uint64_t *end = slot + table->reach;

    while (*slot != 0) {
        uint64_t page_plus1;

        if (++slot == end)
            return 0;
        page_plus1 = *slot ^ known;
        if (page_plus1 - 1 < pages)
            return page_plus1;
    }
    if (table->count == table->most)
        return 0;
    if (table->ids != NULL)
        table->ids[table->count] = id;
    *slot = known | ++table->count;
    return table->count;
}

static size_t block_end(size_t from, size_t count)
{
    return count - from < BLOCK ? count : from + BLOCK;
}

int narrow_slots_look_up(struct page_table *table, const struct trace_reference *references,
                         size_t count, uint32_t *out, size_t *done)
{
    uint64_t *homes[TRACE_BATCH], multiplier = table->multiplier;
    uint64_t pages = (UINT64_C(1) << table->page_bits) - 1;
    unsigned known_bits = table->known_bits;
    size_t i = *done, ready;

    if (table->count + (count - i) > pages_for(table->narrow_count))
        return NARROW_SLOTS_STOPPED;
    ready = fetch(table, references, i, block_end(i, count), homes);
    while (i < ready) {
        size_t end = ready;

        ready = fetch(table, references, ready, block_end(ready, count), homes);
        for (; i < end; i++) {
            uint64_t id = references[i].id, known = place_of(id, multiplier) << known_bits;
            uint64_t page_plus1 = *homes[i] ^ known; /* and above it, nothing */

            if (page_plus1 - 1 >= pages)
                page_plus1 = seek(table, id, known, homes[i], pages);
            if (page_plus1 == 0) {
                *done = i;
                return table->count == table->most ? -ENOSPC : NARROW_SLOTS_STOPPED;
            }
            out[i] = (uint32_t)(page_plus1 - 1) << 1 | references[i].write;
        }
    }
    *done = i;
    return i == count ? 0 : NARROW_SLOTS_STOPPED;
}
