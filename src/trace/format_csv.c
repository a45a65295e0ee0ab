/* One reference a line, in columns. The options are libCacheSim's (-t), as far as they concern what
 * is read here: "time-col=2,obj-id-col=5,obj-size-col=4,op-col=3,has-header=true,delimiter=,,
 * obj-id-is-num=1". Columns count from 1. In a column of operations, w, write, put, set, store,
 * insert, update, add, append, delete and the like make a write; everything else is a read. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "trace/format.h"

#define COLUMNS_MOST 1000u

static bool csv_sniff(const uint8_t *bytes, size_t size, bool whole)
{
    const uint8_t *end = memchr(bytes, '\n', size);
    size_t first = end != NULL ? (size_t)(end - bytes) : size;

    return trace_format_text.sniff(bytes, size, whole) && memchr(bytes, ',', first) != NULL;
}

/* ---- Options ---- */

static int parse_delimiter(struct trace *trace, const char **text, struct sp_error *error)
{
    const char *at = *text;

    if (strncmp(at, "\\t", 2) == 0 || strncmp(at, "tab", 3) == 0) {
        trace->columns.delimiter = '\t';
        at += at[0] == '\\' ? 2 : 3;
    } else if (*at != '\0') {
        trace->columns.delimiter = *at++;
    }
    if (trace->columns.delimiter == '\n' || trace->columns.delimiter == '\r' ||
        (*at != '\0' && *at != ','))
        return error_set(error, EINVAL,
                         "csv: delimiter= takes one character (or tab), before '%.20s'", at);
    *text = at;
    return 0;
}

static bool option_is(const char *text, size_t length, const char *name)
{
    return strlen(name) == length && strncmp(text, name, length) == 0;
}

static bool parse_flag(const char *text, size_t length, bool *flag)
{
    bool yes = option_is(text, length, "true") || option_is(text, length, "1");

    *flag = yes;
    return yes || option_is(text, length, "false") || option_is(text, length, "0");
}

/* name=value; libCacheSim's columns that mean nothing to a replay are accepted and left aside. */
static bool parse_option(struct trace *trace, const char *name, size_t name_length,
                         const char *value, size_t length, bool *known)
{
    struct trace_columns *c = &trace->columns;
    static const char *const ignored[] = {"time-col", "cnt-col",    "next-access-col",
                                          "ttl-col",  "tenant-col", "feature1-col"};
    unsigned *column = NULL;
    uint64_t number;

    *known = true;
    if (option_is(name, name_length, "has-header"))
        return parse_flag(value, length, &c->has_header);
    if (option_is(name, name_length, "obj-id-is-num"))
        return parse_flag(value, length, &c->id_is_number);
    if (option_is(name, name_length, "obj-id-col"))
        column = &c->id;
    else if (option_is(name, name_length, "obj-size-col"))
        column = &c->size;
    else if (option_is(name, name_length, "op-col"))
        column = &c->operation;
    if (!trace_decimal(value, length, &number) || number == 0 || number > COLUMNS_MOST)
        return false;
    if (column != NULL) {
        *column = (unsigned)number;
        return true;
    }
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        if (option_is(name, name_length, ignored[i]))
            return true;
    *known = false;
    return false;
}

static int parse_options(struct trace *trace, const char *text, struct sp_error *error)
{
    while (*text != '\0') {
        size_t name_length = strcspn(text, "=,");
        const char *value = text + name_length + 1;
        size_t length;
        bool known;

        if (text[name_length] != '=')
            return error_set(error, EINVAL, "csv: option '%.40s' is not of the form name=value",
                             text);
        if (option_is(text, name_length, "delimiter")) {
            int result = parse_delimiter(trace, &value, error);

            if (result != 0)
                return result;
            length = 0;
        } else {
            length = strcspn(value, ",");
            if (!parse_option(trace, text, name_length, value, length, &known))
                return error_set(error, EINVAL,
                                 known ? "csv: option '%.*s' does not take '%.*s'"
                                       : "csv: there is no option '%.*s' (given as '%.*s')",
                                 (int)(name_length < 40 ? name_length : 40), text,
                                 (int)(length < 40 ? length : 40), value);
        }
        text = value + length;
        text += *text == ',';
    }
    return 0;
}

static int csv_begin(struct trace *trace, const char *options, struct sp_error *error)
{
    const char *line;
    size_t length;
    int result = 0;

    trace->columns = (struct trace_columns){.delimiter = ','};
    if (options != NULL)
        result = parse_options(trace, options, error);
    if (result != 0)
        return result;
    if (trace->columns.id == 0)
        return error_set(error, EINVAL,
                         "%s: which column of the csv trace holds the ids? Say it as in --format "
                         "csv:obj-id-col=2,obj-size-col=3,has-header=true",
                         trace->input.name);
    trace->carries_sizes = trace->columns.size != 0;
    if (trace->columns.has_header)
        result = trace_line(trace, &line, &length, error);
    return result < 0 ? result : 0;
}

/* ---- Lines ---- */

struct field {
    const char *text; /* NULL: the line has no such column */
    size_t length;
};

static bool is_write(const struct field *field)
{
    static const char *const writes[] = {"w",      "write", "put",     "set",  "store",  "insert",
                                         "update", "add",   "replace", "cas",  "append", "prepend",
                                         "delete", "incr",  "decr",    "trim", "modify", "1"};

    for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++)
        if (strlen(writes[i]) == field->length &&
            strncasecmp(writes[i], field->text, field->length) == 0)
            return true;
    return false;
}

/* Cut the line up; quotes around a field go. */
static void find_fields(const struct trace_columns *columns, const char *line, size_t length,
                        struct field *id, struct field *size, struct field *operation)
{
    const char *end = line + length;

    for (unsigned column = 1;; column++) {
        const char *stop = memchr(line, columns->delimiter, (size_t)(end - line));
        struct field field = {line, (size_t)((stop != NULL ? stop : end) - line)};

        trace_trim(&field.text, &field.length);
        if (field.length >= 2 && field.text[0] == '"' && field.text[field.length - 1] == '"') {
            field.text++;
            field.length -= 2;
        }
        if (column == columns->id)
            *id = field;
        if (column == columns->size)
            *size = field;
        if (column == columns->operation)
            *operation = field;
        if (stop == NULL)
            return;
        line = stop + 1;
    }
}

static int parse_line(struct trace *trace, const char *line, size_t length,
                      struct trace_reference *reference, struct sp_error *error)
{
    const struct trace_columns *columns = &trace->columns;
    struct field id = {NULL}, size = {NULL}, operation = {NULL};
    uint64_t bytes = 0;
    bool number;

    find_fields(columns, line, length, &id, &size, &operation);
    if (id.text == NULL || !trace_id(trace, id.text, id.length, &number, &reference->id))
        return trace_malformed(trace, error, "there is no id in column %u", columns->id);
    if (!number && (columns->id_is_number || trace->options.id_unit != 0))
        return trace_malformed(trace, error, "the id '%.*s' is no number",
                               (int)(id.length < 40 ? id.length : 40), id.text);
    if (columns->size != 0 &&
        (size.text == NULL || !trace_decimal(size.text, size.length, &bytes) || bytes > UINT32_MAX))
        return trace_malformed(trace, error, "there is no size in bytes, below 2^32, in column %u",
                               columns->size);
    if (columns->operation != 0 && operation.text == NULL)
        return trace_malformed(trace, error, "there is no operation in column %u",
                               columns->operation);
    reference->size = (uint32_t)bytes;
    reference->write = operation.text != NULL && is_write(&operation);
    reference->next = TRACE_NEVER;
    return 0;
}

static ssize_t csv_read(struct trace *trace, struct trace_reference *references, size_t most,
                        struct sp_error *error)
{
    size_t count = 0;

    while (count < most) {
        const char *line;
        size_t length;
        int result = trace_line(trace, &line, &length, error);

        if (result < 0)
            return result;
        if (result == 0)
            break;
        if (length == 0 || (length == 1 && *line == '\r'))
            continue;
        result = parse_line(trace, line, length, &references[count], error);
        if (result < 0)
            return result;
        count++;
        trace->records++;
    }
    return (ssize_t)count;
}

static const char *const csv_extensions[] = {"csv", NULL};

const struct trace_format trace_format_csv = {
    .name = "csv",
    .summary = "one reference a line, in columns",
    .extensions = csv_extensions,
    .least = 2,
    .lines = true,
    .sniff = csv_sniff,
    .begin = csv_begin,
    .read = csv_read,
};
