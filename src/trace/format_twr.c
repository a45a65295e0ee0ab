/* twr: Twitter's cache traces as libCacheSim has them in binary: packed little-endian records of 20 bytes,
 * u32 time; u64 id; u32 with the key's size in the upper 10 bits and the value's in the others; u32 with
 * the operation in the upper 8 bits and the time to live in the others. */
#include <errno.h>

#include "base/error.h"
#include "trace/complaint.h"
#include "trace/format.h"

#define RECORD     20u
#define VALUE_BITS 22u

/* libCacheSim's numbers of operations that write: set to decr. */
#define WRITE_FIRST 3u
#define WRITE_LAST  11u

/* Nothing in these records tells them from others. */
static bool twr_sniff(const uint8_t *bytes, size_t size, bool whole)
{
    (void)bytes;
    (void)size;
    (void)whole;
    return false;
}

static int twr_begin(struct trace *trace, const char *options, struct sp_error *error)
{
    if (options != NULL)
        return error_set(error, EINVAL, "twr takes no options, and so not '%.40s'", options);
    trace->carries_sizes = true;
    trace->carries_times = true;
    return 0;
}

static ssize_t twr_read(struct trace *trace, struct trace_reference *references, size_t most,
                        struct sp_error *error)
{
    struct source *source = &trace->source;
    int result = source_need(source, RECORD, error);
    size_t count = (size_t)(source->end - source->at) / RECORD;

    if (result < 0)
        return result;
    if (result == 0 && source->at != source->end)
        return complaint_set(trace, error, "the file ends after %zu of its %u bytes",
                             (size_t)(source->end - source->at), RECORD);
    count = count < most ? count : most;
    for (size_t i = 0; i < count; i++, source->at += RECORD) {
        if (trace->times != NULL)
            trace->times[i] = load_32(source->at);
        uint32_t sizes = load_32(source->at + 12), operation = load_32(source->at + 16) >> 24;

        references[i] = (struct trace_reference){
            .id = load_64(source->at + 4),
            .next = TRACE_NEVER,
            .size = (sizes >> VALUE_BITS) + (sizes & ((1u << VALUE_BITS) - 1)),
            .write = operation >= WRITE_FIRST && operation <= WRITE_LAST};
    }
    trace->records += count;
    return (ssize_t)count;
}

static const char *const twr_extensions[] = {"twr", NULL};

const struct trace_format format_twr = {
    .name = "twr",
    .summary = "libCacheSim's records of 20 bytes of Twitter's cache traces",
    .extensions = twr_extensions,
    .least = RECORD,
    .sniff = twr_sniff,
    .begin = twr_begin,
    .read = twr_read,
};
