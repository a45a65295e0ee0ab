#include "analysis/patterns.h"

#include <stdbool.h>

/* The run under way ends. True if it counts. */
static bool run_end(struct pattern *pattern, uint64_t least)
{
    bool counts = pattern->length >= least && pattern->length >= PATTERNS_LEAST;

    if (counts) {
        pattern->runs++;
        pattern->references += pattern->length;
        if (pattern->length > pattern->longest) {
            pattern->longest = pattern->length;
            pattern->measure = pattern->now;
        }
    }
    pattern->length = 0;
    return counts;
}

static bool scan_end(struct patterns *patterns)
{
    bool counts = run_end(&patterns->scans, 1);

    if (counts)
        patterns->fresh += patterns->fresh_now;
    patterns->fresh_now = 0;
    return counts;
}

/* The reference before is part of a new run, unless it was the end of one that counts. */
static void scan_begin(struct patterns *patterns, uint64_t step)
{
    if (!scan_end(patterns) && patterns->references > 0) {
        patterns->scans.length = 1;
        patterns->fresh_now = patterns->last_fresh;
    }
    patterns->scans.now = step;
}

static void scan_add(struct patterns *patterns, uint64_t id, bool fresh)
{
    struct pattern *scans = &patterns->scans;
    uint64_t step = id - patterns->last;

    if (scans->length < 2 || step != scans->now || step == 0)
        scan_begin(patterns, step);
    scans->length++;
    patterns->fresh_now += fresh;
    patterns->last_fresh = fresh;
}

static void loop_add(struct patterns *patterns, uint64_t ago)
{
    struct pattern *loops = &patterns->loops;

    if (ago != loops->now) {
        run_end(loops, loops->now);
        loops->now = ago;
    }
    if (ago > 1)
        loops->length++;
}

void patterns_add(struct patterns *patterns, uint64_t id, uint64_t ago)
{
    patterns->repeats += ago == 1;
    scan_add(patterns, id, ago == 0);
    loop_add(patterns, ago);
    patterns->last = id;
    patterns->references++;
}

void patterns_end(struct patterns *patterns)
{
    scan_end(patterns);
    run_end(&patterns->loops, patterns->loops.now);
}
