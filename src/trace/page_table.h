/* From the ids of a trace, 64 bits anywhere, to dense page numbers in the order of first
 * appearance. */
#ifndef TRACE_PAGE_TABLE_H
#define TRACE_PAGE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace/trace.h"

/* Pages that a table can number: a reference is a page and a bit. */
#define PAGE_TABLE_MOST (1u << 30)

struct wide_slot;

struct page_table {
    uint32_t count; /* pages so far */
    uint64_t *ids;  /* by page; NULL unless page_table_keep_ids was called */
    /* Private. */
    uint32_t most;
    size_t ids_room;
    struct wide_slot
        *wide; /* slots of wide_slots.h; NULL: the pages are in those of narrow_slots.h */
    size_t wide_count;
    uint64_t *narrow;
    size_t narrow_count; /* places of pages begin at so many */
    unsigned width;      /* bits that all ids fit into */
    uint64_t multiplier; /* the place of an id is their product */
    unsigned page_bits;  /* of a slot, which has the page's number, plus 1 */
    unsigned known_bits; /* of a place, above those that a slot has: its position tells them */
    uint32_t reach;      /* slots in which a page lies, from the first one of its place on */
};

/* An empty table for up to `most` pages. -ENOMEM. */
int page_table_init(struct page_table *table, uint32_t most);

/* Before the first look-up: note the id of each page in `ids`, which does not move. -ENOMEM. */
int page_table_keep_ids(struct page_table *table);

void page_table_fini(struct page_table *table);

/* Number `count` references, at most TRACE_BATCH: out[i] is the page << 1, plus 1 for a write.
 * -ENOSPC: more than `most` different pages; -ENOMEM, after which the table is only good for page_table_fini. */
int page_table_look_up(struct page_table *table, const struct trace_reference *references,
                       size_t count, uint32_t *out);

/* Instead of looking up: the pages `first` to `first` + count - 1 have the ids that lie at `ids`, 8 bytes
 * each, little-endian. Pages that the table has already stay as they are. -ENOSPC: more than `most`
 * different pages. */
int page_table_adopt(struct page_table *table, uint32_t first, const uint8_t *ids, uint32_t count);

/* From now on there are no new pages: one more is -ENOSPC. */
void page_table_close(struct page_table *table);

#endif
