/* lcs: libCacheSim's format with a header. All numbers are little-endian, and two headers are in use. Since the end of
 * 2024 it has 8192 bytes and says which of eight layouts the records have:
 *
 *   offset  bytes
 *    0      8      0x123456789abcdef0
 *    8      8      1 to 8: the layout, below
 *   16      8000   8 bytes each: 1, then references, objects, bytes of references, bytes of objects, first and last
 *                  time, references that read, that write, that delete, smallest and largest size; and more of which
 *                  nothing is read here. What is not known is 0
 *   8184    8      0x123456789abcdef0
 *   8192           records
 *
 * In 2023 and 2024 it had 1024 bytes and laid the records out itself:
 *
 *    0      8      0x123456789abcdef0
 *    8      240    the layout of a record, ended by zeros (packed.h)
 *   248     9      one byte each, fields counted from 1, 0 for none: id, size, time, last access, next
 *                  access, operation, time to live, tenant, content type
 *   488     32     8 bytes each: references, objects, bytes of references, bytes of objects
 *   1000    4      fields of a record
 *   1004    4      bytes of a record
 *   1008    8      version
 *   1016    8      0x123456789abcdef0
 *   1024           records
 *
 * What is written has the newer one, and layout 2, the first that tells writes from reads. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "trace/complaint.h"
#include "trace/format.h"
#include "trace/packed.h"

#define HEADER       8192u
#define EARLY_HEADER 1024u
#define MAGIC        UINT64_C(0x123456789abcdef0)
#define LAYOUT_BYTES 240u
#define VERSION      2u

/* Records of libCacheSim's versions: time, id, size, next; since 2 with operation and tenant, since 3 with a time to live;
 * the rest have more numbers, which mean what who wrote them knows. */
static const struct {
    const char *layout;
    struct packed_columns columns;
} versions[] = {
    {"<IQIq", {.time = 1, .id = 2, .size = 3, .next = 4}},
    {"<IQIB3xq", {.time = 1, .id = 2, .size = 3, .operation = 4, .next = 5}},
#define WITH_NUMBERS(more)                                                                         \
    {                                                                                              \
        "<IQqB3xIq" more,                                                                          \
        {                                                                                          \
            .time = 1, .id = 2, .size = 3, .operation = 4, .next = 6                               \
        }                                                                                          \
    }
    WITH_NUMBERS(""),
    WITH_NUMBERS("I"),
    WITH_NUMBERS("2I"),
    WITH_NUMBERS("4I"),
    WITH_NUMBERS("8I"),
    WITH_NUMBERS("16I"),
#undef WITH_NUMBERS
};
#define VERSIONS (sizeof(versions) / sizeof(versions[0]))

struct lcs {
    struct packed packed;
};

/* What the header of a trace that is written says of it in the end. */
struct lcs_output {
    uint64_t bytes, writes;
    uint32_t smallest, largest;
};

static bool is_early(const uint8_t *bytes, size_t size)
{
    return size >= EARLY_HEADER && load_64(bytes) == MAGIC &&
           load_64(bytes + EARLY_HEADER - 8) == MAGIC;
}

/* The layout of an early header is text, and no number of one byte. */
static bool is_late(const uint8_t *bytes)
{
    return load_64(bytes) == MAGIC && load_64(bytes + 8) <= UINT8_MAX;
}

static bool lcs_sniff(const uint8_t *bytes, size_t size, bool whole)
{
    (void)whole;
    return size >= EARLY_HEADER && (is_early(bytes, size) || is_late(bytes));
}

static int begin_early(struct trace *trace, const uint8_t *at, struct sp_error *error)
{
    struct lcs *lcs = trace->state;
    const struct packed_columns columns = {
        .id = at[248], .size = at[249], .time = at[250], .next = at[252], .operation = at[253]};
    char layout[LAYOUT_BYTES + 1] = "";
    struct sp_error why;

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
    trace->source.at += EARLY_HEADER;
    return 0;
}

static int begin_late(struct trace *trace, struct sp_error *error)
{
    struct lcs *lcs = trace->state;
    int result = source_need(&trace->source, HEADER, error);
    const uint8_t *at = trace->source.at;
    uint64_t version;

    if (result < 0)
        return result;
    if (result == 0)
        return complaint_set(trace, error, "the file ends within its header of %u bytes", HEADER);
    version = load_64(at + 8);
    if (load_64(at + HEADER - 8) != MAGIC)
        return complaint_set(trace, error, "the header of an lcs trace is damaged");
    if (version - 1 >= VERSIONS)
        return complaint_set(trace, error,
                             "the header says version %llu, and only 1 to %zu are known here",
                             (unsigned long long)version, VERSIONS);
    trace->told_references = load_64(at + 24);
    trace->told_pages = load_64(at + 32);
    trace->source.at += HEADER;
    return packed_lay_out(&lcs->packed, versions[version - 1].layout,
                          strlen(versions[version - 1].layout), &versions[version - 1].columns,
                          error);
}

static int lcs_begin(struct trace *trace, const char *options, struct sp_error *error)
{
    const struct lcs *lcs = trace->state;
    int result = source_need(&trace->source, EARLY_HEADER, error);

    if (options != NULL)
        return error_set(error, EINVAL, "lcs takes no options, and so not '%.40s'", options);
    if (result < 0)
        return result;
    if (result > 0 && is_early(trace->source.at, EARLY_HEADER))
        result = begin_early(trace, trace->source.at, error);
    else if (result > 0 && is_late(trace->source.at))
        result = begin_late(trace, error);
    else
        result = complaint_set(trace, error, "the header of an lcs trace is missing");
    trace->carries_sizes = lcs->packed.size.type != '\0';
    trace->carries_future = lcs->packed.next.type != '\0';
    trace->carries_times = lcs->packed.time.type != '\0';
    return result;
}

static ssize_t lcs_read(struct trace *trace, struct trace_reference *references, size_t most,
                        struct sp_error *error)
{
    const struct lcs *lcs = trace->state;

    return packed_read(trace, &lcs->packed, references, most, error);
}

/* ---- Writing ---- */

static uint8_t *store_64(uint8_t *at, uint64_t value)
{
    value = htole64(value);
    memcpy(at, &value, sizeof(value));
    return at + sizeof(value);
}

static uint8_t *store_32(uint8_t *at, uint32_t value)
{
    value = htole32(value);
    memcpy(at, &value, sizeof(value));
    return at + sizeof(value);
}

/* Of a reference, as its index; the last one that 32 bits can say stands for all later ones. */
static uint32_t time_of(uint64_t index)
{
    return index < UINT32_MAX ? (uint32_t)index : UINT32_MAX;
}

static void put_header(const struct trace_output *output, uint64_t pages, uint8_t *to)
{
    const struct lcs_output *lcs = output->state;
    const uint64_t numbers[] = {
        MAGIC,
        VERSION,
        1,
        output->written,
        pages,
        lcs->bytes,
        0, /* bytes of all objects */
        0, /* the first time */
        output->written > 0 ? time_of(output->written - 1) : 0,
        output->written - lcs->writes,
        lcs->writes,
        0, /* references that delete */
        lcs->smallest,
        lcs->largest,
    };

    memset(to, 0, HEADER);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        store_64(to + i * sizeof(numbers[0]), numbers[i]);
    store_64(to + HEADER - 8, MAGIC);
}

static int lcs_begin_output(struct trace_output *output, struct sp_error *error)
{
    uint8_t *at = sink_room(&output->sink, HEADER, error);

    if (at == NULL)
        return -EIO;
    put_header(output, 0, at);
    sink_put(&output->sink, HEADER);
    return 0;
}

/* A size of 0 is written as 1: libCacheSim passes over references to nothing. */
static size_t lcs_put(struct trace_output *output, uint8_t *at,
                      const struct trace_reference *reference)
{
    struct lcs_output *lcs = output->state;
    const uint8_t *begin = at;
    uint32_t size = reference->size != 0 ? reference->size : 1;

    if (output->written == 0 || size < lcs->smallest)
        lcs->smallest = size;
    if (size > lcs->largest)
        lcs->largest = size;
    lcs->bytes += size;
    lcs->writes += reference->write;
    at = store_32(at, time_of(output->written));
    at = store_64(at, reference->id);
    at = store_32(at, size);
    at = store_32(at, reference->write ? PACKED_WRITES : PACKED_READS); /* and tenant 0 */
    at = store_64(at, reference->next);                                 /* TRACE_NEVER is -1 */
    return (size_t)(at - begin);
}

static int lcs_end_output(struct trace_output *output, uint64_t pages, struct sp_error *error)
{
    uint8_t header[HEADER];

    put_header(output, pages, header);
    return sink_rewrite(&output->sink, header, sizeof(header), error);
}

static const char *const lcs_extensions[] = {"lcs", NULL};

const struct trace_format format_lcs = {
    .name = "lcs",
    .summary = "libCacheSim's, with a header that says what the records are",
    .extensions = lcs_extensions,
    .least = 1,
    .state_size = sizeof(struct lcs),
    .sniff = lcs_sniff,
    .begin = lcs_begin,
    .read = lcs_read,
    .needs_future = true,
    .output_state_size = sizeof(struct lcs_output),
    .begin_output = lcs_begin_output,
    .put = lcs_put,
    .end_output = lcs_end_output,
};
