#include "selfpage/faults/json.h"

#include "base/assert.h"
#include "selfpage/faults/advice.h"

static json_t *text(const char *value)
{
    return value != NULL ? json_string_nocheck(value) : json_null();
}

/* What hints would say about a line; null: nothing. */
static json_t *hint_json(const struct faults_line *line)
{
    uint32_t pages;
    int32_t stride;

    if (!advice_ahead(line, &pages, &stride))
        return json_null();
    return json_pack("{s:i, s:i}", "pages", (int)pages, "stride", (int)stride);
}

/* Where some code is. */
static json_t *place_json(const struct faults_lines *lines, const struct symbols_place *place,
                          uint64_t code)
{
    const struct fault_object *object = fault_table_object_at(lines->table, code);
    json_int_t offset = object != NULL ? (json_int_t)(code - object->first + object->offset) : 0;

    return json_pack("{s:o, s:i, s:o, s:o, s:o, s:I}", "file", text(place->file), "line",
                     place->line, "function", text(place->function), "inlined_into",
                     text(place->within), "object", text(object != NULL ? object->path : NULL),
                     "offset", offset);
}

static json_t *line_json(const struct faults_lines *lines, const struct faults_line *line)
{
    const struct fault_site *sum = &line->sum;

    check(sum->row < lines->table->rows);
    return json_pack("{s:o, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:o}", "at",
                     place_json(lines, &line->place, sum->code), "region", (int)sum->row + 1,
                     "faults", (json_int_t)sum->faults, "soft_faults", (json_int_t)sum->soft,
                     "evictions", (json_int_t)sum->evicted, "swapped_out", (json_int_t)sum->stored,
                     "swapped_in", (json_int_t)sum->loads, "read_ahead", (json_int_t)sum->ahead,
                     "at_stride", (json_int_t)sum->strides, "stride", (int)sum->stride, "hint",
                     hint_json(line));
}

static json_t *region_json(const struct faults_lines *lines, uint32_t index)
{
    const struct fault_row *row = &lines->table->row[index];

    return json_pack("{s:o, s:i, s:I, s:i, s:I, s:I, s:I, s:I, s:I, s:b}", "made",
                     place_json(lines, &lines->made[index], row->code), "region", (int)index + 1,
                     "pages", (json_int_t)row->pages, "kind", (int)row->kind, "faults",
                     (json_int_t)row->tally.faults, "evictions", (json_int_t)row->tally.evicted,
                     "swapped_out", (json_int_t)row->tally.stored, "swapped_in",
                     (json_int_t)row->tally.loaded, "dropped", (json_int_t)row->tally.dropped,
                     "better_discarded", (int)advice_discard(row));
}

json_t *json_lines(const struct faults_lines *lines)
{
    const struct fault_table *table = lines->table;
    json_t *list = json_array(), *regions = json_array();

    for (size_t i = 0; i < lines->count; i++)
        json_array_append_new(list, line_json(lines, &lines->line[i]));
    for (uint32_t i = 0; i < table->rows; i++)
        json_array_append_new(regions, region_json(lines, i));
    check(json_array_size(list) <= lines->count);
    return json_pack("{s:s, s:i, s:I, s:o, s:o}", "task", table->task, "page_bytes",
                     (int)table->page_bytes, "lost", (json_int_t)table->lost, "lines", list,
                     "regions", regions);
}
