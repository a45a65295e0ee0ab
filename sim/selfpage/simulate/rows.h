/* Counters of one play as a row of numbers, and what many rows come to. */
#ifndef SELFPAGE_SIMULATE_ROWS_H
#define SELFPAGE_SIMULATE_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "selfpage/scenario/outcome.h"

/* Tasks that have columns of their own; of more there is only the sum. */
#define ROWS_TASKS 64u

/* A column: a counter of an object. */
struct column_name {
    const char
        *object; /* a task's name, "tasks" (the sum over them), "physmem", "swap", "figure" */
    const char *counter;
    bool real; /* its values are for rows_real */
};

/* How many columns a row of this scenario has. */
size_t rows_columns(const struct scenario *scenario);

/* The name of a column. */
struct column_name rows_column(const struct scenario *scenario, size_t column);

/* Fill a row. */
void rows_fill(const struct outcome *outcome, uint64_t *row);

/* The number that a value of a real column stands for: values are in the order of the numbers. NaN: there is none,
 * which is the last. */
double rows_real(uint64_t value);

/* The median and more of `count` values, which are put in order. */
struct spread {
    uint64_t least, tenth, median, ninetieth, most;
};
struct spread rows_spread(uint64_t *values, size_t count);

#endif
