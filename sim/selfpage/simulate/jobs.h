/* `selfpage simulate --list-jobs`. */
#ifndef SELFPAGE_SIMULATE_JOBS_H
#define SELFPAGE_SIMULATE_JOBS_H

#include <stdio.h>

#include "selfpage/simulate/options.h"

/* Write a command a line: all combinations of what varies, with all seeds. Returns the exit status. */
int jobs_list(FILE *out, const struct simulate_options *options);

#endif
