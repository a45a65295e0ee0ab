/* oracleGeneral: libCacheSim's oracleGeneral: packed little-endian records of 24 bytes,
 * u32 time; u64 id; u32 size; i64 index of the next reference to the id, or -1. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "trace/complaint.h"
#include "trace/format.h"

#define RECORD 24u

/* Records that must look like some for a file without a name to be taken for them. */
#define SNIFF_RECORDS 64u

/* oracleGeneral: libCacheSim's own converters write -1 or the largest number for "never". */
static uint64_t next_of(uint64_t stored)
{
    return stored >= INT64_MAX ? TRACE_NEVER : stored;
}

static bool oracle_sniff(const uint8_t *bytes, size_t size, bool whole)
{
    size_t count = size / RECORD < SNIFF_RECORDS ? size / RECORD : SNIFF_RECORDS;
    uint64_t before = 0;

    if (count == 0 || (whole && size % RECORD != 0))
        return false;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *record = bytes + i * RECORD;
        uint64_t time = load_32(record), next = next_of(load_64(record + 16));

        if (time < before || (next != TRACE_NEVER && (next <= i || next >> 40 != 0)))
            return false;
        before = time;
    }
    return true;
}

static int oracle_begin(struct trace *trace, const char *options, struct sp_error *error)
{
    if (options != NULL)
        return error_set(error, EINVAL, "oracleGeneral takes no options, and so not '%.40s'",
                         options);
    trace->carries_sizes = true;
    trace->carries_future = true;
    trace->carries_times = true;
    return 0;
}

static ssize_t oracle_read(struct trace *trace, struct trace_reference *references, size_t most,
                           struct sp_error *error)
{
    struct source *source = &trace->source;
    int result = source_need(source, RECORD, error);
    size_t count = (size_t)(source->end - source->at) / RECORD;
    const uint8_t *at = source->at;

    if (result < 0)
        return result;
    if (result == 0 && source->at != source->end)
        return complaint_set(trace, error, "the file ends after %zu of its %u bytes",
                             (size_t)(source->end - source->at), RECORD);
    count = count < most ? count : most;
    for (size_t i = 0; i < count; i++, at += RECORD) {
        references[i].id = load_64(at + 4);
        references[i].size = load_32(at + 12);
        references[i].next = next_of(load_64(at + 16));
        references[i].write = false;
    }
    for (size_t i = 0; trace->times != NULL && i < count; i++)
        trace->times[i] = load_32(source->at + i * RECORD);
    source->at = at;
    trace->records += count;
    return (ssize_t)count;
}

/* The time is the index of the reference; a size of 0 is written as 1. */
static size_t oracle_put(struct trace_output *output, uint8_t *at,
                         const struct trace_reference *reference)
{
    uint64_t index = output->written;
    uint32_t time = htole32(index < UINT32_MAX ? (uint32_t)index : UINT32_MAX);
    uint64_t id = htole64(reference->id), next = htole64(reference->next);
    uint32_t size = htole32(reference->size != 0 ? reference->size : 1);

    memcpy(at, &time, 4);
    memcpy(at + 4, &id, 8);
    memcpy(at + 12, &size, 4);
    memcpy(at + 16, &next, 8); /* TRACE_NEVER is -1 */
    return RECORD;
}

static const char *const oracle_extensions[] = {"oracleGeneral", "oracleGeneralBin", NULL};

const struct trace_format format_oracle = {
    .name = "oracleGeneral",
    .summary = "libCacheSim's records of 24 bytes",
    .extensions = oracle_extensions,
    .least = RECORD,
    .sniff = oracle_sniff,
    .begin = oracle_begin,
    .read = oracle_read,
    .needs_future = true,
    .put = oracle_put,
};
