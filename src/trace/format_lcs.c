/* lcs: libCacheSim's format with a header of 1024 bytes, which lays out the records (2023 to 2024). All
 * numbers are little-endian:
 *
 *   offset  bytes
 *    0      8      0x123456789abcdef0
 *    8      240    the layout of a record, ended by zeros (packed.h)
 *   248     9      one byte each, fields counted from 1, 0 for none: id, size, time, last access, next
 *                  access, operation, time to live, tenant, content type
 *   488     32     8 bytes each: references, objects, bytes of references, bytes of objects
 *   1000    4      fields of a record
 *   1004    4      bytes of a record
 *   1008    8      version
 *   1016    8      0x123456789abcdef0
 *   1024           records */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "trace/complaint.h"
#include "trace/format.h"
#include "trace/packed.h"

#define HEADER       1024u
#define MAGIC        UINT64_C(0x123456789abcdef0)
#define LAYOUT_BYTES 240u

struct lcs {
    struct packed packed;
};

static bool lcs_sniff(const uint8_t *bytes, size_t size, bool whole)
{
    (void)whole;
    return size >= HEADER && load_64(bytes) == MAGIC && load_64(bytes + HEADER - 8) == MAGIC;
}

static int lcs_begin(struct trace *trace, const char *options, struct sp_error *error)
{
    struct lcs *lcs = trace->state;
    struct source *source = &trace->source;
    int result = source_need(source, HEADER, error);
    const uint8_t *at = source->at;
    const struct packed_columns columns = {
        .id = at[248], .size = at[249], .next = at[252], .operation = at[253]};
    char layout[LAYOUT_BYTES + 1] = "";
    struct sp_error why;

    if (options != NULL)
        return error_set(error, EINVAL, "lcs takes no options, and so not '%.40s'", options);
    if (result < 0)
        return result;
    if (result == 0 || !lcs_sniff(at, HEADER, false))
        return complaint_set(trace, error, "the header of an lcs trace is missing");
    memcpy(layout, at + 8, LAYOUT_BYTES);
    if (packed_lay_out(&lcs->packed, layout, strlen(layout), &columns, &why) != 0)
        return complaint_set(trace, error, "the header is damaged, or of a later version: %s",
                             why.text);
    if (load_32(at + 1004) != lcs->packed.bytes)
        return complaint_set(trace, error,
                             "the header says that a record has %u bytes, and lays out %u",
                             load_32(at + 1004), lcs->packed.bytes);
    trace->told_references = load_64(at + 488);
    trace->told_pages = load_64(at + 496);
    trace->carries_sizes = columns.size != 0;
    trace->carries_future = columns.next != 0;
    source->at += HEADER;
    return 0;
}

static ssize_t lcs_read(struct trace *trace, struct trace_reference *references, size_t most,
                        struct sp_error *error)
{
    const struct lcs *lcs = trace->state;

    return packed_read(trace, &lcs->packed, references, most, error);
}

static const char *const lcs_extensions[] = {"lcs", NULL};

const struct trace_format format_lcs = {
    .name = "lcs",
    .summary = "libCacheSim's, with a header that lays out the records",
    .extensions = lcs_extensions,
    .least = 1,
    .state_size = sizeof(struct lcs),
    .sniff = lcs_sniff,
    .begin = lcs_begin,
    .read = lcs_read,
};
