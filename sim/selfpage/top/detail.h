/* What selfpage top says of one task: its contracts, recalls, containers, regions and all its counters. */
#ifndef SELFPAGE_TOP_DETAIL_H
#define SELFPAGE_TOP_DETAIL_H

#include <stdio.h>

#include <jansson.h>

#include "selfpage/top/view.h"

/* Print it in lines of at most `width` columns, if `width` is at least 79; 0: of any length, with what each
 * counter means. What physmem said is used if it is about this task. */
void detail_print(FILE *out, const struct view *view, const struct view_task *task, int width);

/* Contracts, recalls, containers and regions as a JSON object, a new reference; null if physmem did not say. Sets
 * *failed without memory. */
json_t *detail_json(const struct view *view, const struct view_task *task, bool *failed);

#endif
