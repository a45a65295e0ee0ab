/* How long tasks took. */
#ifndef SELFPAGE_COMPARE_TIMES_H
#define SELFPAGE_COMPARE_TIMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

struct times {
    double *us;
    size_t count;
};

/* Add those of all tasks of a run that have ended. */
void times_add(struct times *times, const json_t *run);

/* Show a quantile of both, and add it to *objects. Returns false if it is off by more than so many per cent (negative:
 * that does not matter). */
bool times_show(FILE *out, const char *name, double quantile, struct times *live,
                struct times *simulated, double per_cent, json_t **objects);

void times_fini(struct times *times);

#endif
