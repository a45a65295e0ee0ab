/* What an analysis found, drawn by gnuplot. */
#ifndef SELFPAGE_ANALYSE_DRAWING_H
#define SELFPAGE_ANALYSE_DRAWING_H

#include "analysis/analysis.h"
#include "launch/gnuplot.h"

/* Draw to `path`, which gnuplot_check has passed. Returns as gnuplot_begin and gnuplot_draw. */
int drawing_draw(const struct analysis *analysis, const char *path, const struct gnuplot_look *look,
                 struct sp_error *error);

#endif
