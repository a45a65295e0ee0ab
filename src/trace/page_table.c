/* Open addressing with linear probing, in the order of the ids' hashes: a slot's place is the share of the table that its
 * hash is of all hashes. What costs is the cache miss on a slot, so a whole batch is hashed and its slots are fetched
 * before the first is looked at.
 *
 * The table grows by a sixth at a time, in place, so that it is never emptier than three quarters and never lies in
 * memory twice. Since order survives growing, two sweeps do it: one downwards, which pushes all slots together at the new
 * end, and one upwards, which gives each its new place. The second would overtake itself only where the hashes are
 * crowded at the end, as in ids that were chosen for it; then the slots that are left go by way of a copy. */
#include "trace/page_table.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "trace/mix.h"
#include "trace/reserve.h"

struct __attribute__((packed, aligned(4))) page_slot {
    uint64_t hash;       /* of the id, which it stands for: no two ids have the same */
    uint32_t page_plus1; /* 0: a free slot */
};

#define HOMES_LEAST 4096u

/* Up to here a table doubles: it is small. */
#define HOMES_DOUBLED 65536u

/* References between the moment at which a slot is fetched and that at which it is looked at. */
#define LOOK_AHEAD 32u

/* Slots behind its home that a look-up reads, often: those may lie in the next line of the cache. */
#define PROBED 4u

/* At most seven eighths of the homes are taken. */
static uint64_t room_of(uint64_t homes)
{
    return homes / 8 * 7;
}

static uint64_t grown(uint64_t homes)
{
    return homes < HOMES_DOUBLED ? 2 * homes : homes + homes / 6;
}

/* Slots of a table with so many homes: a slot whose home is among the last finds its place behind them. */
static size_t slots_of(uint64_t homes)
{
    return homes + homes / 64 + 16;
}

/* Homes are fewer than 2^32. */
static inline size_t home_of(uint64_t homes, uint64_t hash)
{
    return (size_t)((hash >> 32) * homes >> 32);
}

int page_table_init(struct page_table *table, uint32_t most)
{
    uint64_t homes = HOMES_LEAST;

    *table = (struct page_table){.most = most < PAGE_TABLE_MOST ? most : PAGE_TABLE_MOST};
    while (room_of(homes) < (uint64_t)table->most + TRACE_BATCH)
        homes = grown(homes);
    table->slots_bytes = (slots_of(homes) + 1) * sizeof(struct page_slot);
    table->slots = reserve(table->slots_bytes);
    table->homes = HOMES_LEAST;
    table->slot_count = slots_of(HOMES_LEAST);
    return table->slots != NULL ? 0 : -ENOMEM;
}

int page_table_keep_ids(struct page_table *table)
{
    table->ids_room = table->most;
    table->ids = reserve(table->ids_room * sizeof(*table->ids));
    return table->ids != NULL ? 0 : -ENOMEM;
}

void page_table_fini(struct page_table *table)
{
    if (table->ids != NULL)
        reserve_free(table->ids, table->ids_room * sizeof(*table->ids));
    if (table->slots != NULL)
        reserve_free(table->slots, table->slots_bytes);
    *table = (struct page_table){.count = 0};
}

void page_table_close(struct page_table *table)
{
    table->most = table->count;
}

int page_table_adopt(struct page_table *table, uint32_t first, const uint8_t *ids, uint32_t count)
{
    ensure(first <= table->count);
    for (uint32_t i = table->count - first; i < count; i++) {
        if (table->count == table->most)
            return -ENOSPC;
        if (table->ids != NULL)
            memcpy(&table->ids[table->count], ids + 8 * (size_t)i, sizeof(uint64_t));
        if (table->ids != NULL)
            table->ids[table->count] = le64toh(table->ids[table->count]);
        table->count++;
    }
    return 0;
}

/* ---- Growing ---- */

/* The free slot where a hash with this home may stand. */
static size_t free_from(const struct page_table *table, size_t at)
{
    while (table->slots[at].page_plus1 != 0)
        at = at + 1 < table->slot_count ? at + 1 : 0;
    return at;
}

/* Push the slots of the first `count` places together at the end of the table. Returns where they begin. */
static size_t push_together(struct page_table *table, size_t count)
{
    struct page_slot *slots = table->slots;
    size_t begin = table->slot_count;

    ensure(count < begin); /* so that no place is written to before it was read */
    for (size_t i = count; i-- > 0;) {
        struct page_slot slot = slots[i];

        slots[begin - 1] = slot;
        begin -= slot.page_plus1 != 0;
        slots[i].page_plus1 = 0;
    }
    return begin;
}

/* The slots from `begin` to the end stand where they do not belong: by way of a copy, they get their places. -ENOMEM. */
static int place_by_copy(struct page_table *table, size_t begin)
{
    size_t count = table->slot_count - begin;
    struct page_slot *copy = malloc(count * sizeof(*copy));

    if (copy == NULL)
        return -ENOMEM;
    memcpy(copy, table->slots + begin, count * sizeof(*copy));
    memset(table->slots + begin, 0, count * sizeof(*copy));
    for (size_t i = 0; i < count; i++)
        table->slots[free_from(table, home_of(table->homes, copy[i].hash))] = copy[i];
    free(copy);
    return 0;
}

/* Give each slot from `begin` to the end its place. They come in the order of their homes, nearly: those that stood in one
 * run may not. The run that is written to now begins at `run` and ends before `next`. */
static int spread_out(struct page_table *table, size_t begin)
{
    struct page_slot *slots = table->slots;
    uint64_t homes = table->homes;
    size_t next = 0, run = 0;

    for (size_t i = begin; i < table->slot_count; i++) {
        struct page_slot slot = slots[i];
        size_t home = home_of(homes, slot.hash), place = home > next ? home : next;

        if (__builtin_expect(place > i, 0))
            return place_by_copy(table, i);
        slots[i].page_plus1 = 0;
        if (__builtin_expect(home < run, 0)) {
            place = free_from(table, home);
            next += place == next;
        } else {
            run = home > next ? home : run;
            next = place + 1;
        }
        slots[place] = slot;
    }
    return 0;
}

static int grow(struct page_table *table)
{
    size_t before = table->slot_count;

    table->homes = grown(table->homes);
    table->slot_count = slots_of(table->homes);
    ensure((table->slot_count + 1) * sizeof(struct page_slot) <= table->slots_bytes);
    if (!table->large && table->slot_count * sizeof(struct page_slot) >= RESERVE_LARGE) {
        reserve_large_pages(table->slots, table->slots_bytes);
        table->large = true;
    }
    return spread_out(table, push_together(table, before));
}

/* ---- Looking up ---- */

/* A hash that is looked up, and the slot from which it is looked for. */
struct fetched {
    uint64_t hash;
    struct page_slot *home;
};

/* The page of an id whose hash is not in the slots before `slot`, which is free: a new page, unless that is the slot behind
 * the last one, which stays free; then the search goes on at the first. Returns the page plus one; 0: there is no room for
 * it. */
static __attribute__((noinline)) uint32_t
page_of_free(struct page_table *table, struct page_slot *slot, uint64_t hash, uint64_t id)
{
    check(slot->page_plus1 == 0);
    if (slot == table->slots + table->slot_count)
        for (slot = table->slots; slot->page_plus1 != 0 && slot->hash != hash;)
            slot++;
    if (slot->page_plus1 != 0)
        return slot->page_plus1;
    if (table->count == table->most)
        return 0;
    slot->hash = hash;
    if (table->ids != NULL)
        table->ids[table->count] = id;
    slot->page_plus1 = ++table->count;
    return slot->page_plus1;
}

/* Look one reference up. False: there is no room for its page. */
static inline bool look_up(struct page_table *table, const struct trace_reference *reference,
                           const struct fetched *fetched, uint32_t *out)
{
    struct page_slot *slot = fetched->home;
    uint64_t hash = fetched->hash;
    uint32_t plus1;

    while ((plus1 = slot->page_plus1) != 0 && slot->hash != hash)
        slot++;
    if (__builtin_expect(plus1 == 0, 0)) {
        plus1 = page_of_free(table, slot, hash, reference->id);
        if (plus1 == 0)
            return false;
    }
    *out = (plus1 - 1) << 1 | reference->write;
    return true;
}

/* Have room for as many more pages. A table with all the pages that it may have needs none. -ENOMEM. */
static int make_room(struct page_table *table, size_t more)
{
    while (table->count < table->most && table->count + more > room_of(table->homes)) {
        int result = grow(table);

        if (result != 0)
            return result;
    }
    return 0;
}

/* The hash of an id, whose slot is fetched. */
static inline struct fetched fetch(struct page_slot *slots, uint64_t homes, uint64_t id)
{
    uint64_t hash = trace_mix(id);
    struct page_slot *home = slots + home_of(homes, hash);

    __builtin_prefetch(home);
    __builtin_prefetch(home + PROBED);
    return (struct fetched){hash, home};
}

int page_table_look_up(struct page_table *table, const struct trace_reference *references,
                       size_t count, uint32_t *out)
{
    struct fetched fetched[LOOK_AHEAD];
    struct page_slot *slots = table->slots; /* it does not move */
    uint64_t homes;
    int result = make_room(table, count);

    if (result != 0)
        return result;
    homes = table->homes;
    for (size_t i = 0; i < count && i < LOOK_AHEAD; i++)
        fetched[i] = fetch(slots, homes, references[i].id);
    for (size_t i = 0; i < count; i++) {
        struct fetched now = fetched[i % LOOK_AHEAD];

        if (i + LOOK_AHEAD < count)
            fetched[i % LOOK_AHEAD] = fetch(slots, homes, references[i + LOOK_AHEAD].id);
        if (!look_up(table, &references[i], &now, &out[i]))
            return -ENOSPC;
    }
    return 0;
}
