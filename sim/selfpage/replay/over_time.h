/* Miss ratios over time, as csv or as a picture. */
#ifndef SELFPAGE_REPLAY_OVER_TIME_H
#define SELFPAGE_REPLAY_OVER_TIME_H

#include "selfpage/replay/replay.h"

/* Write the intervals of all results to a path that plot_check_path has passed. Returns 0 or a negative
 * errno. */
int over_time_write(const char *path, const struct replay_options *options,
                    const struct replay_results *results, struct sp_error *error);

#endif
