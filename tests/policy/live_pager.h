/* A trace as a live task sees it, without processes (rehearsal/rehearsal.h). */
#ifndef LIVE_PAGER_H
#define LIVE_PAGER_H

#include <stdint.h>

#include "rehearsal/rehearsal.h"
#include "trace_source.h"

/* Refer to all pages of a trace under a contract for `frames` frames. `choice` can run live; fails the
 * test if there is no memory, or if a page is never mapped. */
struct rehearsal_counts live_pager_run(const char *choice, const struct trace *trace,
                                       uint32_t frames);

#endif
