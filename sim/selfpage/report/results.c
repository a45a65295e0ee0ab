#include "selfpage/report/results.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "selfpage/report/csv.h"
#include "selfpage/report/rows.h"
#include "selfpage/report/series.h"

/* A list of numbers longer than this is thinned to every second, third ... of them. */
#define LIST_MOST 512u

static int no_memory(struct sp_error *error)
{
    return error_set(error, ENOMEM, "no memory for the results");
}

static const char *kind_of(const json_t *value)
{
    const json_t *first = json_is_array(value) ? json_array_get(value, 0) : NULL;

    if (json_is_boolean(json_object_get(value, "passed")) &&
        json_is_array(json_object_get(value, "expectations")) &&
        json_is_array(json_object_get(value, "tasks")))
        return "run";
    if (json_is_object(json_object_get(value, "latency_ns")) &&
        json_is_object(json_object_get(value, "load")))
        return "bench";
    if (json_is_number(json_object_get(first, "miss_ratio")) &&
        json_is_string(json_object_get(first, "policy")))
        return "replay";
    return "other";
}

/* Thin all long lists of numbers within a value: those of one length in the same way. */
static void thin(json_t *value)
{
    json_t *member;
    const char *name;
    size_t i, step = (json_array_size(value) + LIST_MOST - 1) / LIST_MOST;

    if (step > 1 && json_is_number(json_array_get(value, 0))) {
        for (i = 0; i * step < json_array_size(value); i++)
            json_array_set(value, i, json_array_get(value, i * step));
        while (json_array_size(value) > i)
            json_array_remove(value, json_array_size(value) - 1);
    }
    json_array_foreach(value, i, member) thin(member);
    json_object_foreach(value, name, member) thin(member);
}

/* Takes over `data`. */
static int add(json_t *results, const char *path, const char *kind, json_t *data,
               struct sp_error *error)
{
    json_t *result = json_pack("{s:s, s:s, s:o}", "file", path, "kind", kind, "data", data);

    return result != NULL && json_array_append_new(results, result) == 0 ? 0 : no_memory(error);
}

/* The looks, or the rows, that came before something else, or the end of the file. */
static int add_looks(json_t *results, const char *path, json_t *looks, struct sp_error *error)
{
    json_t *made, *series;

    if (json_array_size(looks) == 0)
        return 0;
    made = rows_is_row(json_array_get(looks, 0)) ? rows_to_looks(looks) : json_incref(looks);
    series = made != NULL ? series_make(made) : NULL;
    json_decref(made);
    json_array_clear(looks);
    return series != NULL ? add(results, path, "series", series, error) : no_memory(error);
}

/* Takes over `value`. */
static int take(json_t *results, const char *path, json_t *looks, json_t *value,
                struct sp_error *error)
{
    bool row = rows_is_row(value);
    int code;

    if ((row || series_is_look(value)) &&
        (json_array_size(looks) == 0 || rows_is_row(json_array_get(looks, 0)) == row))
        return json_array_append_new(looks, value) == 0 ? 0 : no_memory(error);
    code = add_looks(results, path, looks, error);
    if (code == 0 && (row || series_is_look(value)))
        return json_array_append_new(looks, value) == 0 ? 0 : no_memory(error);
    if (code != 0) {
        json_decref(value);
        return code;
    }
    if (strcmp(kind_of(value), "bench") == 0)
        thin(value);
    return add(results, path, kind_of(value), value, error);
}

/* True if nothing but white space is left. */
static bool at_end(FILE *in)
{
    int c;

    do
        c = getc(in);
    while (c == ' ' || c == '\t' || c == '\n' || c == '\r');
    if (c == EOF)
        return true;
    ungetc(c, in);
    return false;
}

/* True if what comes now is no JSON that this reads. */
static bool at_text(FILE *in)
{
    int c = getc(in);

    ungetc(c, in);
    return c != '{' && c != '[';
}

static int read_values(json_t *results, const char *path, FILE *in, json_t *looks,
                       struct sp_error *error)
{
    int code = 0;

    if (!at_end(in) && at_text(in))
        code = csv_read(looks, path, in, error);
    while (code == 0 && !at_end(in)) {
        json_error_t wrong;
        json_t *value = json_loadf(in, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &wrong);

        if (value == NULL)
            code = error_set(error, EILSEQ, "%.100s: this is no JSON: %.100s", path, wrong.text);
        else
            code = take(results, path, looks, value, error);
    }
    if (code == 0 && ferror(in))
        code = error_set(error, errno, "%.100s: cannot read: %s", path, strerror(errno));
    return code == 0 ? add_looks(results, path, looks, error) : code;
}

int results_read(json_t *results, const char *path, struct sp_error *error)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *in = standard ? stdin : fopen(path, "re");
    size_t before = json_array_size(results);
    json_t *looks = json_array();
    int code;

    if (in == NULL || looks == NULL)
        code = error_set(error, errno, "%.100s: %s", path, strerror(errno));
    else
        code = read_values(results, path, in, looks, error);
    json_decref(looks);
    if (in != NULL && !standard)
        fclose(in);
    if (code == 0 && json_array_size(results) == before)
        code = error_set(error, ENODATA, "%.100s: there is nothing in it", path);
    return code;
}
