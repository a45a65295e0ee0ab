/* What a trace is like: how often each page is referenced, how long after the last time, in what patterns, and
 * how many pages it takes at a time. One pass, one thread; all figures are exact. */
#ifndef ANALYSIS_ANALYSIS_H
#define ANALYSIS_ANALYSIS_H

#include <stdint.h>

#include <selfpage/error.h>

#include "analysis/hot.h"
#include "analysis/patterns.h"
#include "analysis/popular.h"
#include "analysis/windows.h"
#include "trace/page_table.h"
#include "replay/stack_distance.h"
#include "trace/trace.h"

#define ANALYSIS_OCTAVES 64u

/* References that stand for all, for a picture: evenly in time, up to so many. */
#define ANALYSIS_SAMPLES 16384u

struct analysis_page {
    uint64_t last_plus1; /* time of the last reference */
    uint32_t count;      /* of references; stays at the largest number */
    uint32_t written;    /* 1: it was written to */
};

struct analysis {
    uint64_t references, writes;
    uint64_t bytes;             /* sum of sizes, where the trace has some */
    uint32_t largest, smallest; /* size; 0: not known */
    uint32_t page_size;         /* set by the caller: bytes; 0: not known */
    uint32_t pages_written;
    uint64_t
        reuse[ANALYSIS_OCTAVES]; /* references 2^i to 2^(i + 1) - 1 after the last to the page */
    uint32_t samples[ANALYSIS_SAMPLES]; /* pages of the references i << sample_shift */
    uint32_t sample_count;
    unsigned sample_shift;
    struct page_table table;
    struct windows windows;
    struct patterns patterns;
    struct stack_distance distances;
    struct popular popular; /* after analysis_end */
    struct hot hot;
    /* Set by the caller: which lines of their pages the references are to that analysis_add is given next (trace.h). NULL: that
     * is not known. */
    const uint64_t *touched;
    /* Private. */
    struct analysis_page *page;
    uint32_t pages_most;
};

/* Nothing seen, of up to `pages_most` pages. It is too large for the stack. Release with analysis_fini in
 * any case. -ENOMEM. */
int analysis_init(struct analysis *analysis, uint32_t pages_most, struct sp_error *error);

void analysis_fini(struct analysis *analysis);

/* The next references, at most TRACE_BATCH. -ENOSPC: too many pages; -ENOMEM. */
int analysis_add(struct analysis *analysis, const struct trace_reference *references, size_t count,
                 struct sp_error *error);

/* There are no more: find what only the whole tells. -ENOMEM. */
int analysis_end(struct analysis *analysis, struct sp_error *error);

/* The miss ratio of LRU with `frames` frames, at least 1; 0 for an empty trace. */
double analysis_lru(const struct analysis *analysis, uint32_t frames);

#endif
