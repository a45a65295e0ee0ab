/* The page table of an address space: from page numbers to mappings, in order.
 *
 * Four levels of 512 entries, as the hardware has them; a level exists while something below it does. */
#ifndef L4_TABLE_H
#define L4_TABLE_H

#include <stdint.h>

#include "base/allocator.h"

#define TABLE_BITS   9u
#define TABLE_LEVELS 4u
/* Page numbers are below this. */
#define TABLE_PAGES (UINT64_C(1) << (TABLE_BITS * TABLE_LEVELS))

struct table_level;

struct table {
    struct table_level *root; /* NULL: nothing is mapped */
};

/* What stands at a page, or 0. */
uint32_t table_get(const struct table *table, uint64_t page);

/* Put `value` (not 0) at a page. Returns 0 or -ENOMEM, and then nothing has changed. */
int table_put(struct table *table, const struct allocator *memory, uint64_t page, uint32_t value);

/* Take away what stands at a page; there must be something. */
void table_remove(struct table *table, const struct allocator *memory, uint64_t page);

/* The first page from `page` on at which something stands, or TABLE_PAGES. */
uint64_t table_next(const struct table *table, uint64_t page);

#endif
