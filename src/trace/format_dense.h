/* Reading a dense trace as what it is: references to numbered pages, which need no look-up. */
#ifndef TRACE_FORMAT_DENSE_H
#define TRACE_FORMAT_DENSE_H

#include "trace/trace.h"

/* Pages that appear for the first time: their numbers follow on those before. */
struct dense_fresh {
    uint32_t first;     /* number of the first of them */
    const uint8_t *ids; /* 8 bytes each, little-endian; valid until the next call */
    uint32_t count;
};

/* True if format_dense_take can read the trace: it is dense, and not split into pages of other sizes. */
bool format_dense_is(const struct trace *trace);

/* Read up to `most` references, page << 1, plus 1 for a write; each page has appeared, or is
 * among *fresh. Not to be mixed with trace_read. Returns how many, 0 at the end, or a negative errno, as
 * trace_read. */
ssize_t format_dense_take(struct trace *trace, uint32_t *references, size_t most,
                          struct dense_fresh *fresh, struct sp_error *error);

#endif
