/* Open addressing with linear probing. What costs is the cache miss on a slot, so a whole batch is
 * hashed and its slots are fetched before the first is looked at. */
#include "trace/page_table.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "trace/mix.h"
#include "trace/reserve.h"

struct page_slot {
    uint64_t id;
    uint32_t page_plus1; /* 0: a free slot */
    uint32_t unused;
};

#define SLOTS_LEAST 4096u

/* Slots of an old table that are given back at once: a large page of the machine. */
#define SLOTS_RELEASED (((size_t)2 << 20) / sizeof(struct page_slot))

/* References between the moment at which a slot is fetched and that at which it is looked at. */
#define LOOK_AHEAD 32u

/* Slots are at most three quarters full. */
static bool is_full(const struct page_table *table, size_t more)
{
    return (uint64_t)table->count + more > table->slot_count / 4 * 3;
}

static int slots_allocate(struct page_table *table, size_t count)
{
    table->slots = reserve(count * sizeof(struct page_slot));
    if (table->slots == NULL)
        return -ENOMEM;
    if (count * sizeof(struct page_slot) >= RESERVE_LARGE)
        reserve_large_pages(table->slots, count * sizeof(struct page_slot));
    table->slot_count = count;
    return 0;
}

int page_table_init(struct page_table *table, uint32_t most)
{
    *table = (struct page_table){.most = most < PAGE_TABLE_MOST ? most : PAGE_TABLE_MOST};
    return slots_allocate(table, SLOTS_LEAST);
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
        reserve_free(table->slots, table->slot_count * sizeof(struct page_slot));
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

/* Where an id is looked for: so many bytes behind the first slot. */
static inline size_t home_at(size_t mask, uint64_t id)
{
    return trace_mix(id) & mask;
}

static size_t home_mask(const struct page_table *table)
{
    check((table->slot_count & (table->slot_count - 1)) == 0);
    return (table->slot_count - 1) * sizeof(struct page_slot);
}

/* Twice the slots. Those of the old table go as they are passed: it never lies in memory whole beside the new one. */
static int grow(struct page_table *table)
{
    struct page_slot *old = table->slots;
    size_t old_count = table->slot_count, mask = old_count * 2 - 1;
    size_t least = old_count < SLOTS_RELEASED ? old_count : SLOTS_RELEASED;

    if (slots_allocate(table, old_count * 2) != 0) {
        table->slots = old;
        return -ENOMEM;
    }
    for (size_t i = 0; i < old_count; i++) {
        size_t at = home_at(home_mask(table), old[i].id) / sizeof(struct page_slot);

        if (i % SLOTS_RELEASED == 0 && i > 0)
            reserve_free(old + i - SLOTS_RELEASED, SLOTS_RELEASED * sizeof(struct page_slot));
        if (old[i].page_plus1 == 0)
            continue;
        while (table->slots[at].page_plus1 != 0)
            at = (at + 1) & mask;
        table->slots[at] = old[i];
    }
    reserve_free(old + old_count - least, least * sizeof(struct page_slot));
    return 0;
}

/* Look one reference up, whose slot is at `slot` or behind. False: there is no room for its page. */
static inline bool look_up(struct page_table *table, const struct trace_reference *reference,
                           struct page_slot *slot, const struct page_slot *end, uint32_t *out)
{
    uint64_t id = reference->id;

    while (slot->page_plus1 != 0 && slot->id != id)
        slot = slot + 1 < end ? slot + 1 : table->slots;
    if (slot->page_plus1 == 0) {
        if (table->count == table->most)
            return false;
        slot->id = id;
        if (table->ids != NULL)
            table->ids[table->count] = id;
        slot->page_plus1 = ++table->count;
    }
    *out = (slot->page_plus1 - 1) << 1 | reference->write;
    return true;
}

/* The slot from which an id is looked for, fetched. `mask` is of bytes: of the hash, it takes the bits above those of
 * the place within a slot. */
static inline struct page_slot *fetch_home(struct page_slot *slots, size_t mask, uint64_t id)
{
    struct page_slot *home = (struct page_slot *)((char *)slots + home_at(mask, id));

    __builtin_prefetch(home);
    return home;
}

int page_table_look_up(struct page_table *table, const struct trace_reference *references,
                       size_t count, uint32_t *out)
{
    struct page_slot *home[LOOK_AHEAD], *slots, *end;
    size_t mask;

    while (is_full(table, count))
        if (grow(table) != 0)
            return -ENOMEM;
    slots = table->slots;
    end = slots + table->slot_count;
    mask = home_mask(table);
    for (size_t i = 0; i < count && i < LOOK_AHEAD; i++)
        home[i] = fetch_home(slots, mask, references[i].id);
    for (size_t i = 0; i < count; i++) {
        struct page_slot *slot = home[i % LOOK_AHEAD];

        if (i + LOOK_AHEAD < count)
            home[i % LOOK_AHEAD] = fetch_home(slots, mask, references[i + LOOK_AHEAD].id);
        if (!look_up(table, &references[i], slot, end, &out[i]))
            return -ENOSPC;
    }
    return 0;
}
