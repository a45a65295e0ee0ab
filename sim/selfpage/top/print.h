/* What selfpage top prints without a screen. */
#ifndef SELFPAGE_TOP_PRINT_H
#define SELFPAGE_TOP_PRINT_H

#include <stdio.h>

#include "selfpage/top/options.h"

/* Print the table of all tasks that are selected, or of the one that options->task names. Returns 0,
 * -ENOMEM, or -EIO. */
int print_table(FILE *out, const struct view *view, const struct top_options *options,
                double seconds);

/* Print all counters as a JSON object in a line. Same returns. */
int print_json(FILE *out, const struct view *view, const struct top_options *options,
               double seconds);

#endif
