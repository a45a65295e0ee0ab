/* Leave out references that a cache in front would answer: what is left are its misses, as a second level sees them. */
#ifndef SELFPAGE_TRACE_FILTER_H
#define SELFPAGE_TRACE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "adapter/load.h"
#include "replay/engine.h"
#include "trace/page_table.h"
#include "trace/trace.h"

struct filter {
    struct policy_handle policy;
    uint32_t frames;
    /* Private. */
    struct page_table table;
    struct engine engine;
    bool begun;
};

/* A filter with a policy, as for selfpage replay --policy, and so many frames. It must not move. Release with filter_fini in any
 * case. -EINVAL: there is no such policy, or it has to know the future; -ENOMEM. */
int filter_init(struct filter *filter, const char *policy, uint32_t frames, struct sp_error *error);

void filter_fini(struct filter *filter);

/* Begin again, with empty frames. */
int filter_rewind(struct filter *filter, struct sp_error *error);

/* Of `count` references, at most TRACE_BATCH, leave those that miss. Returns how many, or a negative errno. */
ssize_t filter_run(struct filter *filter, struct trace_reference *references, size_t count,
                   struct sp_error *error);

#endif
