/* A live task without processes: the pager of core/pager, a kernel that is an array of protections, and a physmem that
 * gives every frame that a contract allows at once. References are reads of pages that were never written, so that nothing
 * has to be stored: what is counted is what the policy decides with the bits and faults that a live task shows. The same
 * calls give the same counts. */
#ifndef REHEARSAL_REHEARSAL_H
#define REHEARSAL_REHEARSAL_H

#include <stddef.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "policy/params.h"

/* How the policy learns that a watched page was referenced. */
enum rehearsal_way {
    REHEARSAL_SIGNALS, /* at once: the reference is a soft fault */
    REHEARSAL_BITS,    /* when it asks; only for policies with SP_POLICY_SAMPLES */
};

struct rehearsal_counts {
    uint64_t faults;      /* references to pages that were not resident */
    uint64_t soft_faults; /* references to resident pages that were watched */
    uint32_t frames; /* of which the policy was told: without those that the pager keeps free */
    uint32_t
        resident; /* pages that were, on average, when a reference had been made; rounded. A pager that evicts some in
                          advance has fewer than the policy was told frames */
};

/* Refer to pages below `pages` under a contract for `frames` frames, at least 1. The policy of `choice` can run live.
 * Returns 0; -ENOMEM; -EPROTO: a page cannot be had, or the pager's books are wrong afterwards, and `error` says what. */
int rehearsal_run(const struct policy_choice *choice, const sp_page *references, size_t length,
                  uint32_t pages, uint32_t frames, enum rehearsal_way way,
                  struct rehearsal_counts *counts, struct sp_error *error);

#endif
