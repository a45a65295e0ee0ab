/* What makes a trace format: one constant struct, in a file of its own; formats.h lists them. Private
 * state of a format is a struct of its file, `state_size` bytes of zeros at trace->state. */
#ifndef TRACE_FORMAT_H
#define TRACE_FORMAT_H

#include <endian.h>
#include <string.h>

#include "trace/formats.h"
#include "trace/trace.h"
#include "trace/trace_output.h"

struct trace_format {
    const char *name;
    const char *summary;
    const char *const *extensions; /* NULL-terminated, without dot, any case; may be NULL */
    const char *options;           /* what may follow "NAME:", for the help; NULL: nothing */
    unsigned least;                /* fewest bytes that a reference takes */
    bool lines;                    /* it is text, and counts trace->line */
    bool addresses;                /* ids are byte addresses */
    uint64_t id_unit;              /* of traces that are split and do not say; 0: none */
    bool repeats;                  /* a record may stand for many references */
    size_t state_size;             /* bytes of private state for reading */

    /* True if a trace that begins with these bytes is one; `whole`: there are no more. */
    bool (*sniff)(const uint8_t *bytes, size_t size, bool whole);
    /* Read what comes before the first record; `options` is what stood after "NAME:", or NULL. May
     * be NULL if there is nothing to do and no option is known. Also called after a rewind, with the
     * state full of zeros. */
    int (*begin)(struct trace *trace, const char *options, struct sp_error *error);
    /* As trace_read, without splitting. */
    ssize_t (*read)(struct trace *trace, struct trace_reference *references, size_t most,
                    struct sp_error *error);
    /* Release what the private state points to; may be NULL. */
    void (*end)(struct trace *trace);

    /* Writing: sink_room and sink_put of output->sink. Without `put` and `add` it cannot be written. */
    bool needs_future;        /* references must have a `next` */
    size_t output_state_size; /* bytes of zeros at output->state */
    int (*begin_output)(struct trace_output *output, struct sp_error *error); /* may be NULL */
    /* At most SINK_PIECE bytes; returns how many. */
    size_t (*put)(struct trace_output *output, uint8_t *at,
                  const struct trace_reference *reference);
    /* Instead of `put`, for a format that holds references back: take one; and write what is held, at
     * the end. */
    int (*add)(struct trace_output *output, const struct trace_reference *reference,
               struct sp_error *error);
    int (*flush_output)(struct trace_output *output, struct sp_error *error);
    /* After the last reference, when everything is written; may be NULL. `pages`: different ones;
     * 0: not known. */
    int (*end_output)(struct trace_output *output, uint64_t pages, struct sp_error *error);
    /* Release what the private state points to; may be NULL. */
    void (*fini_output)(struct trace_output *output);
};

#define FORMAT(name) extern const struct trace_format format_##name;
TRACE_FORMATS(FORMAT)
#undef FORMAT

/* Little-endian numbers, wherever they lie. */
static inline uint64_t load_64(const uint8_t *bytes)
{
    uint64_t value;

    memcpy(&value, bytes, sizeof(value));
    return le64toh(value);
}

static inline uint32_t load_32(const uint8_t *bytes)
{
    uint32_t value;

    memcpy(&value, bytes, sizeof(value));
    return le32toh(value);
}

static inline uint16_t load_16(const uint8_t *bytes)
{
    uint16_t value;

    memcpy(&value, bytes, sizeof(value));
    return le16toh(value);
}

#endif
