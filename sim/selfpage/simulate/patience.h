/* How long a play may take: a process that plays ends if it gets nowhere. Its time is counted by what it computes, so
 * that a busy machine makes none too slow. */
#ifndef SELFPAGE_SIMULATE_PATIENCE_H
#define SELFPAGE_SIMULATE_PATIENCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit statuses of a process that was given up. */
enum { PATIENCE_STUCK = 90, PATIENCE_SPENT };

/* How far the play is; in memory that the process that waits for this one sees, too. */
struct play_progress {
    _Atomic uint64_t events; /* that have happened */
    _Atomic uint64_t now_ns; /* in virtual time */
};

/* From now on this process has `seconds` of processor time for what it plays, and a single event has `stuck` of these:
 * then it ends with a status from above. Only one play at a time is watched; `progress` outlives it. */
void patience_begin(const struct play_progress *progress, uint32_t seconds, uint32_t stuck);

/* The play is over. */
void patience_end(void);

/* Why a process with this exit status ended, in words. False: patience was not why. */
bool patience_explain(int exit_status, const struct play_progress *progress, uint32_t seconds,
                      char *text, size_t size);

#endif
