/* Opening traces and telling formats apart. */
#include "trace/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "trace/foreign.h"
#include "trace/format.h"
#include "trace/line.h"
#include "trace/split.h"

static const struct trace_format *const formats[] = {
#define FORMAT(name) &format_##name,
    TRACE_FORMATS(FORMAT)
#undef FORMAT
};

#define FORMATS (sizeof(formats) / sizeof(formats[0]))

/* Bytes that a format is told by. */
#define SNIFF_BYTES 4096u

const char *trace_format_name(size_t i, const char **summary, const char **options)
{
    if (i >= FORMATS)
        return NULL;
    *summary = formats[i]->summary;
    *options = formats[i]->options;
    return formats[i]->name;
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

static int unknown_format(const char *given, struct sp_error *error)
{
    char known[200] = "";

    for (size_t i = 0; i < FORMATS; i++) {
        strncat(known, i > 0 ? ", " : "", sizeof(known) - strlen(known) - 1);
        strncat(known, formats[i]->name, sizeof(known) - strlen(known) - 1);
    }
    return error_set(error, EINVAL, "there is no trace format '%.40s'; there are %s", given, known);
}

/* The first bytes of the trace, in *bytes: how many there are. `*whole`: there are no more. */
static ssize_t first_bytes(struct trace *trace, const uint8_t **bytes, bool *whole,
                           struct sp_error *error)
{
    int result = source_need(&trace->source, SNIFF_BYTES, error);
    size_t size = (size_t)(trace->source.end - trace->source.at);

    if (result < 0)
        return result;
    *bytes = trace->source.at;
    *whole = size <= SNIFF_BYTES && result == 0;
    return (ssize_t)(size < SNIFF_BYTES ? size : SNIFF_BYTES);
}

static int refuse(const struct trace *trace, const char *kind, struct sp_error *error)
{
    return error_set(error, EILSEQ, "%s: no trace%s%s: this is %s", trace->source.name,
                     trace->format != NULL ? " of format " : "",
                     trace->format != NULL ? trace->format->name : "", kind);
}

/* Refuse input that cannot be a trace of trace->format (NULL: no format was found). The bytes are
 * the first ones of the input. `said`: the user has said that it is of this format. */
static int refuse_foreign(const struct trace *trace, bool said, const uint8_t *bytes, size_t size,
                          bool whole, struct sp_error *error)
{
    const struct trace_format *format = trace->format;
    bool text = line_is_text(bytes, size);
    const char *kind = foreign_kind(bytes, size, text);

    if (size == 0 ||
        (format != NULL && !format->lines && (said || format->sniff(bytes, size, whole))))
        return 0;
    if (format != NULL && format->lines && !text)
        return refuse(trace, kind != NULL ? kind : "binary data", error);
    if (format != NULL && format->lines && foreign_lines(bytes, size))
        return refuse(
            trace,
            "text whose lines end with CR alone, as on old Macs: tr '\\r' '\\n' makes it readable",
            error);
    if (format != NULL && !format->lines && text)
        return refuse(trace, kind != NULL ? kind : "text", error);
    if (kind != NULL && !said)
        return refuse(trace, kind, error);
    if (format == NULL)
        return error_set(error, EILSEQ, "%s: of no format that is known here; say --format",
                         trace->source.name);
    return 0;
}

static int choose_format(struct trace *trace, struct sp_error *error)
{
    const char *given = trace->options.format;
    size_t length = given != NULL ? strcspn(given, ":") : 0;
    const uint8_t *bytes;
    ssize_t size;
    bool whole;

    if (given != NULL) {
        trace->format = format_named(given, length);
        if (trace->format == NULL)
            return unknown_format(given, error);
        trace->format_options = given[length] == ':' ? given + length + 1 : NULL;
    }
    size = first_bytes(trace, &bytes, &whole, error);
    if (size < 0)
        return (int)size;
    if (given == NULL)
        trace->format = format_by_extension(trace->source.name);
    for (size_t i = 0; i < FORMATS && trace->format == NULL; i++)
        if (formats[i]->sniff(bytes, (size_t)size, whole))
            trace->format = formats[i];
    if (trace->format == NULL && size == 0)
        trace->format = &format_text; /* an empty file has no references in any format */
    return refuse_foreign(trace, given != NULL, bytes, (size_t)size, whole, error);
}

/* ---- Opening ---- */

static int check_page_size(struct trace *trace, struct sp_error *error)
{
    struct trace_options *o = &trace->options;

    if (trace->format->addresses) {
        o->id_unit = 1;
        if (o->page_size == 0)
            o->page_size = TRACE_ADDRESS_PAGE;
    }
    if (o->page_size == 0 && o->id_unit != 0)
        return error_set(error, EINVAL, "ids that are addresses need a page size");
    if (o->page_size == 0)
        return 0;
    if (o->id_unit == 0)
        o->id_unit = trace->format->id_unit;
    if (o->page_size < TRACE_PAGE_SIZE_LEAST || o->page_size > TRACE_PAGE_SIZE_MOST ||
        (o->page_size & (o->page_size - 1)) != 0)
        return error_set(error, EINVAL, "a page size is a power of two from %u to %u, not %u",
                         TRACE_PAGE_SIZE_LEAST, TRACE_PAGE_SIZE_MOST, o->page_size);
    if (!trace->carries_sizes && o->id_unit == 0)
        return error_set(error, EINVAL,
                         "%s: this %s trace carries no sizes: there is nothing to split "
                         "into pages; if its ids are addresses, say what they count (--id-unit)",
                         trace->source.name, trace->format->name);
    trace->page_bits = (unsigned)__builtin_ctz(o->page_size);
    return 0;
}

static void end(struct trace *trace)
{
    if (trace->state != NULL && trace->format->end != NULL)
        trace->format->end(trace);
    free(trace->state);
    trace->state = NULL;
}

/* The format begins, with a state full of zeros. */
static int begin(struct trace *trace, struct sp_error *error)
{
    end(trace);
    trace->state = calloc(1, trace->format->state_size + 1);
    if (trace->state == NULL)
        return error_set(error, ENOMEM, "%s: no memory for reading", trace->source.name);
    if (trace->format->begin != NULL)
        return trace->format->begin(trace, trace->format_options, error);
    if (trace->format_options != NULL)
        return error_set(error, EINVAL, "trace format %s takes no options, and so not '%.40s'",
                         trace->format->name, trace->format_options);
    return 0;
}

int trace_open_source(struct trace *trace, const struct source_origin *origin,
                      const struct trace_options *options, struct sp_error *error)
{
    int result;

    memset(trace, 0, sizeof(*trace));
    trace->options = *options;
    result = source_open(&trace->source, origin, error);
    if (result == 0)
        result = choose_format(trace, error);
    if (result == 0)
        result = begin(trace, error);
    return result == 0 ? check_page_size(trace, error) : result;
}

int trace_open(struct trace *trace, const char *path, const struct trace_options *options,
               struct sp_error *error)
{
    return trace_open_source(trace, &(struct source_origin){.path = path}, options, error);
}

/* ---- References in memory: a format that no file has ---- */

static ssize_t ids_read(struct trace *trace, struct trace_reference *references, size_t most,
                        struct sp_error *error)
{
    const struct trace_ids *ids = &trace->ids;
    size_t left = ids->count - trace->records, count = left < most ? left : most;

    (void)error;
    for (size_t i = 0; i < count; i++) {
        size_t at = trace->records + i;

        references[i] =
            (struct trace_reference){.id = ids->ids[at],
                                     .next = TRACE_NEVER,
                                     .write = ids->writes != NULL && ids->writes[at] != 0};
    }
    trace->records += count;
    return (ssize_t)count;
}

static const struct trace_format format_ids = {.name = "ids", .least = 8, .read = ids_read};

int trace_open_ids(struct trace *trace, const struct trace_ids *ids, struct sp_error *error)
{
    int result;

    memset(trace, 0, sizeof(*trace));
    trace->ids = *ids;
    trace->format = &format_ids;
    result = source_open(&trace->source, &(struct source_origin){.bytes = ""}, error);
    return result == 0 ? begin(trace, error) : result;
}

/* ---- References that are made when they are asked for ---- */

static ssize_t supply_read(struct trace *trace, struct trace_reference *references, size_t most,
                           struct sp_error *error)
{
    uint64_t left = trace->supply.count - trace->records;
    size_t count = left < most ? (size_t)left : most;

    (void)error;
    if (count > 0)
        trace->supply.fill(trace->supply.context, trace->records, references, count);
    trace->records += count;
    return (ssize_t)count;
}

static const struct trace_format format_supply = {
    .name = "supply", .least = 1, .read = supply_read};

int trace_open_supply(struct trace *trace, const struct trace_supply *supply,
                      struct sp_error *error)
{
    const struct source_origin origin = {.bytes = "", .name = supply->name};
    int result;

    memset(trace, 0, sizeof(*trace));
    trace->supply = *supply;
    trace->carries_sizes = supply->carries_sizes;
    trace->format = &format_supply;
    trace->told_references = supply->count;
    result = source_open(&trace->source, &origin, error);
    return result == 0 ? begin(trace, error) : result;
}

void trace_fini(struct trace *trace)
{
    source_fini(&trace->source);
    end(trace);
}

int trace_rewind(struct trace *trace, struct sp_error *error)
{
    int result = source_rewind(&trace->source, error);

    trace->records = trace->line = trace->hashed = trace->part = 0;
    trace->held_at = trace->held_count = 0;
    return result == 0 ? begin(trace, error) : result;
}

uint64_t trace_references_most(const struct trace *trace)
{
    if (trace->format == &format_ids)
        return trace->ids.count;
    if (trace->format == &format_supply)
        return trace->supply.count;
    if (trace->source.size == 0 || trace->source.compressed || trace_splits(trace) ||
        trace->format->repeats)
        return UINT64_MAX;
    return trace->source.size / trace->format->least + 1;
}

/* ---- Reading ---- */

/* Read the next records to split. Addresses of formats of lines are checked where the line is known.
 */
static ssize_t hold(struct trace *trace, struct sp_error *error)
{
    uint64_t before = trace->records, address;
    ssize_t got = trace->format->read(trace, trace->held, TRACE_BATCH, error);

    for (ssize_t i = 0; i < got && trace->options.id_unit != 0 && !trace->format->lines; i++)
        if (!split_address(trace, trace->held[i].id, &address))
            return error_set(error, EILSEQ,
                             "%s: record %llu: the address %llu * %llu (--id-unit) does not fit "
                             "into 64 bits",
                             trace->source.name, (unsigned long long)before + (uint64_t)i + 1,
                             (unsigned long long)trace->held[i].id,
                             (unsigned long long)trace->options.id_unit);
    trace->held_at = 0;
    trace->held_count = got > 0 ? (size_t)got : 0;
    return got;
}

ssize_t trace_read(struct trace *trace, struct trace_reference *references, size_t most,
                   struct sp_error *error)
{
    size_t count = 0;

    if (!trace_splits(trace))
        return trace->format->read(trace, references, most, error);
    if (trace->held_at == trace->held_count) {
        ssize_t got = hold(trace, error);

        if (got <= 0)
            return got;
    }
    for (; count < most && trace->held_at < trace->held_count; count++) {
        const struct trace_reference *whole = &trace->held[trace->held_at];
        struct split split = split_of(trace, whole);

        references[count] = *whole;
        references[count].id = split_id(trace, whole, &split, trace->part);
        references[count].next = TRACE_NEVER;
        if (trace->touched != NULL)
            trace->touched[count] = split_touched(trace, whole, &split, trace->part);
        if (trace->part++ == split.more) {
            trace->part = 0;
            trace->held_at++;
        }
    }
    return (ssize_t)count;
}
