/* One number for a policy, for programs that search for policies. */
#ifndef SELFPAGE_REPLAY_SCORE_H
#define SELFPAGE_REPLAY_SCORE_H

#include "selfpage/replay/options.h"

/* The policy against which a score is measured. */
#define SCORE_BASELINE "fifo"

/* Print the score of the first policy of `options`, against the second, over the trace, or over all traces
 * of the folder, that options->path names. Returns the exit status. */
int score_run(const struct replay_options *options);

#endif
