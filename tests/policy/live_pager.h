/* A live task without processes: the pager of src/core/pager, a kernel that is an array of
 * protections, and a physmem that gives every frame that a contract allows at once. References are
 * reads of pages that were never written, so that nothing has to be stored: what is counted is what
 * the policy decides with the bits and faults that it gets. The same calls give the same counts. */
#ifndef LIVE_PAGER_H
#define LIVE_PAGER_H

#include <stdint.h>

#include "policy/params.h"
#include "trace_source.h"

struct live_counts {
    uint64_t faults;      /* references to pages that were not resident */
    uint64_t soft_faults; /* references to resident pages that were watched */
    uint32_t frames; /* of which the policy was told: without those that the pager keeps free */
};

/* Refer to all pages of a trace under a contract for `frames` frames. `choice` can run live; fails the
 * test if there is no memory, or if a page is never mapped. */
struct live_counts live_pager_run(const char *choice, const struct trace *trace, uint32_t frames);

#endif
