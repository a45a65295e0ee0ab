/* What happened over time: a row for each task at each step, as CSV or as JSON lines. */
#ifndef SELFPAGE_SCENARIO_SERIES_H
#define SELFPAGE_SCENARIO_SERIES_H

#include <stdbool.h>
#include <stdio.h>

#include <selfpage/error.h>

#include "selfpage/scenario/outcome.h"

struct series {
    FILE *file; /* NULL: nothing is written */
    bool csv;
    uint64_t next_ns; /* when the next rows are due */
    uint64_t step_ns;
};

/* Write to a file: CSV if its name ends in .csv, else an object a line. Returns 0 or a negative errno, with
 * an error. */
int series_open(struct series *series, const char *path, uint64_t step_ns, struct sp_error *error);

/* If rows are due at this time: one for each task that runs. */
void series_write(struct series *series, uint64_t now_ns, const struct outcome *outcome);

/* Returns 0, or a negative errno: not everything could be written. */
int series_close(struct series *series);

#endif
