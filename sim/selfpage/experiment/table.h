/* Results as text. */
#ifndef SELFPAGE_EXPERIMENT_TABLE_H
#define SELFPAGE_EXPERIMENT_TABLE_H

#include <stdio.h>

#include "selfpage/experiment/results.h"

/* For people. */
void table_print(FILE *out, const struct results *results);

/* One JSON object. Returns 0 or a negative errno. */
int table_json(FILE *out, const struct results *results);

#endif
