/* Opening traces, telling formats apart, and splitting references into pages. */
#include "trace/trace.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "trace/format.h"

/* In the order in which their contents are told apart: those that say most clearly first. */
static const struct trace_format *const formats[] = {
    &trace_format_native, &trace_format_oracle, &trace_format_lackey,
    &trace_format_csv,    &trace_format_text,
};

#define FORMATS (sizeof(formats) / sizeof(formats[0]))

/* Bytes that a format is told by. */
#define SNIFF_BYTES 4096u

const char *trace_format_name(size_t i, const char **summary)
{
    if (i >= FORMATS)
        return NULL;
    *summary = formats[i]->summary;
    return formats[i]->name;
}

/* ---- For the formats ---- */

int trace_malformed(const struct trace *trace, struct sp_error *error, const char *format, ...)
{
    char what[160];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    if (trace->format->lines)
        return error_set(error, EILSEQ, "%s: line %llu: %s", trace->input.name,
                         (unsigned long long)trace->line, what);
    return error_set(error, EILSEQ, "%s: record %llu: %s", trace->input.name,
                     (unsigned long long)trace->records + 1, what);
}

int trace_line(struct trace *trace, const char **start, size_t *length, struct sp_error *error)
{
    struct input *input = &trace->input;
    size_t seen = 0;

    for (;;) {
        size_t size = (size_t)(input->end - input->at);
        const uint8_t *end = memchr(input->at + seen, '\n', size - seen);
        ssize_t added;

        if (end != NULL || (input->ended && size > 0)) {
            *start = (const char *)input->at;
            *length = end != NULL ? (size_t)(end - input->at) : size;
            input->at = end != NULL ? end + 1 : input->end;
            trace->line++;
            return 1;
        }
        seen = size;
        added = input_more(input, error);
        if (added == -EMSGSIZE) {
            trace->line++;
            return trace_malformed(trace, error, "longer than %u bytes", INPUT_WINDOW);
        }
        if (added < 0)
            return (int)added;
        if (added == 0 && size == 0)
            return 0;
    }
}

bool trace_decimal(const char *text, size_t length, uint64_t *number)
{
    uint64_t value = 0;

    if (length == 0 || length > 20)
        return false;
    for (size_t i = 0; i < length; i++) {
        unsigned digit = (unsigned)((unsigned char)text[i] - '0');

        if (digit > 9 || (i == 19 && (value > UINT64_MAX / 10 ||
                                      (value == UINT64_MAX / 10 && digit > UINT64_MAX % 10))))
            return false;
        value = value * 10 + digit;
    }
    *number = value;
    return true;
}

bool trace_id(struct trace *trace, const char *text, size_t length, bool *number, uint64_t *id)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a, then mixed */

    if (length == 0)
        return false;
    *number = trace_decimal(text, length, id);
    if (*number)
        return true;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    *id = trace_mix(hash);
    trace->hashed++;
    return true;
}

void trace_trim(const char **text, size_t *length)
{
    while (*length > 0 && ((*text)[0] == ' ' || (*text)[0] == '\t')) {
        ++*text;
        --*length;
    }
    while (*length > 0 && strchr(" \t\r", (*text)[*length - 1]) != NULL &&
           (*text)[*length - 1] != '\0')
        --*length;
}

/* ---- Which format ---- */

static const struct trace_format *format_named(const char *name, size_t length)
{
    for (size_t i = 0; i < FORMATS; i++)
        if (strlen(formats[i]->name) == length && strncasecmp(formats[i]->name, name, length) == 0)
            return formats[i];
    return NULL;
}

/* Any part of the file's name between dots counts: x.oracleGeneral.bin.zst is one of those. */
static const struct trace_format *format_by_extension(const char *path)
{
    const char *base = strrchr(path, '/');
    const char *dot = strchr(base != NULL ? base : path, '.');

    for (; dot != NULL; dot = strchr(dot + 1, '.')) {
        size_t length = strcspn(dot + 1, ".");

        for (size_t i = 0; i < FORMATS; i++)
            for (const char *const *e = formats[i]->extensions; e != NULL && *e != NULL; e++)
                if (strlen(*e) == length && strncasecmp(*e, dot + 1, length) == 0)
                    return formats[i];
    }
    return NULL;
}

static int choose_format(struct trace *trace, const char **options, struct sp_error *error)
{
    const char *given = trace->options.format;
    size_t size, length = given != NULL ? strcspn(given, ":") : 0;
    int result;

    *options = NULL;
    if (given != NULL) {
        trace->format = format_named(given, length);
        if (trace->format == NULL)
            return error_set(error, EINVAL,
                             "there is no trace format '%.40s'; there are native, oracleGeneral, "
                             "csv, text, lackey",
                             given);
        *options = given[length] == ':' ? given + length + 1 : NULL;
        return 0;
    }
    result = input_need(&trace->input, SNIFF_BYTES, error);
    if (result < 0)
        return result;
    trace->format = format_by_extension(trace->input.name);
    size = (size_t)(trace->input.end - trace->input.at);
    for (size_t i = 0; i < FORMATS && trace->format == NULL; i++)
        if (formats[i]->sniff(trace->input.at, size < SNIFF_BYTES ? size : SNIFF_BYTES,
                              size <= SNIFF_BYTES && result == 0))
            trace->format = formats[i];
    if (trace->format == NULL && size == 0)
        trace->format = &trace_format_text; /* an empty trace */
    if (trace->format == NULL)
        return error_set(error, EILSEQ, "%s: this looks like no trace format; name it by --format",
                         trace->input.name);
    return 0;
}

static int check_page_size(struct trace *trace, struct sp_error *error)
{
    struct trace_options *o = &trace->options;

    if (trace->format->addresses) {
        o->id_unit = 1;
        if (o->page_size == 0)
            o->page_size = TRACE_LACKEY_PAGE;
    }
    if (o->page_size == 0 && o->id_unit != 0)
        return error_set(error, EINVAL, "ids that are addresses need a page size");
    if (o->page_size == 0)
        return 0;
    if (o->page_size < TRACE_PAGE_SIZE_LEAST || o->page_size > TRACE_PAGE_SIZE_MOST ||
        (o->page_size & (o->page_size - 1)) != 0)
        return error_set(error, EINVAL, "a page size is a power of two from %u to %u, not %u",
                         TRACE_PAGE_SIZE_LEAST, TRACE_PAGE_SIZE_MOST, o->page_size);
    if (!trace->carries_sizes && o->id_unit == 0)
        return error_set(error, EINVAL,
                         "%s: this %s trace carries no sizes, so that there is nothing to split "
                         "into pages; if its ids are addresses, say what they count (--id-unit)",
                         trace->input.name, trace->format->name);
    trace->page_bits = (unsigned)__builtin_ctz(o->page_size);
    return 0;
}

static int trace_begin(struct trace *trace, const char *options, struct sp_error *error)
{
    if (trace->format->begin != NULL)
        return trace->format->begin(trace, options, error);
    if (options != NULL)
        return error_set(error, EINVAL, "trace format %s takes no options, so no '%.40s'",
                         trace->format->name, options);
    return 0;
}

static int trace_set_up(struct trace *trace, struct sp_error *error)
{
    const char *options;
    int result = choose_format(trace, &options, error);

    if (result == 0)
        result = trace_begin(trace, options, error);
    return result == 0 ? check_page_size(trace, error) : result;
}

int trace_open(struct trace *trace, const char *path, const struct trace_options *options,
               struct sp_error *error)
{
    int result;

    memset(trace, 0, sizeof(*trace));
    trace->options = *options;
    result = input_open(&trace->input, path, error);
    return result == 0 ? trace_set_up(trace, error) : result;
}

int trace_open_memory(struct trace *trace, const void *bytes, size_t size,
                      const struct trace_options *options, struct sp_error *error)
{
    int result;

    memset(trace, 0, sizeof(*trace));
    trace->options = *options;
    result = input_open_memory(&trace->input, bytes, size, error);
    return result == 0 ? trace_set_up(trace, error) : result;
}

void trace_fini(struct trace *trace)
{
    input_fini(&trace->input);
}

int trace_rewind(struct trace *trace, struct sp_error *error)
{
    const char *colon = trace->options.format != NULL ? strchr(trace->options.format, ':') : NULL;
    int result = input_rewind(&trace->input, error);

    trace->records = trace->line = trace->hashed = trace->previous = trace->part = 0;
    trace->held_at = trace->held_count = 0;
    return result == 0 ? trace_begin(trace, colon != NULL ? colon + 1 : NULL, error) : result;
}

uint64_t trace_references_most(const struct trace *trace)
{
    if (trace->input.size == 0 || trace->input.compressed || trace_splits(trace))
        return UINT64_MAX;
    return trace->input.size / trace->format->least + 1;
}

/* ---- Splitting ---- */

/* The pages of one record: the first, and how many more. */
static uint64_t first_page(const struct trace *trace, const struct trace_reference *whole,
                           uint64_t *more)
{
    uint64_t last_byte = whole->size > 0 ? whole->size - 1 : 0, start;

    if (trace->options.id_unit == 0) {
        *more = last_byte >> trace->page_bits;
        return whole->id;
    }
    if (__builtin_mul_overflow(whole->id, trace->options.id_unit, &start))
        start = UINT64_MAX; /* no address: all such ids share the last page */
    if (__builtin_add_overflow(start, last_byte, &last_byte))
        last_byte = UINT64_MAX;
    *more = (last_byte >> trace->page_bits) - (start >> trace->page_bits);
    return start >> trace->page_bits;
}

/* The id of an object's page: the first has the object's own. */
static uint64_t part_id(const struct trace *trace, uint64_t first, uint64_t part)
{
    if (trace->options.id_unit != 0)
        return first + part;
    return part == 0 ? first : trace_mix(trace_mix(first) + part);
}

ssize_t trace_read(struct trace *trace, struct trace_reference *references, size_t most,
                   struct sp_error *error)
{
    size_t count = 0;

    if (!trace_splits(trace))
        return trace->format->read(trace, references, most, error);
    while (count < most) {
        const struct trace_reference *whole = &trace->held[trace->held_at];
        uint64_t first, more;

        if (trace->held_at == trace->held_count) {
            ssize_t got =
                count > 0 ? 0 : trace->format->read(trace, trace->held, TRACE_BATCH, error);

            if (got < 0)
                return got;
            trace->held_at = 0;
            trace->held_count = (size_t)got;
            if (got == 0)
                break;
            continue;
        }
        first = first_page(trace, whole, &more);
        references[count] = *whole;
        references[count].id = part_id(trace, first, trace->part);
        references[count++].next = TRACE_NEVER;
        if (trace->part++ == more) {
            trace->part = 0;
            trace->held_at++;
        }
    }
    return (ssize_t)count;
}
