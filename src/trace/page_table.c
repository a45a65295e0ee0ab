#include "trace/page_table.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "trace/narrow_slots.h"
#include "trace/reserve.h"
#include "trace/wide_slots.h"

int page_table_init(struct page_table *table, uint32_t most)
{
    *table = (struct page_table){.most = most < PAGE_TABLE_MOST ? most : PAGE_TABLE_MOST};
    return narrow_slots_init(table);
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
    if (table->narrow != NULL)
        narrow_slots_fini(table);
    if (table->wide != NULL)
        wide_slots_fini(table);
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

/* ---- From slots to others ---- */

struct slot_change {
    struct page_table *table;
    int result; /* -ENOMEM: pages are lost */
};

static int make_room(struct page_table *table);

/* A page that found no place in other slots. */
static void take(void *context, uint64_t id, uint32_t page)
{
    struct slot_change *move = context;
    struct page_table *table = move->table;

    while (move->result == 0 && table->wide == NULL && !narrow_slots_put(table, id, page))
        move->result = make_room(table);
    if (move->result == 0 && table->wide != NULL)
        wide_slots_put(table, id, page);
}

static int leave_narrow_slots(struct page_table *table)
{
    struct slot_change move = {.table = table};
    int result = wide_slots_init(table, table->count);

    if (result != 0)
        return result;
    narrow_slots_leave(table, take, &move);
    return move.result;
}

static int moved(const struct slot_change *move, int result)
{
    if (result == NARROW_SLOTS_CANNOT)
        return leave_narrow_slots(move->table);
    return result != 0 ? result : move->result;
}

static int make_room(struct page_table *table)
{
    struct slot_change move = {.table = table};

    return moved(&move, narrow_slots_grow(table, take, &move));
}

static int admit(struct page_table *table, uint64_t id)
{
    struct slot_change move = {.table = table};

    if (narrow_slots_fit(table, id))
        return make_room(table);
    return moved(&move, narrow_slots_widen(table, id, take, &move));
}

/* ---- */

int page_table_look_up(struct page_table *table, const struct trace_reference *references,
                       size_t count, uint32_t *out)
{
    size_t done = 0;

    while (table->wide == NULL) {
        int result = narrow_slots_look_up(table, references, count, out, &done);

        if (result != NARROW_SLOTS_STOPPED)
            return result;
        result = admit(table, references[done].id);
        if (result != 0)
            return result;
    }
    return wide_slots_look_up(table, references + done, count - done, out + done);
}
