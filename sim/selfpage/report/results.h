/* What a report is about: the values of files, each with its kind. */
#ifndef SELFPAGE_REPORT_RESULTS_H
#define SELFPAGE_REPORT_RESULTS_H

#include <jansson.h>

#include <selfpage/error.h>

/* Read `path` (- is standard input), which holds JSON values one behind the other, or rows of a series as
 * CSV, and add to `results`, an array, an object {file, kind, data} for each of them. Kinds are run, bench, replay, series, other;
 * looks of selfpage top, and rows of run --series, that follow each other are one series. Long lists of numbers in what
 * `bench` printed are thinned. Returns 0, or a negative errno with a text: the file cannot be read, or
 * is neither, or holds none. */
int results_read(json_t *results, const char *path, struct sp_error *error);

#endif
