#include "trace/packed.h"

#include <endian.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "trace/complaint.h"

/* Reals beyond it are not taken for whole numbers: 2^62. */
#define WHOLE_MOST 4611686018427387904.0

/* ---- The layout ---- */

static unsigned size_of(char type)
{
    switch (type) {
    case 'c':
    case 'b':
    case 'B':
    case 'x':
    case 's':
        return 1;
    case 'h':
    case 'H':
        return 2;
    case 'i':
    case 'I':
    case 'l':
    case 'L':
    case 'f':
        return 4;
    case 'q':
    case 'Q':
    case 'd':
        return 8;
    default:
        return 0;
    }
}

/* A field, or a run of equal ones, at *text. Returns its type, or NUL if it is none. */
static char next_item(const char **text, const char *end, unsigned *times)
{
    unsigned count = 0;
    bool counted = false;

    for (; *text < end && **text >= '0' && **text <= '9'; (*text)++) {
        counted = true;
        count = count * 10 + (unsigned)(**text - '0');
        if (count > PACKED_BYTES_MOST)
            return '\0';
    }
    *times = counted ? count : 1;
    if (*text == end || size_of(**text) == 0)
        return '\0';
    return *(*text)++;
}

/* The field with the number `column` is `type` at `offset`: note it where it is wanted. */
static void note_field(struct packed *packed, const struct packed_columns *columns, unsigned column,
                       char type)
{
    struct packed_field field = {.type = type, .offset = packed->bytes};

    if (column == columns->id)
        packed->id = field;
    if (column == columns->size)
        packed->size = field;
    if (column == columns->operation)
        packed->operation = field;
    if (column == columns->next)
        packed->next = field;
    if (column == columns->time)
        packed->time = field;
}

static bool lay_out_items(struct packed *packed, const char *text, const char *end,
                          const struct packed_columns *columns)
{
    unsigned column = 0;

    while (text < end) {
        unsigned times;
        char type = next_item(&text, end, &times);

        if (type == '\0')
            return false;
        if (type == 'x' || type == 's') {
            column += type == 's';
            if (type == 's')
                note_field(packed, columns, column, type);
            packed->bytes += times;
            times = 0;
        }
        for (; times > 0 && packed->bytes <= PACKED_BYTES_MOST; times--) {
            note_field(packed, columns, ++column, type);
            packed->bytes += size_of(type);
        }
        if (packed->bytes > PACKED_BYTES_MOST || column > PACKED_FIELDS_MOST)
            return false;
    }
    return packed->bytes > 0;
}

static bool is_number(const struct packed_field *field, unsigned column)
{
    return column == 0 || (field->type != '\0' && field->type != 's');
}

int packed_lay_out(struct packed *packed, const char *text, size_t length,
                   const struct packed_columns *columns, struct sp_error *error)
{
    int shown = (int)(length < 60 ? length : 60);

    *packed = (struct packed){.bytes = 0};
    if (length == 0 || text[0] != '<')
        return error_set(error, EINVAL,
                         "'%.*s' is not a layout of little-endian records: it begins with <, as in "
                         "<IQI",
                         shown, text);
    if (!lay_out_items(packed, text + 1, text + length, columns))
        return error_set(
            error, EINVAL,
            "'%.*s' is not a layout of records of up to %u fields and %u bytes: fields "
            "are c, b, B, h, H, i, I, l, L, q, Q, f, d and s",
            shown, text, PACKED_FIELDS_MOST, PACKED_BYTES_MOST);
    if (columns->id == 0 || !is_number(&packed->id, columns->id))
        return error_set(error, EINVAL, "field %u of '%.*s' cannot be the id", columns->id, shown,
                         text);
    if (!is_number(&packed->size, columns->size) ||
        !is_number(&packed->operation, columns->operation) ||
        !is_number(&packed->next, columns->next) || !is_number(&packed->time, columns->time))
        return error_set(error, EINVAL,
                         "'%.*s' has no number in a field that is to be a size, an operation, a "
                         "time or the next reference",
                         shown, text);
    return 0;
}

/* ---- Records ---- */

static uint64_t load(const uint8_t *at, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, at, size);
    return le64toh(value);
}

static double load_real(const uint8_t *at, char type)
{
    uint64_t bits = load(at, size_of(type));
    uint32_t low = (uint32_t)bits;
    double real;
    float single;

    if (type == 'd') {
        memcpy(&real, &bits, sizeof(real));
        return real;
    }
    memcpy(&single, &low, sizeof(single));
    return single;
}

/* The value of a field, with its sign; a real number is cut off, and 0 if it does not fit. */
static int64_t value_of(const struct packed_field *field, const uint8_t *record)
{
    const uint8_t *at = record + field->offset;

    switch (field->type) {
    case 'c':
    case 'b':
        return (int8_t)at[0];
    case 'h':
        return (int16_t)load(at, 2);
    case 'i':
    case 'l':
        return (int32_t)load(at, 4);
    case 'f':
    case 'd': {
        double real = load_real(at, field->type);

        return real > -WHOLE_MOST && real < WHOLE_MOST ? (int64_t)real : 0;
    }
    default:
        return (int64_t)load(at, size_of(field->type));
    }
}

static bool is_write(int64_t operation)
{
    return (operation >= 3 && operation <= 11) || operation == PACKED_WRITES || operation == 14;
}

/* Sizes are counted up to 2^32 - 1. */
static uint32_t size_value(int64_t size, char type)
{
    if (type == 'Q' && size < 0)
        return UINT32_MAX;
    return size > UINT32_MAX ? UINT32_MAX : size < 0 ? 0 : (uint32_t)size;
}

static void unpack(const struct packed *packed, const uint8_t *record,
                   struct trace_reference *reference)
{
    *reference = (struct trace_reference){.id = (uint64_t)value_of(&packed->id, record),
                                          .next = TRACE_NEVER};
    if (packed->size.type != '\0')
        reference->size = size_value(value_of(&packed->size, record), packed->size.type);
    if (packed->operation.type != '\0')
        reference->write = is_write(value_of(&packed->operation, record));
    if (packed->next.type != '\0') {
        int64_t next = value_of(&packed->next, record);

        reference->next = next < 0 || next == INT64_MAX ? TRACE_NEVER : (uint64_t)next;
    }
}

ssize_t packed_read(struct trace *trace, const struct packed *packed,
                    struct trace_reference *references, size_t most, struct sp_error *error)
{
    struct source *source = &trace->source;
    int result = source_need(source, packed->bytes, error);
    size_t count = (size_t)(source->end - source->at) / packed->bytes;

    check(packed->bytes > 0);
    if (result < 0)
        return result;
    if (result == 0 && source->at != source->end)
        return complaint_set(trace, error, "the file ends after %zu of its %u bytes",
                             (size_t)(source->end - source->at), packed->bytes);
    count = count < most ? count : most;
    for (size_t i = 0; i < count; i++, source->at += packed->bytes) {
        unpack(packed, source->at, &references[i]);
        if (trace->times != NULL && packed->time.type != '\0')
            trace->times[i] = (uint64_t)value_of(&packed->time, source->at);
    }
    trace->records += count;
    return (ssize_t)count;
}
