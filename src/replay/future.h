/* The future of a trace, for policies that need it: the index of the next reference to each page.
 *
 * Either a first pass over the trace finds it (4 bytes a reference), or the trace carries it; the
 * values of a trace are checked as the references come, since many tools write nonsense there. */
#ifndef REPLAY_FUTURE_H
#define REPLAY_FUTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "trace/trace.h"

struct future {
    bool carried;   /* by the trace */
    uint64_t count; /* references noted, or checked */
    /* Private. */
    uint32_t *distance; /* noted: by reference, how far the next one is; 0: never */
    size_t distance_room;
    uint64_t *last; /* by page: noted: index of the last reference plus one; carried: what it
                       said its next would be, plus one */
    uint32_t pages_most;
    uint64_t base; /* carried: the index of the first reference, 0 or 1 */
    bool base_known;
};

/* An empty future of pages below `pages_most`. -ENOMEM. */
int future_init(struct future *future, bool carried, uint32_t pages_most, struct sp_error *error);

void future_fini(struct future *future);

/* First pass: note the next `count` references. -ENOMEM; -EFBIG: more than 2^32 - 2 references. */
int future_note(struct future *future, const uint32_t *references, size_t count,
                struct sp_error *error);

/* First pass: done; the noted future stays, what finding it took is given back. */
void future_noted(struct future *future);

/* Noted: the next references of those at `index` onwards. */
void future_tell(const struct future *future, uint64_t index, size_t count, uint64_t *next);

/* Carried: check what the trace says about the next `count` references, and copy it to `next`. Some
 * tools count references from 1: their indices all stay one too high, which changes no order.
 * -EILSEQ: what the trace says is wrong. */
int future_check(struct future *future, const struct trace *trace, const uint32_t *references,
                 const struct trace_reference *carried, size_t count, uint64_t *next,
                 struct sp_error *error);

#endif
