/* The slots of a page table (page_table.h) for ids of any 64 bits: 16 bytes each, three eighths to three quarters of
 * them full. */
#ifndef TRACE_WIDE_SLOTS_H
#define TRACE_WIDE_SLOTS_H

#include "trace/page_table.h"

/* Free slots for `pages` pages, beside those that the table has. -ENOMEM. */
int wide_slots_init(struct page_table *table, uint32_t pages);

void wide_slots_fini(struct page_table *table);

/* Put a page in that is not there yet, one of the `pages` of wide_slots_init. */
void wide_slots_put(struct page_table *table, uint64_t id, uint32_t page);

/* As page_table_look_up. */
int wide_slots_look_up(struct page_table *table, const struct trace_reference *references,
                       size_t count, uint32_t *out);

#endif
