/* What an analysis found, for programs. */
#ifndef SELFPAGE_ANALYSE_JSON_H
#define SELFPAGE_ANALYSE_JSON_H

#include <stdio.h>

#include "analysis/analysis.h"

/* Returns 0 or a negative errno. */
int json_print(FILE *out, const struct analysis *analysis);

#endif
