/* native: Selfpage's own format, small and fast to read; record/code.h describes it. */
#include "trace/format_native.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "record/code.h"
#include "record/recorder.h"
#include "trace/complaint.h"
#include "trace/format.h"

struct native {
    uint64_t previous; /* the id before */
    bool all_events;   /* give them all, not only the references among them */
    struct native_events events;
};

static struct native *native_of(const struct trace *trace)
{
    return trace->state;
}

static bool native_sniff(const uint8_t *bytes, size_t size, bool whole)
{
    (void)whole;
    return size >= 7 && memcmp(bytes, TRACE_NATIVE_MAGIC, 7) == 0;
}

/* What stands behind the header of a trace of events. */
static int begin_events(struct trace *trace, struct sp_error *error)
{
    struct native_events *events = &native_of(trace)->events;
    struct source *source = &trace->source;
    int result = source_need(source, 8, error);
    uint32_t length;

    if (result > 0) {
        events->pages = load_32(source->at);
        length = load_32(source->at + 4);
        source->at += 8;
        if (length > NATIVE_POLICY_MOST || events->pages > UINT32_MAX / 2)
            return complaint_set(trace, error, "the header is damaged");
        result = source_need(source, length, error);
    }
    if (result < 0)
        return result;
    if (result == 0)
        return complaint_set(trace, error, "the file ends in the header");
    memcpy(events->policy, source->at, length);
    events->policy[length] = '\0';
    events->present = true;
    source->at += length;
    return 0;
}

static int native_begin(struct trace *trace, const char *options, struct sp_error *error)
{
    int result = source_need(&trace->source, TRACE_NATIVE_HEADER, error);
    const uint8_t *at = trace->source.at;

    if (options != NULL)
        return error_set(error, EINVAL, "native takes no options, and so not '%.40s'", options);
    if (result < 0)
        return result;
    if (result == 0 || memcmp(at, TRACE_NATIVE_MAGIC, 7) != 0)
        return complaint_set(trace, error, "the header of a native trace is missing");
    if (at[7] != TRACE_NATIVE_MAGIC[7] || (load_32(at + 12) & ~TRACE_NATIVE_EVENTS) != 0)
        return complaint_set(trace, error,
                             "version %u, flags %#x of the native format are not "
                             "known here",
                             at[7], load_32(at + 12));
    trace->told_page_size = load_32(at + 8);
    trace->told_references = load_64(at + 16);
    trace->told_pages = load_64(at + 24);
    trace->source.at += TRACE_NATIVE_HEADER;
    return load_32(at + 12) != 0 ? begin_events(trace, error) : 0;
}

/* Decode one reference at `at`. Returns the byte behind it, or NULL if it does not end before `end`
 * or has more than 64 bits. */
static const uint8_t *decode(const uint8_t *at, const uint8_t *end, uint64_t *zigzag, bool *write)
{
    unsigned shift = 6;
    uint64_t value;
    uint8_t byte;

    if (at == end)
        return NULL;
    byte = *at++;
    *write = byte & 1;
    value = byte >> 1 & 0x3f;
    for (; byte & 0x80; shift += 7) {
        if (at == end || shift > 62)
            return NULL;
        byte = *at++;
        if (shift == 62 && byte > 3)
            return NULL;
        value |= (uint64_t)(byte & 0x7f) << shift;
    }
    *zigzag = value;
    return at;
}

/* Of events, faults and soft faults are references; `id` becomes the page's. */
static bool is_reference(uint64_t *id)
{
    uint64_t kind = *id & ((1u << RECORDER_KIND_BITS) - 1);

    *id >>= RECORDER_KIND_BITS;
    return kind == RECORDER_INSERT || kind == RECORDER_HIT;
}

static ssize_t native_read(struct trace *trace, struct trace_reference *references, size_t most,
                           struct sp_error *error)
{
    struct native *native = native_of(trace);
    struct source *source = &trace->source;
    bool all = !native->events.present || native->all_events;
    size_t count = 0;
    uint64_t zigzag;

    while (count < most) {
        const uint8_t *next = decode(source->at, source->end, &zigzag, &references[count].write);

        if (next == NULL) {
            int result = source_need(source, TRACE_NATIVE_RECORD, error);

            if (result < 0)
                return result;
            if (source->at == source->end)
                break;
            next = decode(source->at, source->end, &zigzag, &references[count].write);
            if (next == NULL)
                return complaint_set(trace, error,
                                     result == 0 ? "the file ends in the middle of it"
                                                 : "its number is too long");
        }
        source->at = next;
        native->previous += zigzag >> 1 ^ (zigzag & 1 ? UINT64_MAX : 0);
        references[count].id = native->previous;
        references[count].size = 0;
        references[count].next = TRACE_NEVER;
        trace->records++;
        count += all || is_reference(&references[count].id);
    }
    if (count == 0 && trace->told_references != 0 && trace->told_references != trace->records)
        return complaint_set(trace, error, "the trace ends here, but its header counts %llu",
                             (unsigned long long)trace->told_references);
    return (ssize_t)count;
}

const struct native_events *format_native_events(const struct trace *trace)
{
    const struct native *native = native_of(trace);

    return trace->format == &format_native && native->events.present ? &native->events : NULL;
}

void format_native_want_events(struct trace *trace)
{
    native_of(trace)->all_events = true;
}

/* ---- Writing ---- */

static void put_header(const struct trace_output *output, uint64_t pages, uint8_t *to)
{
    trace_code_header(to, output->page_size, 0, output->written, pages);
}

static int native_begin_output(struct trace_output *output, struct sp_error *error)
{
    uint8_t *at = sink_room(&output->sink, TRACE_NATIVE_HEADER, error);

    if (at == NULL)
        return -EIO;
    put_header(output, 0, at);
    sink_put(&output->sink, TRACE_NATIVE_HEADER);
    return 0;
}

static size_t native_put(struct trace_output *output, uint8_t *at,
                         const struct trace_reference *reference)
{
    return trace_code_reference(at, &output->previous, reference->id, reference->write);
}

/* The header's counts, where the file is seekable and not compressed. */
static int native_end_output(struct trace_output *output, uint64_t pages, struct sp_error *error)
{
    uint8_t header[TRACE_NATIVE_HEADER];

    put_header(output, pages, header);
    return sink_rewrite(&output->sink, header, sizeof(header), error);
}

static const char *const native_extensions[] = {"sptrace", NULL};

const struct trace_format format_native = {
    .name = "native",
    .summary = "Selfpage's own, compact",
    .extensions = native_extensions,
    .least = 1,
    .state_size = sizeof(struct native),
    .sniff = native_sniff,
    .begin = native_begin,
    .read = native_read,
    .begin_output = native_begin_output,
    .put = native_put,
    .end_output = native_end_output,
};
