/* Rows of `selfpage run --series`, one for each task at each step, as looks of selfpage top: series.h. */
#ifndef SELFPAGE_REPORT_ROWS_H
#define SELFPAGE_REPORT_ROWS_H

#include <jansson.h>
#include <stdbool.h>

/* Is this a row? */
bool rows_is_row(const json_t *value);

/* The looks that rows of a file make: those of one time are one look, and what a counter grew since the row
 * before of the same task is a rate. Looks have no servers. Returns a new reference, or NULL if there is
 * no memory. */
json_t *rows_to_looks(const json_t *rows);

#endif
