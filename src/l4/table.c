#include "l4/table.h"

#include <errno.h>

#include "base/assert.h"
#include "base/memory.h"

#define ENTRIES (1u << TABLE_BITS)

/* A level above the lowest points to levels, the lowest has values. used: entries that are not 0. */
struct table_level {
    uint32_t used;
    union {
        struct table_level *below[ENTRIES];
        uint32_t value[ENTRIES];
    };
};

static unsigned place(uint64_t page, unsigned level)
{
    return (unsigned)(page >> (TABLE_BITS * level)) & (ENTRIES - 1);
}

uint32_t table_get(const struct table *table, uint64_t page)
{
    const struct table_level *at = table->root;

    if (page >= TABLE_PAGES)
        return 0;
    for (unsigned level = TABLE_LEVELS - 1; at != NULL && level > 0; level--)
        at = at->below[place(page, level)];
    return at != NULL ? at->value[place(page, 0)] : 0;
}

/* Free the levels on the way to a page that have nothing. */
static void prune(struct table *table, const struct allocator *memory, uint64_t page)
{
    struct table_level **link[TABLE_LEVELS];
    struct table_level **at = &table->root;
    unsigned depth = 0;

    for (unsigned level = TABLE_LEVELS; level-- > 0 && *at != NULL;) {
        link[depth++] = at;
        if (level > 0)
            at = &(*at)->below[place(page, level)];
    }
    while (depth > 0 && (*link[depth - 1])->used == 0) {
        memory_free(memory, *link[depth - 1], sizeof(struct table_level));
        *link[--depth] = NULL;
        if (depth > 0)
            (*link[depth - 1])->used--;
    }
}

int table_put(struct table *table, const struct allocator *memory, uint64_t page, uint32_t value)
{
    struct table_level **at = &table->root;
    struct table_level *above = NULL;

    ensure(page < TABLE_PAGES && value != 0);
    for (unsigned level = TABLE_LEVELS; level-- > 0;) {
        if (*at == NULL) {
            *at = memory_new(memory, sizeof(**at));
            if (*at == NULL) {
                prune(table, memory, page);
                return -ENOMEM;
            }
            if (above != NULL)
                above->used++;
        }
        above = *at;
        if (level > 0)
            at = &above->below[place(page, level)];
    }
    above->used += above->value[place(page, 0)] == 0;
    above->value[place(page, 0)] = value;
    return 0;
}

void table_remove(struct table *table, const struct allocator *memory, uint64_t page)
{
    struct table_level *at = table->root;

    ensure(table_get(table, page) != 0);
    for (unsigned level = TABLE_LEVELS - 1; level > 0; level--)
        at = at->below[place(page, level)];
    at->value[place(page, 0)] = 0;
    at->used--;
    prune(table, memory, page);
}

/* The first page from `page` on below a level that begins at `first`, or TABLE_PAGES. */
static uint64_t next_below(const struct table_level *at, unsigned level, uint64_t first,
                           uint64_t page)
{
    unsigned start = page > first ? place(page, level) : 0;

    for (unsigned i = start; i < ENTRIES; i++) {
        uint64_t begins = first + ((uint64_t)i << (TABLE_BITS * level));
        uint64_t found;

        if (level == 0 && at->value[i] != 0)
            return begins;
        if (level == 0 || at->below[i] == NULL)
            continue;
        found = next_below(at->below[i], level - 1, begins, page);
        if (found != TABLE_PAGES)
            return found;
    }
    return TABLE_PAGES;
}

uint64_t table_next(const struct table *table, uint64_t page)
{
    if (table->root == NULL || page >= TABLE_PAGES)
        return TABLE_PAGES;
    return next_below(table->root, TABLE_LEVELS - 1, 0, page);
}
