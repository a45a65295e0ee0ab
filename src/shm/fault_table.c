#include "shm/fault_table.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"

/* Places that are looked at for a site. */
#define PROBES 32u

_Static_assert((FAULT_TABLE_SITES & (FAULT_TABLE_SITES - 1)) == 0, "places are found by a mask");

void fault_table_begin(struct fault_table *table, const char *task, uint32_t page_bytes)
{
    ensure(page_bytes > 0);
    table->size = sizeof(*table);
    table->page_bytes = page_bytes;
    snprintf(table->task, sizeof(table->task), "%s", task);
    table->magic = FAULT_TABLE_MAGIC;
}

struct fault_row *fault_table_add_row(struct fault_table *table, const struct fault_row *row)
{
    check(table->rows <= FAULT_TABLE_ROWS);
    table->regions++;
    if (table->rows == FAULT_TABLE_ROWS)
        return &table->row[FAULT_TABLE_ROWS - 1];
    table->row[table->rows] = *row;
    return &table->row[table->rows++];
}

static uint32_t place_of(uint64_t code, uint32_t row)
{
    return (uint32_t)(((code ^ ((uint64_t)row << 48)) * UINT64_C(0x9e3779b97f4a7c15)) >> 40);
}

struct fault_site *fault_table_find_site(struct fault_table *table, uint64_t code, uint32_t row,
                                         bool *newp)
{
    uint32_t place = place_of(code, row);

    check(code != 0 && row < FAULT_TABLE_ROWS);
    *newp = false;
    for (uint32_t i = 0; i < PROBES; i++) {
        struct fault_site *site = &table->site[(place + i) & (FAULT_TABLE_SITES - 1)];

        if (site->code == code && site->row == row)
            return site;
        if (site->code != 0)
            continue;
        *newp = true;
        site->row = row;
        site->code = code;
        table->sites++;
        return site;
    }
    table->lost++;
    return NULL;
}

/* A stride is kept until as many loads speak against it as for it, of late. */
void fault_table_stride(struct fault_site *site, uint32_t page)
{
    int64_t stride = (int64_t)page - site->last;
    bool fits = site->loads > 0 && stride == site->stride && stride != 0;

    check(site->doubts >= 0);
    site->last = page;
    if (fits) {
        site->strides++;
        site->doubts -= site->doubts > 0;
    } else if (++site->doubts >= 2 || site->stride == 0) {
        site->doubts = 0;
        site->stride = site->loads > 0 ? (int32_t)stride : 0;
    }
}

bool fault_table_add_object(struct fault_table *table, uint64_t first, uint64_t end,
                            uint64_t offset, const char *path)
{
    const struct fault_object *known = fault_table_object_at(table, first);
    struct fault_object *object;
    size_t length = strlen(path);

    ensure(first < end);
    if (known != NULL || table->objects == FAULT_TABLE_OBJECTS)
        return false;
    object = &table->object[table->objects];
    object->first = first;
    object->end = end;
    object->offset = offset;
    snprintf(object->path, sizeof(object->path), "%s",
             length < FAULT_TABLE_PATH ? path : path + length - (FAULT_TABLE_PATH - 1));
    __atomic_store_n(&table->objects, table->objects + 1, __ATOMIC_RELEASE);
    return true;
}

const struct fault_object *fault_table_object_at(const struct fault_table *table, uint64_t code)
{
    uint32_t objects = __atomic_load_n(&table->objects, __ATOMIC_ACQUIRE);

    check(objects <= FAULT_TABLE_OBJECTS);
    for (uint32_t i = objects; i-- > 0;)
        if (code >= table->object[i].first && code < table->object[i].end)
            return &table->object[i];
    return NULL;
}

/* A text of one line, with an end. */
static bool is_line(const char *text, size_t room)
{
    for (size_t i = 0; i < room; i++) {
        if (text[i] == '\0')
            return true;
        if ((unsigned char)text[i] < ' ' || text[i] == 127)
            return false;
    }
    return false;
}

static const char *check_parts(const struct fault_table *table)
{
    if (!is_line(table->task, sizeof(table->task)))
        return "the task's name is none";
    for (uint32_t i = 0; i < table->objects; i++)
        if (!is_line(table->object[i].path, FAULT_TABLE_PATH) ||
            table->object[i].first >= table->object[i].end)
            return "an object in it is none";
    for (uint32_t i = 0; i < FAULT_TABLE_SITES; i++)
        if (table->site[i].code != 0 && table->site[i].row >= table->rows)
            return "an instruction faults on a region that does not exist";
    return NULL;
}

const char *fault_table_check(const struct fault_table *table, size_t size)
{
    if (size < sizeof(table->magic) || table->magic != FAULT_TABLE_MAGIC)
        return "it is no table of faults, or of another version";
    if (size != sizeof(*table) || table->size != size)
        return "it is cut off, or of another version";
    if (table->rows > FAULT_TABLE_ROWS || table->objects > FAULT_TABLE_OBJECTS ||
        table->page_bytes == 0)
        return "its counts cannot be";
    return check_parts(table);
}
