#include "trace/split.h"

#include "base/assert.h"
#include "trace/mix.h"

struct split split_of(const struct trace *trace, const struct trace_reference *whole)
{
    uint64_t last_byte = whole->size > 0 ? whole->size - 1 : 0, start;

    if (trace->options.id_unit == 0)
        return (struct split){whole->id, last_byte >> trace->page_bits};
    ensure(split_address(trace, whole->id, &start));
    if (__builtin_add_overflow(start, last_byte, &last_byte))
        last_byte = UINT64_MAX;
    start >>= trace->page_bits;
    return (struct split){start, (last_byte >> trace->page_bits) - start};
}

uint64_t split_id(const struct trace *trace, const struct trace_reference *whole,
                  const struct split *split, uint64_t part)
{
    if (trace->options.id_unit == 0)
        return part == 0 ? split->first : trace_mix(trace_mix(split->first) + part);
    if (whole->space == 0)
        return split->first + part;
    return trace_mix(trace_mix(whole->space) + split->first + part);
}

/* Lines of a page: two to the power of this. */
#define LINES_BITS 6u

uint64_t split_touched(const struct trace *trace, const struct trace_reference *whole,
                       const struct split *split, uint64_t part)
{
    unsigned shift = trace->page_bits > LINES_BITS ? trace->page_bits - LINES_BITS : 0;
    uint64_t within = (UINT64_C(1) << trace->page_bits) - 1, first = 0, last = within, start;

    if (trace->options.id_unit == 0)
        return 0;
    ensure(split_address(trace, whole->id, &start) && part <= split->more);
    if (part == 0)
        first = start & within;
    if (part == split->more)
        last = (start + (whole->size > 0 ? whole->size - 1 : 0)) & within;
    if (last < first) /* the reference goes past the end of 64 bits */
        last = within;
    first >>= shift;
    last >>= shift;
    return (UINT64_MAX >> (63 - (last - first))) << first;
}
