/* csv: one reference a line, in columns, as RFC 4180 and spreadsheets have them: a field in quotes
 * may hold delimiters, line breaks, and quotes (as two). Lines that are empty or begin with # are
 * skipped.
 *
 * Options are those of libCacheSim (-t), as far as they concern what is read here, and some more:
 * "time-col=2,obj-id-col=5,obj-size-col=4,op-col=3,cnt-col=6,has-header=true,delimiter=;,
 * obj-id-is-num=1". Columns count from 1. obj-id-col=2+5: column 2 is a device, volume or file, and
 * column 5 the id or address within it. Without has-header= the first line is a header if it names
 * columns as column.h knows them; without obj-id-col= such a header says which columns are used, and
 * without delimiter= the first line says what the delimiter is (comma, semicolon, tab or |).
 *
 * layout=NAME stands for the options of a trace that is published (csv_options.c); options behind it
 * change them. Where pages have a size, its ids are addresses.
 *
 * In a column of operations, w, write, put, set, store, insert, update, add, append, delete and the
 * like make a write; everything else is a read. A reference with a count of N (cnt-col) is made N
 * times. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "trace/column.h"
#include "trace/complaint.h"
#include "trace/csv_fields.h"
#include "trace/csv_options.h"
#include "trace/format.h"
#include "trace/line.h"
#include "trace/mix.h"

/* Slots of the table of address spaces: a power of two, above 2^16. */
#define SPACES 131072u

struct csv {
    struct csv_options options;
    bool empty;     /* the file has no line, but for idle ones */
    unsigned last;  /* column that is used */
    uint64_t again; /* the reference read last is made so many times more */
    struct trace_reference repeated;
    struct csv_field fields[CSV_COLUMNS_MOST];
    uint16_t spaces; /* numbered so far */
    struct csv_space {
        uint64_t id;
        uint16_t number; /* from 1; 0: the slot is free */
    } space[SPACES];
};

static struct csv *csv_of(const struct trace *trace)
{
    return trace->state;
}

static bool csv_sniff(const uint8_t *bytes, size_t size, bool whole)
{
    const uint8_t *end = memchr(bytes, '\n', size);
    size_t first = end != NULL ? (size_t)(end - bytes) : size;

    (void)whole;
    return size > 0 && line_is_text(bytes, size) &&
           (memchr(bytes, ',', first) != NULL || memchr(bytes, ';', first) != NULL);
}

/* ---- Records ---- */

static int no_field(const struct trace *trace, const char *what, unsigned column,
                    struct sp_error *error)
{
    return complaint_set(trace, error, "there is no %s in column %u", what, column);
}

/* The next record, cut up into csv->fields. Returns 1, 0 at the end, or a negative errno. */
static int next_record(struct trace *trace, unsigned most, const char **line, unsigned *countp,
                       struct sp_error *error)
{
    struct csv *csv = csv_of(trace);
    enum csv_verdict verdict;
    size_t length;
    int result;

    do
        result = line_next(trace, line, &length, error);
    while (result > 0 && line_is_idle(*line, length));
    while (result > 0) {
        char delimiter = csv->options.delimiter != '\0' ? csv->options.delimiter : ',';

        verdict = csv_fields_cut(*line, length, delimiter, csv->fields, most, countp);
        if (verdict == CSV_CUT)
            return 1;
        if (verdict == CSV_TRAILING)
            return complaint_set(trace, error, "text stands behind the quotes of a field");
        result = line_extend(trace, line, &length, error);
        if (result == 0)
            return complaint_set(trace, error, "the quotes of a field are not closed");
    }
    return result;
}

static bool is_write(const struct csv_field *field)
{
    static const char *const writes[] = {"w",      "write", "put",     "set",  "store",  "insert",
                                         "update", "add",   "replace", "cas",  "append", "prepend",
                                         "delete", "incr",  "decr",    "trim", "modify", "1",
                                         "0a",     "2a",    "8a",      "aa"}; /* SCSI */

    for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++)
        if (strlen(writes[i]) == field->length &&
            strncasecmp(writes[i], field->text, field->length) == 0)
            return true;
    return false;
}

/* The number of an address space, from 1. */
static int find_space(struct trace *trace, uint64_t id, uint16_t *number, struct sp_error *error)
{
    struct csv *csv = csv_of(trace);
    size_t at = trace_mix(id) % SPACES;

    while (csv->space[at].number != 0 && csv->space[at].id != id)
        at = (at + 1) % SPACES;
    if (csv->space[at].number == 0) {
        if (csv->spaces == UINT16_MAX)
            return complaint_set(trace, error, "there are more than %u devices or files",
                                 UINT16_MAX);
        csv->space[at] = (struct csv_space){id, ++csv->spaces};
    }
    *number = csv->space[at].number;
    return 0;
}

/* An id that is not an address: all of its columns are mixed together. An address is in a space. */
static int parse_id(struct trace *trace, unsigned count, struct trace_reference *reference,
                    struct sp_error *error)
{
    struct csv *csv = csv_of(trace);
    const struct csv_options *options = &csv->options;
    uint64_t id = 0, space = 0, hashed = trace->hashed;
    bool addresses = trace->options.id_unit != 0;
    int result = 0;

    for (unsigned i = 0; i < options->ids && result == 0; i++) {
        const struct csv_field *field = &csv->fields[options->id[i] - 1];
        bool last = i + 1 == options->ids;

        if (options->id[i] > count || field->length == 0)
            return no_field(trace, "id", options->id[i], error);
        if (last && options->id_is_number && !line_is_number(field->text, field->length))
            return complaint_set(trace, error, "the id '%.*s' is not a number",
                                 (int)(field->length < 40 ? field->length : 40), field->text);
        result = line_id(trace, field->text, field->length, field->quoted, last && addresses, &id,
                         error);
        if (!last) {
            space = trace_mix(space + trace_mix(id));
            trace->hashed = hashed; /* the names of devices do not count */
        }
    }
    reference->id = options->ids > 1 && !addresses ? trace_mix(space + id) : id;
    if (result == 0 && options->ids > 1 && addresses)
        result = find_space(trace, space, &reference->space, error);
    return result;
}

/* A whole number, which other programs may write with a fraction of zeros: 4096.0. */
static bool parse_size(const struct csv_field *field, uint64_t *bytes)
{
    size_t length = field->length;
    const char *point = memchr(field->text, '.', length);

    if (point != NULL) {
        while (length > 0 && field->text[length - 1] == '0')
            length--;
        if (field->text + length - 1 != point)
            return false;
        length--;
    }
    return line_decimal(field->text, length, bytes);
}

static int parse_record(struct trace *trace, unsigned count, struct trace_reference *reference,
                        uint64_t *times, struct sp_error *error)
{
    struct csv *csv = csv_of(trace);
    const struct csv_options *options = &csv->options;
    const struct csv_field *field;
    uint64_t bytes = 0;
    int result;

    *times = 1;
    *reference = (struct trace_reference){.next = TRACE_NEVER};
    result = parse_id(trace, count, reference, error);
    if (result != 0)
        return result;
    if (options->size != 0) {
        field = &csv->fields[options->size - 1];
        if (options->size > count || !parse_size(field, &bytes) ||
            bytes > UINT32_MAX / (options->size_unit > 0 ? options->size_unit : 1))
            return no_field(trace, "size in bytes, below 2^32,", options->size, error);
        bytes *= options->size_unit > 0 ? options->size_unit : 1;
    }
    if (options->operation != 0 && options->operation > count)
        return no_field(trace, "operation", options->operation, error);
    if (options->count != 0) {
        field = &csv->fields[options->count - 1];
        if (options->count > count || !line_decimal(field->text, field->length, times) ||
            *times > UINT32_MAX)
            return no_field(trace, "count of operations, below 2^32,", options->count, error);
    }
    reference->size = (uint32_t)bytes;
    reference->write = options->operation != 0 && is_write(&csv->fields[options->operation - 1]);
    return 0;
}

static ssize_t csv_read(struct trace *trace, struct trace_reference *references, size_t most,
                        struct sp_error *error)
{
    struct csv *csv = csv_of(trace);
    size_t count = 0;

    while (count < most) {
        const char *line;
        unsigned fields;
        int result;

        if (csv->again > 0) {
            csv->again--;
            references[count++] = csv->repeated;
            trace->records++;
            continue;
        }
        result = next_record(trace, csv->last, &line, &fields, error);
        if (result > 0)
            result = parse_record(trace, fields, &csv->repeated, &csv->again, error);
        else if (result == 0)
            break;
        if (result < 0)
            return result;
    }
    return (ssize_t)count;
}

/* ---- Before the first record ---- */

/* Of the characters that are common as delimiters, the one that the line has most. */
static char guess_delimiter(const char *line, size_t length)
{
    static const char candidates[] = ",;\t|";
    size_t best = 0;
    char chosen = ',';

    for (const char *c = candidates; *c != '\0'; c++) {
        size_t count = 0;

        for (size_t i = 0; i < length; i++)
            count += line[i] == *c;
        if (count > best) {
            best = count;
            chosen = *c;
        }
    }
    return chosen;
}

/* True if the fields, `count` of them, name columns rather than have values. */
static bool names_columns(const struct csv *csv, unsigned count)
{
    bool known = false;

    for (unsigned i = 0; i < count; i++) {
        const struct csv_field *field = &csv->fields[i];

        if (line_is_number(field->text, field->length))
            return false;
        known |= column_named(field->text, field->length) != COLUMN_UNKNOWN;
    }
    return known;
}

/* Add `what`, a column and its name in the header to the sentence. */
static void say_column(struct trace *trace, const char *what, unsigned column)
{
    const struct csv_field *field = &csv_of(trace)->fields[column - 1];
    int name = field->length < 30 ? (int)field->length : 30;
    size_t used = strlen(trace->columns);
    char *at = trace->columns + used;

    snprintf(at, sizeof trace->columns - used, "%s%s in column %u (%.*s)", used > 0 ? ", " : "",
             what, column, name, field->text);
    for (; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 127)
            *at = '?';
}

static void say_columns(struct trace *trace)
{
    const struct csv_options *options = &csv_of(trace)->options;

    trace->columns[0] = '\0';
    for (unsigned i = 0; i + 1 < options->ids; i++)
        say_column(trace, "devices", options->id[i]);
    if (options->ids > 0)
        say_column(trace, "ids", options->id[options->ids - 1]);
    if (options->size != 0)
        say_column(trace, "sizes", options->size);
    if (options->operation != 0)
        say_column(trace, "operations", options->operation);
    if (options->count != 0)
        say_column(trace, "counts", options->count);
}

/* Use the columns that the header names: the first of each kind, and every space. */
static void take_columns(struct csv *csv, unsigned count)
{
    struct csv_options *options = &csv->options;
    unsigned id = 0;

    for (unsigned i = 1; i <= count; i++)
        switch (column_named(csv->fields[i - 1].text, csv->fields[i - 1].length)) {
        case COLUMN_ID:
            id = id == 0 ? i : id;
            break;
        case COLUMN_SPACE:
            if (options->ids < CSV_ID_COLUMNS - 1)
                options->id[options->ids++] = i;
            break;
        case COLUMN_SIZE:
            options->size = options->size == 0 ? i : options->size;
            break;
        case COLUMN_OPERATION:
            options->operation = options->operation == 0 ? i : options->operation;
            break;
        case COLUMN_COUNT:
            options->count = options->count == 0 ? i : options->count;
            break;
        case COLUMN_UNKNOWN:
        case COLUMN_OTHER:
            break;
        }
    if (id != 0)
        options->id[options->ids++] = id;
    else
        options->ids = 0;
}

/* Look at the first record: the header, or one to give back. Returns 0 or a negative errno. */
static int look_at_header(struct trace *trace, struct sp_error *error)
{
    struct csv *csv = csv_of(trace);
    const char *line;
    size_t length;
    unsigned count;
    int result;

    do
        result = line_next(trace, &line, &length, error);
    while (result > 0 && line_is_idle(line, length));
    csv->empty = result == 0;
    if (result <= 0)
        return result;
    if (csv->options.delimiter == '\0')
        csv->options.delimiter = guess_delimiter(line, length);
    line_give_back(trace, line);
    if (csv->options.header == CSV_HEADER_NO)
        return 0;
    result = next_record(trace, CSV_COLUMNS_MOST, &line, &count, error);
    if (result <= 0)
        return result;
    if (csv->options.header == CSV_HEADER_MAYBE && !names_columns(csv, count)) {
        line_give_back(trace, line);
        return 0;
    }
    if (csv->options.ids == 0) {
        take_columns(csv, count);
        say_columns(trace);
    }
    return 0;
}

static unsigned last_column(const struct csv_options *options)
{
    unsigned last = options->size > options->operation ? options->size : options->operation;

    last = options->count > last ? options->count : last;
    for (unsigned i = 0; i < options->ids; i++)
        last = options->id[i] > last ? options->id[i] : last;
    return last;
}

static int csv_begin(struct trace *trace, const char *options, struct sp_error *error)
{
    struct csv *csv = csv_of(trace);
    int result = options != NULL ? csv_options_parse(&csv->options, options, error) : 0;

    if (result == 0)
        result = look_at_header(trace, error);
    if (result != 0)
        return result;
    if (csv->options.ids == 0 && csv->empty)
        return error_set(error, EINVAL, "%s: this file has no line", trace->source.name);
    if (csv->options.ids == 0)
        return error_set(error, EINVAL,
                         "%s: which column of the csv trace holds the ids? Say it as in --format "
                         "csv:obj-id-col=2,obj-size-col=3,has-header=true",
                         trace->source.name);
    csv->last = last_column(&csv->options);
    if (trace->options.page_size != 0 && trace->options.id_unit == 0)
        trace->options.id_unit = csv->options.id_unit;
    trace->carries_sizes = csv->options.size != 0;
    return 0;
}

/* ---- Writing ---- */

static int csv_begin_output(struct trace_output *output, struct sp_error *error)
{
    static const char header[] = "id,size,operation\n";
    uint8_t *at = sink_room(&output->sink, sizeof(header), error);

    if (at == NULL)
        return -EIO;
    memcpy(at, header, sizeof(header) - 1);
    sink_put(&output->sink, sizeof(header) - 1);
    return 0;
}

static size_t csv_put(struct trace_output *output, uint8_t *at,
                      const struct trace_reference *reference)
{
    (void)output;
    return (size_t)sprintf((char *)at, "%" PRIu64 ",%" PRIu32 ",%c\n", reference->id,
                           reference->size, reference->write ? 'w' : 'r');
}

static const char *const csv_extensions[] = {"csv", "tsv", NULL};

const struct trace_format format_csv = {
    .name = "csv",
    .summary = "one reference a line, in columns",
    .extensions = csv_extensions,
    .options =
        "layout=msr|alibaba|tencent|systor|twitter|cloudphysics,obj-id-col=N[+N],obj-size-col=N,op-col=N,cnt-col=N,has-header=true,"
        "delimiter=C,obj-id-is-num=1,size-unit=N,time-col=N",
    .least = 2,
    .lines = true,
    .repeats = true,
    .state_size = sizeof(struct csv),
    .sniff = csv_sniff,
    .begin = csv_begin,
    .read = csv_read,
    .begin_output = csv_begin_output,
    .put = csv_put,
};
