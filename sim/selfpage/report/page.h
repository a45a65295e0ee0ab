/* The page of a report: one HTML file that needs nothing else. */
#ifndef SELFPAGE_REPORT_PAGE_H
#define SELFPAGE_REPORT_PAGE_H

#include <jansson.h>
#include <stdio.h>

/* Write the page about `results` (see results.h). Whatever stands in them, it is text: it cannot become
 * a part of the page's own code. Returns 0 or -EIO. */
int page_write(FILE *out, const json_t *results, const char *title);

#endif
