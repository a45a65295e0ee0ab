/* Names of columns, as published traces and spreadsheets use them. */
#ifndef TRACE_COLUMN_H
#define TRACE_COLUMN_H

#include <stddef.h>

enum column {
    COLUMN_UNKNOWN,
    COLUMN_ID,
    COLUMN_SPACE, /* a device, volume or file, within which ids are unique */
    COLUMN_SIZE,  /* bytes */
    COLUMN_OPERATION,
    COLUMN_COUNT, /* how often the operation was done */
    COLUMN_OTHER, /* known, and of no use here: a time, a client */
};

/* The meaning of a column of this name. Case, blanks, _, - and . do not count, nor does
 * "(bytes)" at the end. */
enum column column_named(const char *name, size_t length);

#endif
