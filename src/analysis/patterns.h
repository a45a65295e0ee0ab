/* Scans and loops in a trace.
 *
 * A scan is a run of references whose ids go up, or down, by the same step. A loop is a run in which each
 * reference comes as long after the last one to its page as the reference before did: so many references
 * repeat those before them, in order; that number is the loop's period. A run counts if it is
 * PATTERNS_LEAST references long, and a loop's if it is at least one whole round. A loop over
 * neighbours is a scan, too. */
#ifndef ANALYSIS_PATTERNS_H
#define ANALYSIS_PATTERNS_H

#include <stdbool.h>
#include <stdint.h>

#define PATTERNS_LEAST 64u

/* What was found of one kind. */
struct pattern {
    uint64_t runs;
    uint64_t references; /* in them */
    uint64_t longest;    /* references of a run */
    uint64_t measure;    /* of that one: the scan's step (two's complement), or the loop's period */
    /* Private: the run that is under way. */
    uint64_t now, length;
};

struct patterns {
    struct pattern scans, loops;
    uint64_t fresh;   /* references of scans that were the first to their page */
    uint64_t repeats; /* references to the page of the reference before */
    /* Private. */
    uint64_t last, references, fresh_now;
    bool last_fresh;
};

/* The next reference: its id, and how many references ago the last one to the page was; 0: it is the
 * first. All zeros is where nothing was seen. */
void patterns_add(struct patterns *patterns, uint64_t id, uint64_t ago);

/* There are no more. */
void patterns_end(struct patterns *patterns);

#endif
