/* What an analysis found, for people. */
#ifndef SELFPAGE_ANALYSE_TEXT_H
#define SELFPAGE_ANALYSE_TEXT_H

#include <stdio.h>

#include "analysis/analysis.h"

/* Returns 0 or a negative errno. */
int text_print(FILE *out, const struct analysis *analysis);

#endif
