/* vscsi: what VMware's vscsiStats traces, as CloudPhysics published it: little-endian records of 32
 * bytes (version 1) or 40 (version 2); `version` stands in the upper byte of its two.
 *
 *   version 1: u32 number; u32 bytes; u32 segments; u16 command; u16 version; u64 sector; u64 time
 *   version 2: u16 command; u16 version; u32 number; u32 bytes; u32 segments; u64 sector; u64 time;
 *              u64 duration
 *
 * An id is a sector of 512 bytes. */
#include <errno.h>

#include "base/error.h"
#include "trace/complaint.h"
#include "trace/format.h"

#define SECTOR 512u

/* Where the time stands in records of both versions. */
#define TIME 24u

/* Records that must look like some for a file without a name to be taken for them. */
#define SNIFF_RECORDS 64u

struct layout {
    unsigned version, size, command, bytes, sector; /* offsets in a record, but for the first two */
};

static const struct layout layouts[] = {{1, 32, 12, 4, 16}, {2, 40, 0, 8, 16}};

struct vscsi {
    const struct layout *layout;
};

static unsigned version_of(const struct layout *layout, const uint8_t *record)
{
    return load_16(record + layout->command + 2) >> 8;
}

static const struct layout *find_layout(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
        const struct layout *layout = &layouts[i];
        size_t count = size / layout->size, same = 0;

        count = count < SNIFF_RECORDS ? count : SNIFF_RECORDS;
        while (same < count && version_of(layout, bytes + same * layout->size) == layout->version)
            same++;
        if (count > 0 && same == count)
            return layout;
    }
    return NULL;
}

/* A record alone says too little: others look like it, too. */
static bool vscsi_sniff(const uint8_t *bytes, size_t size, bool whole)
{
    const struct layout *layout = find_layout(bytes, size);

    return layout != NULL && size >= 2 * (size_t)layout->size &&
           (!whole || size % layout->size == 0);
}

static int vscsi_begin(struct trace *trace, const char *options, struct sp_error *error)
{
    struct vscsi *vscsi = trace->state;
    int result = source_need(&trace->source, (size_t)layouts[1].size * SNIFF_RECORDS, error);

    if (options != NULL)
        return error_set(error, EINVAL, "vscsi takes no options, and so not '%.40s'", options);
    if (result < 0)
        return result;
    trace->carries_sizes = true;
    trace->carries_times = true;
    vscsi->layout = find_layout(trace->source.at, (size_t)(trace->source.end - trace->source.at));
    if (vscsi->layout == NULL && trace->source.at != trace->source.end)
        return complaint_set(trace, error, "its version is neither 1 nor 2 of vscsi");
    return 0;
}

static bool is_write(uint16_t command)
{
    uint8_t operation = (uint8_t)command;

    return operation == 0x0a || operation == 0x2a || operation == 0xaa || operation == 0x8a;
}

static ssize_t vscsi_read(struct trace *trace, struct trace_reference *references, size_t most,
                          struct sp_error *error)
{
    const struct layout *layout = ((const struct vscsi *)trace->state)->layout;
    struct source *source = &trace->source;
    size_t count = 0;
    int result;

    if (layout == NULL)
        return 0; /* an empty file */
    result = source_need(source, layout->size, error);
    if (result < 0)
        return result;
    if (result == 0 && source->at != source->end)
        return complaint_set(trace, error, "the file ends after %zu of its %u bytes",
                             (size_t)(source->end - source->at), layout->size);
    for (; count < most && (size_t)(source->end - source->at) >= layout->size; count++) {
        const uint8_t *record = source->at;

        if (version_of(layout, record) != layout->version)
            return complaint_set(trace, error, "its version is not %u", layout->version);
        if (trace->times != NULL)
            trace->times[count] = load_64(record + TIME);
        references[count] = (struct trace_reference){
            .id = load_64(record + layout->sector),
            .next = TRACE_NEVER,
            .size = load_32(record + layout->bytes),
            .write = is_write(load_16(record + layout->command)),
        };
        source->at += layout->size;
        trace->records++;
    }
    return (ssize_t)count;
}

static const char *const vscsi_extensions[] = {"vscsi", "vscsitrace", NULL};

const struct trace_format format_vscsi = {
    .name = "vscsi",
    .summary = "disk requests as VMware traces them",
    .extensions = vscsi_extensions,
    .least = 32,
    .id_unit = SECTOR,
    .state_size = sizeof(struct vscsi),
    .sniff = vscsi_sniff,
    .begin = vscsi_begin,
    .read = vscsi_read,
};
