#include "selfpage/report/csv.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* Columns of a table at most. */
#define COLUMNS_MOST 64u

/* What a report needs of a row: the first three are in each. */
static const char *const known[] = {"seconds", "task",       "held",       "demand",
                                    "faults",  "swapped_in", "swapped_out"};
#define NEEDED 3u
#define TASK   1u
#define KNOWN  (sizeof(known) / sizeof(known[0]))

struct csv_rows {
    const char *path;
    unsigned long line;
    size_t columns;
    size_t meaning[COLUMNS_MOST]; /* of each column: an index of `known`, or KNOWN */
};

/* The fields of a line, which it changes. Returns how many there are. */
static size_t split(char *line, char *fields[COLUMNS_MOST])
{
    size_t count = 0;

    line[strcspn(line, "\r\n")] = '\0';
    while (line != NULL && count < COLUMNS_MOST)
        fields[count++] = strsep(&line, ",");
    return line == NULL ? count : COLUMNS_MOST + 1;
}

static int read_header(struct csv_rows *csv, char *line, struct sp_error *error)
{
    char *fields[COLUMNS_MOST];
    bool there[KNOWN + 1] = {false};

    csv->columns = split(line, fields);
    for (size_t i = 0; i < csv->columns && csv->columns <= COLUMNS_MOST; i++) {
        size_t meaning = 0;

        while (meaning < KNOWN && strcmp(fields[i], known[meaning]) != 0)
            meaning++;
        csv->meaning[i] = meaning;
        there[meaning] = true;
    }
    for (size_t i = 0; i < NEEDED; i++)
        if (!there[i])
            return error_set(error, EILSEQ,
                             "%.100s: this is neither JSON nor a series as CSV, whose first line "
                             "names the column '%s'",
                             csv->path, known[i]);
    return 0;
}

/* A number, or NULL. */
static json_t *number_of(const char *field)
{
    char *end;
    double number = strtod(field, &end);

    return end != field && *end == '\0' && isfinite(number) ? json_real(number) : NULL;
}

static int read_row(const struct csv_rows *csv, json_t *rows, char *line, struct sp_error *error)
{
    char *fields[COLUMNS_MOST];
    json_t *row = json_object();
    size_t count = split(line, fields);
    bool fits = row != NULL && count == csv->columns;

    for (size_t i = 0; fits && i < count; i++) {
        size_t meaning = csv->meaning[i];

        if (meaning < KNOWN)
            fits = json_object_set_new(row, known[meaning],
                                       meaning == TASK ? json_string(fields[i])
                                                       : number_of(fields[i])) == 0;
    }
    if (fits && json_array_append_new(rows, row) == 0)
        return 0;
    if (!fits)
        json_decref(row);
    return error_set(error, EILSEQ, "%.100s:%lu: this line does not fit the first one", csv->path,
                     csv->line);
}

int csv_read(json_t *rows, const char *path, FILE *in, struct sp_error *error)
{
    struct csv_rows csv = {.path = path};
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    int code = 0;

    while (code == 0 && (length = getline(&line, &room, in)) >= 0) {
        csv.line++;
        if (strlen(line) != (size_t)length)
            code = error_set(error, EILSEQ, "%.100s:%lu: there is a NUL", path, csv.line);
        else if (csv.columns == 0)
            code = read_header(&csv, line, error);
        else if (line[strspn(line, "\r\n")] != '\0')
            code = read_row(&csv, rows, line, error);
    }
    free(line);
    return code;
}
