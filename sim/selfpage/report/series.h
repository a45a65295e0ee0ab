/* Many looks of selfpage top --json as a few columns of numbers, thinned to what a picture can show. */
#ifndef SELFPAGE_REPORT_SERIES_H
#define SELFPAGE_REPORT_SERIES_H

#include <jansson.h>
#include <stdbool.h>

/* Tasks whose numbers are kept: those that held most. */
#define SERIES_TASKS 32u

/* Points of one line at most; fewer where there are many lines. */
#define SERIES_POINTS 1000u

/* Is this a look of selfpage top? */
bool series_is_look(const json_t *value);

/* The looks of an array as one object:
 *
 *   looks    how many there were      tasks_left_out   how many tasks are not in it
 *   seconds  of each point
 *   physmem  {held, free}, with null where looks have no physmem
 *   swap     {used, stores, loads}, or null
 *   tasks    [{name, held, demand, faults_per_second, swapped_in_per_second, swapped_out_per_second}]
 *
 * Each is a list as long as `seconds`, with null where a task was not there. With more looks than
 * points, those between are put together by twos of points, the least and the greatest number of the
 * looks that they stand for, in the order in which they came: no peak is lost. Returns a new reference,
 * or NULL if there is no memory. */
json_t *series_make(const json_t *looks);

#endif
