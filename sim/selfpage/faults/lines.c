#include "selfpage/faults/lines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Sites of one line; without one, of one function of one file; without that, of one instruction. */
static bool same_line(const struct faults_line *a, const struct faults_line *b)
{
    if (a->sum.row != b->sum.row || a->object != b->object ||
        !same_text(a->place.function, b->place.function) ||
        !same_text(a->place.within, b->place.within) || !same_text(a->place.file, b->place.file) ||
        a->place.line != b->place.line)
        return false;
    return a->place.function != NULL || a->place.file != NULL || a->sum.code == b->sum.code;
}

static void add_site(struct faults_line *line, const struct faults_line *other)
{
    struct fault_site *sum = &line->sum;
    const struct fault_site *site = &other->sum;

    check(sum->row == site->row);
    sum->faults += site->faults;
    sum->soft += site->soft;
    sum->evicted += site->evicted;
    sum->stored += site->stored;
    sum->loads += site->loads;
    sum->ahead += site->ahead;
    sum->strides += site->strides;
    if (site->faults <= line->most)
        return;
    line->most = site->faults;
    sum->code = site->code;
    sum->stride = site->stride;
    sum->hint_pages = site->hint_pages;
    sum->hint_stride = site->hint_stride;
}

static void take_site(struct faults_lines *lines, const struct fault_site *site)
{
    struct faults_line line = {.object = fault_table_object_at(lines->table, site->code),
                               .sum = *site,
                               .most = site->faults};

    check(site->code != 0);
    if (lines->symbols != NULL)
        symbols_find(lines->symbols, site->code, &line.place);
    lines->evicted += site->evicted;
    for (size_t i = 0; i < lines->count; i++)
        if (same_line(&lines->line[i], &line)) {
            add_site(&lines->line[i], &line);
            return;
        }
    lines->line[lines->count++] = line;
}

static int by_faults(const void *a, const void *b)
{
    const struct fault_site *x = &((const struct faults_line *)a)->sum;
    const struct fault_site *y = &((const struct faults_line *)b)->sum;

    if (x->faults != y->faults)
        return x->faults < y->faults ? 1 : -1;
    if (x->soft != y->soft)
        return x->soft < y->soft ? 1 : -1;
    return x->code < y->code ? -1 : x->code > y->code;
}

/* A file of code, at which some site faults, or a region was made. */
static bool is_needed(const struct fault_table *table, const struct fault_object *object)
{
    for (uint32_t i = 0; i < FAULT_TABLE_SITES; i++)
        if (table->site[i].code != 0 && fault_table_object_at(table, table->site[i].code) == object)
            return true;
    for (uint32_t i = 0; i < table->rows; i++)
        if (fault_table_object_at(table, table->row[i].code) == object)
            return true;
    return false;
}

static void add_objects(struct faults_lines *lines)
{
    const struct fault_table *table = lines->table;

    for (uint32_t i = 0; i < table->objects; i++) {
        const struct fault_object *object = &table->object[i];
        const char *wrong = NULL;

        if (!is_needed(table, object))
            continue;
        wrong = symbols_add(lines->symbols, object->path, object->first, object->offset);
        if (wrong == NULL)
            continue;
        lines->without = object->path;
        lines->why = wrong;
    }
}

int lines_make(struct faults_lines *lines, const struct fault_table *table, struct sp_error *error)
{
    int result;

    *lines = (struct faults_lines){.table = table};
    lines->line = calloc(FAULT_TABLE_SITES, sizeof(*lines->line));
    lines->made = calloc(FAULT_TABLE_ROWS, sizeof(*lines->made));
    if (lines->line == NULL || lines->made == NULL)
        return error_set(error, ENOMEM, "no memory for the lines of a table");
    result = symbols_open(&lines->symbols, error);
    if (result != 0)
        return result;
    if (lines->symbols != NULL)
        add_objects(lines);
    for (uint32_t i = 0; i < FAULT_TABLE_SITES; i++)
        if (table->site[i].code != 0)
            take_site(lines, &table->site[i]);
    for (uint32_t i = 0; i < table->rows && lines->symbols != NULL; i++)
        if (table->row[i].code > 0) /* the call stands before where it returns to */
            symbols_find(lines->symbols, table->row[i].code - 1, &lines->made[i]);
    qsort(lines->line, lines->count, sizeof(*lines->line), by_faults);
    return 0;
}

void lines_name(const struct faults_lines *lines, const struct symbols_place *place, uint64_t code,
                char name[LINES_NAME_MAX])
{
    const struct fault_object *object = fault_table_object_at(lines->table, code);
    char function[180] = "";

    if (place->within != NULL)
        snprintf(function, sizeof(function), " (%.80s, inlined into %.80s)", place->function,
                 place->within);
    else if (place->function != NULL)
        snprintf(function, sizeof(function), " (%.160s)", place->function);
    if (place->file != NULL)
        snprintf(name, LINES_NAME_MAX, "%.160s:%d%s", last_part(place->file), place->line,
                 function);
    else if (object != NULL)
        snprintf(name, LINES_NAME_MAX, "%.160s+%#llx%s", last_part(object->path),
                 (unsigned long long)(code - object->first + object->offset), function);
    else
        snprintf(name, LINES_NAME_MAX, "%#llx, code that no file has", (unsigned long long)code);
}

void lines_fini(struct faults_lines *lines)
{
    symbols_close(&lines->symbols);
    free(lines->line);
    free(lines->made);
    *lines = (struct faults_lines){.count = 0};
}
