/* A trace: references in the order in which a program made them, from any of the formats of
 * formats.h, each of which is described in its file.
 *
 * What a reference refers to, its id, is one page, unless pages have a size (page_size):
 *   - where ids are addresses (lackey always; others with id_unit, the bytes between two ids), the
 *     reference is split into one for each page that its bytes, `size` of them, lie in;
 *   - otherwise an id is an object of `size` bytes with pages of its own, and the reference is
 *     split into one for each of them, first to last. */
#ifndef TRACE_TRACE_H
#define TRACE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <selfpage/error.h>

#include "trace/source.h"

/* No later reference. */
#define TRACE_NEVER UINT64_MAX

/* References that a reader should ask for at a time. */
#define TRACE_BATCH 512u

#define TRACE_PAGE_SIZE_LEAST 16u
#define TRACE_PAGE_SIZE_MOST  (1u << 30)
#define TRACE_ADDRESS_PAGE    4096u /* page size, in bytes, of a trace of addresses that gives none */

struct trace_reference {
    uint64_t id;
    uint64_t next; /* as the trace says: index of the next reference to this id, or TRACE_NEVER */
    uint32_t size; /* bytes; 0: not known */
    /* The address space that the id is in: set, where it is not 0, by formats that have several; for
     * splitting alone. */
    uint16_t space;
    bool write;
};

struct trace_options {
    const char *format; /* NAME, or NAME:OPTIONS; NULL: by extension, then by content */
    uint32_t page_size; /* bytes, a power of two; 0: an id is a page */
    uint64_t id_unit;   /* ids are addresses that count units of so many bytes; 0: they are not */
};

/* Room for the sentence that says which columns of a file are used. */
#define TRACE_COLUMNS 200u

struct trace_format;

/* References that lie in memory. */
struct trace_ids {
    const uint64_t *ids;
    const uint8_t *writes; /* NULL: all are reads */
    size_t count;
};

/* References that are made when they are asked for. */
struct trace_supply {
    /* Fill in `count` references, of which the first is the one with the number `index`; they come in
     * order, but begin again at 0 after a rewind. */
    void (*fill)(void *context, uint64_t index, struct trace_reference *references, size_t count);
    void *context;
    uint64_t count;   /* there are */
    const char *name; /* for messages */
    bool carries_sizes;
};

struct trace {
    struct source source;
    const struct trace_format *format;
    struct trace_options options;
    bool carries_sizes;
    bool carries_future; /* references have a `next` */
    bool carries_times;  /* `times` can be had */
    uint64_t told_pages; /* by the header, as a hint: different ids; 0: it does not say */
    uint64_t told_references;
    uint32_t told_page_size;
    uint64_t records; /* read so far */
    uint64_t line;    /* of the record read last; 0: not a format of lines */
    uint64_t hashed;  /* ids so far that were not numbers: their hashes stand for them */
    /* Which columns are used because a header names them, for people; "": none. */
    char columns[TRACE_COLUMNS];
    /* Set by a caller that wants the times of references, where the trace carries them and is not split: as many elements as
     * references are read at a time. In the trace's own unit. */
    uint64_t *times;
    /* The same for which lines of its page each reference is to: bit i for the i-th of 64 (of as many as the page has bytes,
     * if it has fewer). Where ids are addresses and are split alone. */
    uint64_t *touched;
    /* Private. */
    void *state; /* the format's */
    const char *format_options;
    unsigned page_bits;
    struct trace_reference held[TRACE_BATCH]; /* splitting: read, not yet split */
    size_t held_at, held_count;
    uint64_t part;              /* splitting: parts of held[held_at] that are out */
    struct trace_ids ids;       /* trace_open_ids: what is read */
    struct trace_supply supply; /* trace_open_supply */
};

/* Open a trace. The texts of `origin` and `options` must outlive it. Release with trace_fini in any
 * case. Returns 0, or a negative errno and what is wrong where: what opening and reading return,
 * -EINVAL (the options, or which format it is), -EILSEQ (this is not a trace, or not of that format),
 * -ENOMEM. */
int trace_open_source(struct trace *trace, const struct source_origin *origin,
                      const struct trace_options *options, struct sp_error *error);

/* The same for a file, or for standard input as "-". */
int trace_open(struct trace *trace, const char *path, const struct trace_options *options,
               struct sp_error *error);

/* References that lie in memory, and outlive the trace. Release with trace_fini in any case. -ENOMEM. */
int trace_open_ids(struct trace *trace, const struct trace_ids *ids, struct sp_error *error);

/* References that are made by `supply`, whose context outlives the trace. Release with trace_fini in any
 * case. -ENOMEM. */
int trace_open_supply(struct trace *trace, const struct trace_supply *supply,
                      struct sp_error *error);

void trace_fini(struct trace *trace);

/* Read up to `most` references (at least TRACE_BATCH). Returns how many, 0 at the end, or a
 * negative errno with the file, the line or record, and what is wrong with it. */
ssize_t trace_read(struct trace *trace, struct trace_reference *references, size_t most,
                   struct sp_error *error);

/* Begin again; -ESPIPE if it is a pipe. */
int trace_rewind(struct trace *trace, struct sp_error *error);

/* The most references that are in the trace, from its size; UINT64_MAX: not known. */
uint64_t trace_references_most(const struct trace *trace);

/* True if references are split into pages. */
static inline bool trace_splits(const struct trace *trace)
{
    return trace->options.page_size != 0;
}

/* The i-th format: its name, its summary and its options (NULL: none). NULL past the last. */
const char *trace_format_name(size_t i, const char **summary, const char **options);

#endif
