/* The slots of a page table (page_table.h) for ids that fit into some fifty bits: 8 bytes each, from four tenths
 * to eight tenths of them full, and more than half where there are many. */
#ifndef TRACE_NARROW_SLOTS_H
#define TRACE_NARROW_SLOTS_H

#include "trace/page_table.h"

enum {
    NARROW_SLOTS_STOPPED = 1, /* before a reference for which there have to be other slots */
    NARROW_SLOTS_CANNOT = 2,  /* these ids are for wide slots */
};

/* Takes a page over. */
typedef void narrow_slots_take_fn(void *context, uint64_t id, uint32_t page);

/* Free slots, for a table without pages. -ENOMEM. */
int narrow_slots_init(struct page_table *table);

void narrow_slots_fini(struct page_table *table);

/* As page_table_look_up, from references[*done] on; *done then says how many have been looked up.
 * NARROW_SLOTS_STOPPED: the next one has an id that does not fit (narrow_slots_fit), or there must be more slots. */
int narrow_slots_look_up(struct page_table *table, const struct trace_reference *references,
                         size_t count, uint32_t *out, size_t *done);

/* True if slots can have this id. */
bool narrow_slots_fit(const struct page_table *table, uint64_t id);

/* More slots, or slots that can have this id, for the same pages. What finds no place there is for `take`, which
 * may call this file again. -ENOMEM, and the table is as it was; NARROW_SLOTS_CANNOT: half of them are free
 * already, or the id is too wide. */
int narrow_slots_grow(struct page_table *table, narrow_slots_take_fn *take, void *context);
int narrow_slots_widen(struct page_table *table, uint64_t id, narrow_slots_take_fn *take,
                       void *context);

/* Put a page in, that is not there. False: it finds no place. */
bool narrow_slots_put(struct page_table *table, uint64_t id, uint32_t page);

/* All pages are for `take`, and the table has no narrow slots any more. */
void narrow_slots_leave(struct page_table *table, narrow_slots_take_fn *take, void *context);

#endif
