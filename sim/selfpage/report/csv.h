/* Rows of `selfpage run --series FILE.csv`, and of `simulate`. */
#ifndef SELFPAGE_REPORT_CSV_H
#define SELFPAGE_REPORT_CSV_H

#include <jansson.h>
#include <stdio.h>

#include <selfpage/error.h>

/* Read `in` to its end, and add to `rows`, an array, an object for each line after the first, which names
 * the columns: those that rows.h knows, and no others. `path` is for messages. Returns 0, or a negative
 * errno with a text: -EILSEQ if the first line lacks a column that each row has, or a line does not fit. */
int csv_read(json_t *rows, const char *path, FILE *in, struct sp_error *error);

#endif
