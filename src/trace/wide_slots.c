/* Open addressing with linear probing. What costs is the cache miss on a slot, so a whole batch is
 * hashed and its slots are fetched before the first is looked at. */
#include "trace/wide_slots.h"

#include <errno.h>

#include "base/assert.h"
#include "trace/mix.h"
#include "trace/reserve.h"

struct wide_slot {
    uint64_t id;
    uint32_t page_plus1; /* 0: a free slot */
    uint32_t unused;
};

#define SLOTS_LEAST 4096u

/* Slots of an old table that are given back at once: a large page of the machine. */
#define SLOTS_RELEASED (((size_t)2 << 20) / sizeof(struct wide_slot))

/* References between the moment at which a slot is fetched and that at which it is looked at. */
#define LOOK_AHEAD 32u

/* Slots are at most three quarters full. */
static bool is_full(size_t slots, uint64_t pages)
{
    return pages > slots / 4 * 3;
}

static int slots_allocate(struct page_table *table, size_t count)
{
    struct wide_slot *slots = reserve(count * sizeof(*slots));

    if (slots == NULL)
        return -ENOMEM;
    if (count * sizeof(*slots) >= RESERVE_LARGE)
        reserve_large_pages(slots, count * sizeof(*slots));
    table->wide = slots;
    table->wide_count = count;
    return 0;
}

int wide_slots_init(struct page_table *table, uint32_t pages)
{
    size_t count = SLOTS_LEAST;

    while (is_full(count, pages))
        count *= 2;
    return slots_allocate(table, count);
}

void wide_slots_fini(struct page_table *table)
{
    reserve_free(table->wide, table->wide_count * sizeof(struct wide_slot));
}

/* Where an id is looked for: so many bytes behind the first slot. */
static inline size_t home_at(size_t mask, uint64_t id)
{
    return trace_mix(id) & mask;
}

static size_t home_mask(const struct page_table *table)
{
    check((table->wide_count & (table->wide_count - 1)) == 0);
    return (table->wide_count - 1) * sizeof(struct wide_slot);
}

void wide_slots_put(struct page_table *table, uint64_t id, uint32_t page)
{
    size_t at = home_at(home_mask(table), id) / sizeof(struct wide_slot);

    while (table->wide[at].page_plus1 != 0)
        at = (at + 1) & (table->wide_count - 1);
    table->wide[at] = (struct wide_slot){.id = id, .page_plus1 = page + 1};
}

/* Twice the slots. Those of the old table go as they are passed: it never lies in memory whole beside the new one. */
static int grow(struct page_table *table)
{
    struct wide_slot *old = table->wide;
    size_t old_count = table->wide_count;
    size_t least = old_count < SLOTS_RELEASED ? old_count : SLOTS_RELEASED;

    if (slots_allocate(table, old_count * 2) != 0)
        return -ENOMEM;
    for (size_t i = 0; i < old_count; i++) {
        if (i % SLOTS_RELEASED == 0 && i > 0)
            reserve_free(old + i - SLOTS_RELEASED, SLOTS_RELEASED * sizeof(struct wide_slot));
        if (old[i].page_plus1 != 0)
            wide_slots_put(table, old[i].id, old[i].page_plus1 - 1);
    }
    reserve_free(old + old_count - least, least * sizeof(struct wide_slot));
    return 0;
}

/* Look one reference up, whose slot is at `slot` or behind. False: there is no room for its page. */
static inline bool look_up(struct page_table *table, const struct trace_reference *reference,
                           struct wide_slot *slot, const struct wide_slot *end, uint32_t *out)
{
    uint64_t id = reference->id;

    while (slot->page_plus1 != 0 && slot->id != id)
        slot = slot + 1 < end ? slot + 1 : table->wide;
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
static inline struct wide_slot *fetch_home(struct wide_slot *slots, size_t mask, uint64_t id)
{
    struct wide_slot *home = (struct wide_slot *)((char *)slots + home_at(mask, id));

    __builtin_prefetch(home);
    return home;
}

int wide_slots_look_up(struct page_table *table, const struct trace_reference *references,
                       size_t count, uint32_t *out)
{
    struct wide_slot *home[LOOK_AHEAD], *slots, *end;
    size_t mask;

    while (is_full(table->wide_count, (uint64_t)table->count + count))
        if (grow(table) != 0)
            return -ENOMEM;
    slots = table->wide;
    end = slots + table->wide_count;
    mask = home_mask(table);
    for (size_t i = 0; i < count && i < LOOK_AHEAD; i++)
        home[i] = fetch_home(slots, mask, references[i].id);
    for (size_t i = 0; i < count; i++) {
        struct wide_slot *slot = home[i % LOOK_AHEAD];

        if (i + LOOK_AHEAD < count)
            home[i % LOOK_AHEAD] = fetch_home(slots, mask, references[i + LOOK_AHEAD].id);
        if (!look_up(table, &references[i], slot, end, &out[i]))
            return -ENOSPC;
    }
    return 0;
}
