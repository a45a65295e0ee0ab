/* The command line of a program, by a table: one row an option, and where its value goes. */
#ifndef OS_OPTIONS_H
#define OS_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include <selfpage/error.h>

/* Most rows of a table. */
#define OPTIONS_MAX 48u

/* What an option takes, and the type of the field that is set. */
enum option_type {
    OPTION_FLAG = 1, /* no value; bool, set to true */
    OPTION_TEXT,     /* const char *, into argv */
    OPTION_U32,      /* a whole number from `least` to `most`; uint32_t */
    OPTION_U64,      /* the same; uint64_t */
    OPTION_INT,      /* the same; int */
    OPTION_RATE,     /* a number from 0 to `most`; double */
    OPTION_CALL,     /* whatever `take` makes of a value */
    OPTION_CALL_FLAG /* the same without one: `text` is NULL */
};

struct option_row {
    const char *name; /* without the dashes */
    enum option_type type;
    size_t offset; /* of the field */
    uint64_t least, most;
    /* Returns 0, or a negative errno with a text that names the option. */
    int (*take)(void *options, const char *name, const char *text, struct sp_error *error);
};

struct options_syntax {
    const char *program; /* that --version prints */
    const char *version; /* NULL: there is no --version */
    const char *help;    /* that --help prints */
    const struct option_row *rows;
    unsigned count;
    /* Look at the whole once all is parsed; NULL: it is good. Same returns as `take`. */
    int (*check)(void *options, struct sp_error *error);
};

enum options_verdict {
    OPTIONS_RUN,  /* `options` is complete */
    OPTIONS_EXIT, /* --help or --version: printed, all is done */
    OPTIONS_BAD,  /* *error says what is wrong */
};

/* Parse argv, where only options may stand, into `options`, which holds the defaults; --help and
 * --version need no row. Not for two threads at once, since getopt is not. */
enum options_verdict options_parse(int argc, char **argv, const struct options_syntax *syntax,
                                   void *options, struct sp_error *error);

#endif
