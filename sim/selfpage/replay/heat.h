/* Miss ratios of policies and sizes as a map of colours, by gnuplot. */
#ifndef SELFPAGE_REPLAY_HEAT_H
#define SELFPAGE_REPLAY_HEAT_H

#include "selfpage/replay/replay.h"

/* Check a path before anything runs. -EINVAL: it is not a picture, or the trace. */
int heat_check(const char *path, const struct replay_options *options, struct sp_error *error);

/* Draw. Returns as gnuplot_begin and gnuplot_draw. */
int heat_draw(const char *path, const struct replay_options *options,
              const struct replay_results *results, struct sp_error *error);

#endif
