/* Making the decisions of a live task again: from the trace of what its eviction policy saw
 * (record/recorder.h), whether the policy, run now, names the same victims. */
#ifndef REPLAY_DECISIONS_H
#define REPLAY_DECISIONS_H

#include "policy/params.h"
#include "trace/trace.h"

struct decisions_counts {
    uint64_t events;
    uint64_t faults;      /* pages that came in */
    uint64_t soft_faults; /* hits */
    uint64_t victims;
};

/* Run `choice` over all of a trace of events that was opened, and not read from. Returns 0: all decisions
 * are the same. 1: they are not; `error` says which is the first that differs. -EINVAL: it is not a trace of events; -EILSEQ: it is damaged, or cut off; what trace_read returns;
 * -ENOMEM. */
int decisions_check(struct trace *trace, const struct policy_choice *choice,
                    struct decisions_counts *counts, struct sp_error *error);

#endif
