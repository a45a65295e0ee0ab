/* Writing a trace in any of the formats that can be written. */
#ifndef TRACE_TRACE_OUTPUT_H
#define TRACE_TRACE_OUTPUT_H

#include "trace/sink.h"
#include "trace/trace.h"

/* How to write a trace. */
struct trace_output_choice {
    const struct trace_format *format;
    enum sink_filter filter;
};

struct trace_output {
    uint64_t written; /* references */
    /* Private. */
    const struct trace_format *format;
    struct sink sink;
    uint32_t page_size;
    uint64_t previous; /* native: the id before */
    void *state;       /* the format's */
};

/* What to write to `path`: `name` says, or, if that is NULL, the path's extensions do (native where
 * they say nothing). The last extension of the path says how it is compressed. -EINVAL: no such format,
 * or it cannot be written. */
int trace_output_choose(const char *name, const char *path, struct trace_output_choice *choice,
                        struct sp_error *error);

/* True if references must be given their next ones. */
bool trace_output_needs_future(const struct trace_output_choice *choice);

/* Write to `fd`; the caller still owns fd and `name`. `page_size`: for the header of native; 0: not
 * known. Release with trace_output_fini in any case. */
int trace_output_init(struct trace_output *output, const struct trace_output_choice *choice, int fd,
                      const char *name, uint32_t page_size, struct sp_error *error);

/* Add a reference. */
int trace_output_add(struct trace_output *output, const struct trace_reference *reference,
                     struct sp_error *error);

/* Write out what is left. `pages`: different ones; 0: not known. */
int trace_output_finish(struct trace_output *output, uint64_t pages, struct sp_error *error);

void trace_output_fini(struct trace_output *output);

#endif
