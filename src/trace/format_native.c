/* Reading the native format; trace_writer.h describes it. */
#include <string.h>

#include "trace/format.h"
#include "record/recorder.h"
#include "trace/trace_writer.h"

static bool native_sniff(const uint8_t *bytes, size_t size, bool whole)
{
    (void)whole;
    return size >= 7 && memcmp(bytes, TRACE_NATIVE_MAGIC, 7) == 0;
}

/* What stands behind the header of a trace of events. */
static int begin_events(struct trace *trace, struct sp_error *error)
{
    struct input *input = &trace->input;
    int result = input_need(input, 8, error);
    uint32_t length;

    if (result > 0) {
        trace->native_pages = load_32(input->at);
        length = load_32(input->at + 4);
        input->at += 8;
        if (length > TRACE_POLICY_MOST || trace->native_pages > UINT32_MAX / 2)
            return trace_malformed(trace, error, "the header is damaged");
        result = input_need(input, length, error);
    }
    if (result < 0)
        return result;
    if (result == 0)
        return trace_malformed(trace, error, "the file ends in the header");
    memcpy(trace->native_policy, input->at, length);
    trace->native_policy[length] = '\0';
    input->at += length;
    return 0;
}

static int native_begin(struct trace *trace, const char *options, struct sp_error *error)
{
    int result = input_need(&trace->input, TRACE_NATIVE_HEADER, error);
    const uint8_t *at = trace->input.at;

    if (options != NULL)
        return trace_malformed(trace, error, "native takes no options, so no '%.40s'", options);
    if (result < 0)
        return result;
    if (result == 0 || memcmp(at, TRACE_NATIVE_MAGIC, 7) != 0)
        return trace_malformed(trace, error, "the header of a native trace is missing");
    if (at[7] != TRACE_NATIVE_MAGIC[7] || (load_32(at + 12) & ~TRACE_NATIVE_EVENTS) != 0)
        return trace_malformed(trace, error,
                               "version %u, flags %#x of the native format are not "
                               "known here",
                               at[7], load_32(at + 12));
    trace->native_page = load_32(at + 8);
    trace->told_references = load_64(at + 16);
    trace->told_pages = load_64(at + 24);
    trace->previous = 0;
    trace->events = load_32(at + 12) != 0;
    trace->input.at += TRACE_NATIVE_HEADER;
    return trace->events ? begin_events(trace, error) : 0;
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
    struct input *input = &trace->input;
    size_t count = 0;
    uint64_t zigzag;

    while (count < most) {
        const uint8_t *next = decode(input->at, input->end, &zigzag, &references[count].write);

        if (next == NULL) {
            int result = input_need(input, TRACE_NATIVE_RECORD, error);

            if (result < 0)
                return result;
            if (input->at == input->end)
                break;
            next = decode(input->at, input->end, &zigzag, &references[count].write);
            if (next == NULL)
                return trace_malformed(trace, error,
                                       result == 0 ? "the file ends in the middle of it"
                                                   : "its number is too long");
        }
        input->at = next;
        trace->previous += zigzag >> 1 ^ (zigzag & 1 ? UINT64_MAX : 0);
        references[count].id = trace->previous;
        references[count].size = 0;
        references[count].next = TRACE_NEVER;
        trace->records++;
        count += !trace->events || trace->all_events || is_reference(&references[count].id);
    }
    if (count == 0 && trace->told_references != 0 && trace->told_references != trace->records)
        return trace_malformed(trace, error, "the trace ends here, but its header counts %llu",
                               (unsigned long long)trace->told_references);
    return (ssize_t)count;
}

static const char *const native_extensions[] = {"sptrace", NULL};

const struct trace_format trace_format_native = {
    .name = "native",
    .summary = "Selfpage's own, compact",
    .extensions = native_extensions,
    .least = 1,
    .sniff = native_sniff,
    .begin = native_begin,
    .read = native_read,
};
