/* libCacheSim's oracleGeneral: packed little-endian records of 24 bytes,
 * u32 time; u64 id; u32 size; i64 index of the next reference to the id, or -1. */
#include <string.h>

#include "trace/format.h"

#define RECORD 24u

/* Records that must look like some for a file without a name to be taken for them. */
#define SNIFF_RECORDS 64u

/* libCacheSim's own converters write -1 or the largest number for "never". */
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
        return trace_malformed(trace, error, "oracleGeneral takes no options, so no '%.40s'",
                               options);
    trace->carries_sizes = true;
    trace->carries_future = true;
    return 0;
}

static ssize_t oracle_read(struct trace *trace, struct trace_reference *references, size_t most,
                           struct sp_error *error)
{
    struct input *input = &trace->input;
    int result = input_need(input, RECORD, error);
    size_t count = (size_t)(input->end - input->at) / RECORD;
    const uint8_t *at = input->at;

    if (result < 0)
        return result;
    if (result == 0 && input->at != input->end)
        return trace_malformed(trace, error, "the file ends after %zu of its %u bytes",
                               (size_t)(input->end - input->at), RECORD);
    count = count < most ? count : most;
    for (size_t i = 0; i < count; i++, at += RECORD) {
        references[i].id = load_64(at + 4);
        references[i].size = load_32(at + 12);
        references[i].next = next_of(load_64(at + 16));
        references[i].write = false;
    }
    input->at = at;
    trace->records += count;
    return (ssize_t)count;
}

static const char *const oracle_extensions[] = {"oracleGeneral", "oracleGeneralBin", NULL};

const struct trace_format trace_format_oracle = {
    .name = "oracleGeneral",
    .summary = "libCacheSim's records of 24 bytes",
    .extensions = oracle_extensions,
    .least = RECORD,
    .sniff = oracle_sniff,
    .begin = oracle_begin,
    .read = oracle_read,
};
