/* What makes a trace format: each is one constant struct. */
#ifndef TRACE_FORMAT_H
#define TRACE_FORMAT_H

#include <endian.h>
#include <string.h>

#include "trace/trace.h"

struct trace_format {
    const char *name;
    const char *summary;
    const char *const *extensions; /* NULL-terminated, without dot, any case; may be NULL */
    unsigned least;                /* fewest bytes that a reference takes */
    bool lines;                    /* counts trace->line */
    bool addresses;                /* ids are byte addresses */
    /* True if a trace that begins with these bytes is one; `whole`: there are no more. */
    bool (*sniff)(const uint8_t *bytes, size_t size, bool whole);
    /* Read what comes before the first record; `options` is what stood after "NAME:", or NULL. May
     * be NULL if there is nothing to do and no option is known. */
    int (*begin)(struct trace *trace, const char *options, struct sp_error *error);
    /* As trace_read, without splitting. */
    ssize_t (*read)(struct trace *trace, struct trace_reference *references, size_t most,
                    struct sp_error *error);
};

extern const struct trace_format trace_format_native;
extern const struct trace_format trace_format_oracle;
extern const struct trace_format trace_format_csv;
extern const struct trace_format trace_format_text;
extern const struct trace_format trace_format_lackey;

/* Say what is wrong with the record, or line, at which the trace stands. Returns -EILSEQ. */
int trace_malformed(const struct trace *trace, struct sp_error *error, const char *format, ...)
    SP_PRINTF(3, 4);

/* The next line, without its end, in *start and *length; it lives until the next call. Returns 1, 0
 * at the end, or a negative errno. */
int trace_line(struct trace *trace, const char **start, size_t *length, struct sp_error *error);

/* The id that `text` stands for: its value if it is a decimal number below 2^64, otherwise a hash,
 * which is counted in trace->hashed. Returns false if it is empty. */
bool trace_id(struct trace *trace, const char *text, size_t length, bool *number, uint64_t *id);

/* A decimal number that is all of the text; false if it is none, or not below 2^64. */
bool trace_decimal(const char *text, size_t length, uint64_t *number);

/* Text without spaces, tabs and carriage returns at either end. */
void trace_trim(const char **text, size_t *length);

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

/* A bijection that scatters; ids of parts of objects, hashes. */
static inline uint64_t trace_mix(uint64_t x)
{
    x = (x ^ (x >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    x = (x ^ (x >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ (x >> 33);
}

#endif
