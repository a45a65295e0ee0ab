/* Writing a trace in any of the formats that can be written. */
#ifndef TRACE_TRACE_OUTPUT_H
#define TRACE_TRACE_OUTPUT_H

#include "trace/output.h"
#include "trace/trace.h"
#include "trace/trace_writer.h"

enum trace_output_format {
    TRACE_OUTPUT_NATIVE, /* ids and writes */
    TRACE_OUTPUT_ORACLE, /* ids, sizes and next references; the time is the reference's index */
    TRACE_OUTPUT_TEXT,   /* ids */
    TRACE_OUTPUT_CSV,    /* ids, sizes, and r or w: columns 1 to 3, with a header */
};

struct trace_output {
    enum trace_output_format format;
    uint64_t written; /* references */
    /* Private. */
    struct output output; /* of all formats but native */
    struct trace_writer native;
};

/* What to write to `path`: `name` says, or, if that is NULL, the path's extensions do (native where
 * they say nothing); *compress: the path ends in .zst. -EINVAL: no such format. */
int trace_output_choose(const char *name, const char *path, enum trace_output_format *format,
                        bool *compress, struct sp_error *error);

/* Write to `fd`; fd and `name` stay the caller's. `page_size`: for the header of native; 0: not
 * known. Release with trace_output_fini in any case. */
int trace_output_init(struct trace_output *output, enum trace_output_format format, int fd,
                      const char *name, uint32_t page_size, bool compress, struct sp_error *error);

/* Add a reference. In oracleGeneral, `next` is its next one, as an index, or TRACE_NEVER; a size of
 * 0 is written as 1. */
int trace_output_add(struct trace_output *output, const struct trace_reference *reference,
                     struct sp_error *error);

/* Write out what is left. `pages`: different ones; 0: not known. */
int trace_output_finish(struct trace_output *output, uint64_t pages, struct sp_error *error);

void trace_output_fini(struct trace_output *output);

#endif
