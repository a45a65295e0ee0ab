/* What the user says about a csv trace: the options of libCacheSim (-t), and more. */
#ifndef TRACE_CSV_OPTIONS_H
#define TRACE_CSV_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include <selfpage/error.h>

/* Columns that together make up an id. */
#define CSV_ID_COLUMNS 4u

enum csv_header {
    CSV_HEADER_MAYBE, /* the first line is one if it names columns */
    CSV_HEADER_YES,
    CSV_HEADER_NO,
};

/* Columns are counted from 1, 0 is none. */
struct csv_options {
    unsigned id[CSV_ID_COLUMNS]; /* the last one is the id proper, those before it are spaces */
    unsigned ids;
    unsigned size, operation, count;
    char delimiter; /* NUL: to be found out */
    enum csv_header header;
    bool id_is_number;  /* other ids are an error; otherwise their hash is taken */
    unsigned size_unit; /* bytes that a size counts; 0: 1 */
    unsigned
        id_unit; /* bytes that an id counts, where pages have a size and nobody says; 0: none */
};

/* Parse "obj-id-col=1+2,op-col=3,...", or "layout=NAME,..." with what is to be other than the layout has
 * it. -EINVAL: an error says what is wrong. */
int csv_options_parse(struct csv_options *options, const char *text, struct sp_error *error);

#endif
