/* dense: pages are numbered already, in the order of their first references: a replay reads 4 bytes a
 * reference and looks nothing up. All numbers are little-endian.
 *
 *   offset  bytes
 *    0      8      "SPDENSE" and the version, 1
 *    8      4      bytes of a page; 0: not known
 *   12      4      0
 *   16      8      references; 0: not known when the header was written
 *   24      8      different pages; 0: not known
 *   32             chunks, each with
 *                    4 bytes: references in it, n, from 1 to 2048
 *                    4 bytes: pages that appear in it for the first time, from 0 to n
 *                    8 bytes for each of these: its id
 *                    4 bytes for each reference: page << 1, plus 1 for a write
 *
 * A file may be compressed as a whole, here or by anyone. */
#include "trace/format_dense.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "trace/complaint.h"
#include "trace/format.h"
#include "trace/page_table.h"

#define MAGIC        "SPDENSE\1"
#define HEADER       32u
#define CHUNK        2048u
#define CHUNK_HEADER 8u

/* ---- Reading ---- */

struct dense {
    uint32_t pages; /* so far */
    uint32_t left;  /* references of the chunk, which lie in the window */
    /* Of trace_read alone, which must know ids. */
    uint64_t *ids;
    uint32_t ids_room;
};

static bool dense_sniff(const uint8_t *bytes, size_t size, bool whole)
{
    (void)whole;
    return size >= 7 && memcmp(bytes, MAGIC, 7) == 0;
}

static int dense_begin(struct trace *trace, const char *options, struct sp_error *error)
{
    int result = source_need(&trace->source, HEADER, error);
    const uint8_t *at = trace->source.at;

    if (options != NULL)
        return error_set(error, EINVAL, "dense takes no options, and so not '%.40s'", options);
    if (result < 0)
        return result;
    if (result == 0 || memcmp(at, MAGIC, 7) != 0)
        return complaint_set(trace, error, "the header of a dense trace is missing");
    if (at[7] != MAGIC[7] || load_32(at + 12) != 0)
        return complaint_set(trace, error,
                             "version %u, flags %#x of the dense format are not known here", at[7],
                             load_32(at + 12));
    trace->told_page_size = load_32(at + 8);
    trace->told_references = load_64(at + 16);
    trace->told_pages = load_64(at + 24);
    trace->source.at += HEADER;
    return 0;
}

/* A page that a reference names must have appeared. */
static bool chunk_is_sound(const uint8_t *references, uint32_t count, uint32_t pages)
{
    uint32_t most = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t reference = load_32(references + 4 * (size_t)i);

        most = reference > most ? reference : most;
    }
    return most >> 1 < pages;
}

/* Have the next chunk in the window, with its references at source.at. Returns 1, 0 at the end, or a
 * negative errno. */
static int next_chunk(struct trace *trace, struct dense_fresh *fresh, struct sp_error *error)
{
    struct dense *dense = trace->state;
    struct source *source = &trace->source;
    int result = source_need(source, CHUNK_HEADER, error);
    uint32_t count;
    size_t size;

    if (result < 0)
        return result;
    if (source->at == source->end) {
        if (trace->told_references != 0 && trace->told_references != trace->records)
            return complaint_set(trace, error, "the trace ends here, but its header counts %llu",
                                 (unsigned long long)trace->told_references);
        return 0;
    }
    if (result == 0)
        return complaint_set(trace, error, "the file ends in the head of a chunk");
    count = load_32(source->at);
    fresh->count = load_32(source->at + 4);
    if (count == 0 || count > CHUNK || fresh->count > count ||
        fresh->count > PAGE_TABLE_MOST - dense->pages)
        return complaint_set(trace, error, "a chunk of %u references to %u new pages is none",
                             count, fresh->count);
    size = CHUNK_HEADER + 8 * (size_t)fresh->count + 4 * (size_t)count;
    result = source_need(source, size, error);
    if (result < 0)
        return result;
    if (result == 0)
        return complaint_set(trace, error, "the file ends in a chunk");
    fresh->ids = source->at + CHUNK_HEADER;
    fresh->first = dense->pages;
    dense->pages += fresh->count;
    source->at += CHUNK_HEADER + 8 * (size_t)fresh->count;
    if (!chunk_is_sound(source->at, count, dense->pages))
        return complaint_set(trace, error, "a reference to a page that has not appeared");
    dense->left = count;
    return 1;
}

bool format_dense_is(const struct trace *trace)
{
    return trace->format == &format_dense && !trace_splits(trace);
}

ssize_t format_dense_take(struct trace *trace, uint32_t *references, size_t most,
                          struct dense_fresh *fresh, struct sp_error *error)
{
    struct dense *dense = trace->state;
    const uint8_t *at;
    size_t count;

    *fresh = (struct dense_fresh){.first = dense->pages};
    if (dense->left == 0) {
        int result = next_chunk(trace, fresh, error);

        if (result <= 0)
            return result;
    }
    count = dense->left < most ? dense->left : most;
    at = trace->source.at;
    for (size_t i = 0; i < count; i++)
        references[i] = load_32(at + 4 * i);
    trace->source.at += 4 * count;
    dense->left -= (uint32_t)count;
    trace->records += count;
    return (ssize_t)count;
}

/* Note the ids of new pages. False: no memory. */
static bool keep_ids(struct dense *dense, const struct dense_fresh *fresh)
{
    uint32_t room = dense->ids_room > 0 ? dense->ids_room : CHUNK;
    uint64_t *ids;

    while (room < dense->pages)
        room *= 2; /* pages are at most 2^30 */
    if (room != dense->ids_room) {
        ids = reallocarray(dense->ids, room, sizeof(*ids));
        if (ids == NULL)
            return false;
        dense->ids = ids;
        dense->ids_room = room;
    }
    for (uint32_t i = 0; i < fresh->count; i++)
        dense->ids[fresh->first + i] = load_64(fresh->ids + 8 * (size_t)i);
    return true;
}

static ssize_t dense_read(struct trace *trace, struct trace_reference *references, size_t most,
                          struct sp_error *error)
{
    struct dense *dense = trace->state;
    uint32_t taken[TRACE_BATCH];
    struct dense_fresh fresh;
    ssize_t count =
        format_dense_take(trace, taken, most < TRACE_BATCH ? most : TRACE_BATCH, &fresh, error);

    if (fresh.count > 0 && count > 0 && !keep_ids(dense, &fresh))
        return error_set(error, ENOMEM, "%s: no memory for the ids of %u pages", trace->source.name,
                         dense->pages);
    for (ssize_t i = 0; i < count; i++)
        references[i] = (struct trace_reference){
            .id = dense->ids[taken[i] >> 1], .next = TRACE_NEVER, .write = taken[i] & 1};
    return count;
}

static void dense_end(struct trace *trace)
{
    struct dense *dense = trace->state;

    free(dense->ids);
    dense->ids = NULL;
}

/* ---- Writing ---- */

struct dense_output {
    struct page_table table;
    struct trace_reference held[CHUNK];
    uint32_t count;
};

static void store_32(uint8_t *to, uint32_t value)
{
    value = htole32(value);
    memcpy(to, &value, sizeof(value));
}

static void store_64(uint8_t *to, uint64_t value)
{
    value = htole64(value);
    memcpy(to, &value, sizeof(value));
}

static void put_header(const struct trace_output *output, uint8_t *to)
{
    const struct dense_output *dense = output->state;

    memset(to, 0, HEADER);
    memcpy(to, MAGIC, 8);
    store_32(to + 8, output->page_size);
    store_64(to + 16, output->written);
    store_64(to + 24, dense->table.count);
}

static int dense_begin_output(struct trace_output *output, struct sp_error *error)
{
    struct dense_output *dense = output->state;
    uint8_t *at;

    if (page_table_init(&dense->table, PAGE_TABLE_MOST) != 0 ||
        page_table_keep_ids(&dense->table) != 0)
        return error_set(error, ENOMEM, "%s: no memory for numbering pages", output->sink.name);
    at = sink_room(&output->sink, HEADER, error);
    if (at == NULL)
        return -EIO;
    put_header(output, at);
    sink_put(&output->sink, HEADER);
    return 0;
}

/* Write what is held as a chunk. */
static int dense_flush(struct trace_output *output, struct sp_error *error)
{
    struct dense_output *dense = output->state;
    uint32_t numbers[CHUNK], before = dense->table.count, fresh, done = 0;
    size_t size;
    uint8_t *at;

    if (dense->count == 0)
        return 0;
    for (; done < dense->count; done += TRACE_BATCH) {
        uint32_t some = dense->count - done < TRACE_BATCH ? dense->count - done : TRACE_BATCH;
        int result = page_table_look_up(&dense->table, dense->held + done, some, numbers + done);

        if (result != 0)
            return error_set(error, -result, "%s: %s", output->sink.name,
                             result == -ENOSPC ? "too many different ids" : "no memory");
    }
    fresh = dense->table.count - before;
    size = CHUNK_HEADER + 8 * (size_t)fresh + 4 * (size_t)dense->count;
    at = sink_room(&output->sink, size, error);
    if (at == NULL)
        return -EIO;
    store_32(at, dense->count);
    store_32(at + 4, fresh);
    for (uint32_t i = 0; i < fresh; i++)
        store_64(at + CHUNK_HEADER + 8 * (size_t)i, dense->table.ids[before + i]);
    for (uint32_t i = 0; i < dense->count; i++)
        store_32(at + CHUNK_HEADER + 8 * (size_t)fresh + 4 * (size_t)i, numbers[i]);
    sink_put(&output->sink, size);
    dense->count = 0;
    return 0;
}

static int dense_add(struct trace_output *output, const struct trace_reference *reference,
                     struct sp_error *error)
{
    struct dense_output *dense = output->state;

    check(dense->count < CHUNK);
    dense->held[dense->count++] = *reference;
    return dense->count == CHUNK ? dense_flush(output, error) : 0;
}

/* The header's counts, where the file is seekable and not compressed. */
static int dense_end_output(struct trace_output *output, uint64_t pages, struct sp_error *error)
{
    uint8_t header[HEADER];

    (void)pages;
    put_header(output, header);
    return sink_rewrite(&output->sink, header, sizeof(header), error);
}

static void dense_fini_output(struct trace_output *output)
{
    struct dense_output *dense = output->state;

    page_table_fini(&dense->table);
}

static const char *const dense_extensions[] = {"spdense", NULL};

const struct trace_format format_dense = {
    .name = "dense",
    .summary = "Selfpage's own, with numbered pages: the fastest to replay",
    .extensions = dense_extensions,
    .least = 4,
    .state_size = sizeof(struct dense),
    .sniff = dense_sniff,
    .begin = dense_begin,
    .read = dense_read,
    .end = dense_end,
    .output_state_size = sizeof(struct dense_output),
    .begin_output = dense_begin_output,
    .add = dense_add,
    .flush_output = dense_flush,
    .end_output = dense_end_output,
    .fini_output = dense_fini_output,
};
