/* Cutting a line of comma-separated values up, as RFC 4180 and spreadsheets have them. */
#ifndef TRACE_CSV_FIELDS_H
#define TRACE_CSV_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

#define CSV_COLUMNS_MOST 1000u

struct csv_field {
    const char *text; /* without blanks and quotes around it */
    size_t length;
    bool quoted; /* it stood in quotes: within it, two quotes stand for one */
};

enum csv_verdict {
    CSV_CUT,
    CSV_OPEN,    /* the line ends within quotes: the record goes on in the next one */
    CSV_TRAILING /* text stands behind closing quotes */
};

/* Cut `line` up into at most `most` fields; what stands behind these is not looked at, unless within
 * quotes. `*countp` becomes the number of fields. */
enum csv_verdict csv_fields_cut(const char *line, size_t length, char delimiter,
                                struct csv_field *fields, unsigned most, unsigned *countp);

#endif
