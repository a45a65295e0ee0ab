/* The line on a terminal that says how far a replay is, and how long it will take. */
#ifndef SELFPAGE_REPLAY_PROGRESS_H
#define SELFPAGE_REPLAY_PROGRESS_H

#include <stdbool.h>

#include "replay/pass.h"

struct replay_progress {
    bool shown;         /* standard error is a terminal */
    bool line;          /* there is something on the line */
    const char *what;   /* "reading", "replaying" */
    double began, last; /* seconds of the monotonic clock */
};

void progress_begin(struct replay_progress *progress, bool quiet, const char *what);

/* For struct pass: `context` is the progress. Returns 0. */
int progress_step(void *context, const struct pass *pass);

/* Wipe the line. */
void progress_end(struct replay_progress *progress);

#endif
