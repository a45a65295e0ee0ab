/* From a reference to some bytes, the references to their pages; trace.h says how. */
#ifndef TRACE_SPLIT_H
#define TRACE_SPLIT_H

#include "trace/trace.h"

/* The pages of a reference whose start is an address. */
struct split {
    uint64_t first; /* page number, or the object's id */
    uint64_t more;  /* pages beyond the first */
};

/* The address, in bytes, of an id. False: it does not fit into 64 bits. */
static inline bool split_address(const struct trace *trace, uint64_t id, uint64_t *address)
{
    return !__builtin_mul_overflow(id, trace->options.id_unit, address);
}

/* The pages into which `whole`, whose address fits, is split. Bytes past the end of 64 bits do not count. */
struct split split_of(const struct trace *trace, const struct trace_reference *whole);

/* The id of the page `part`, from 0, of a reference that is split. An object's first page has the
 * object's own id. */
uint64_t split_id(const struct trace *trace, const struct trace_reference *whole,
                  const struct split *split, uint64_t part);

/* The lines of the page `part` that the reference is to, a bit each; trace.h says what a line is. 0: ids are no addresses. */
uint64_t split_touched(const struct trace *trace, const struct trace_reference *whole,
                       const struct split *split, uint64_t part);

#endif
