/* The figure of an experiment, by gnuplot. */
#ifndef SELFPAGE_EXPERIMENT_DRAWING_H
#define SELFPAGE_EXPERIMENT_DRAWING_H

#include "selfpage/experiment/results.h"

/* Draw what the scenario's figure shows into the file that the options name. Returns 0 or a negative errno, with an
 * error. */
int drawing_make(const struct results *results, struct sp_error *error);

#endif
