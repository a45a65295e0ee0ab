/* The line on a terminal that says how far a replay is, and how long it will take. */
#ifndef SELFPAGE_REPLAY_PROGRESS_H
#define SELFPAGE_REPLAY_PROGRESS_H

#include <stdbool.h>

#include <selfpage/replay.h>

struct replay_progress {
    bool shown; /* standard error is a terminal */
    bool line;  /* there is something on the line */
    enum sp_replay_phase phase;
    double began, last; /* seconds of the monotonic clock; `began`: the phase */
};

void progress_begin(struct replay_progress *progress, bool quiet);

/* Show how far it is, if it is time for that. */
void progress_step(struct replay_progress *progress, const struct sp_replay_progress *now);

/* Wipe the line. */
void progress_end(struct replay_progress *progress);

#endif
