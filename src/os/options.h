/* The command line of a program, by a table: one row an option. The row says what the option takes,
 * where the value goes, and what --help prints about it.
 *
 * HOW DO I ADD AN OPTION? One row in the table of the command, with its help. An option without help
 * shows as "NOT EXPLAINED", which the test command_line looks for. */
#ifndef OS_OPTIONS_H
#define OS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <selfpage/error.h>

/* Most rows of a table. */
#define OPTIONS_MAX 48u

/* What an option takes, and the type of the field that is set. */
enum option_type {
    OPTION_FLAG = 1,  /* no value; bool, set to true */
    OPTION_TEXT,      /* const char *, into argv */
    OPTION_U32,       /* a whole number from `least` to `most`; uint32_t */
    OPTION_U64,       /* the same; uint64_t */
    OPTION_INT,       /* the same; int */
    OPTION_RATE,      /* a number from 0 to `most`; double */
    OPTION_CALL,      /* whatever `take` makes of a value */
    OPTION_CALL_FLAG, /* the same without one: `text` is NULL */
    OPTION_HEADING    /* no option: `name` is a line between those of the help */
};

struct option_row {
    const char *name; /* without the dashes */
    enum option_type type;
    size_t offset; /* of the field */
    uint64_t least, most;
    /* Returns 0, or a negative errno with a text that names the option. */
    int (*take)(void *options, const char *name, const char *text, struct sp_error *error);
    char letter;       /* a short form, as in -o; 0: none */
    const char *value; /* what the help calls the value, as in "--frames N" */
    const char *help;  /* one sentence or more, with the default in brackets; broken into lines */
};

/* An option that users know from another program. */
struct option_elsewhere {
    const char *name; /* without the dashes; NULL ends the list */
    char letter;      /* a short form; 0: none */
    const char *here; /* what to say or to know instead, after "unknown option --name: " */
};

struct options_syntax {
    const char *program; /* as it is called: "selfpage-swap", "selfpage convert" */
    const char *version; /* that --version prints; NULL: there is no --version */
    const char *usage;   /* what follows the program in the line "Usage:" */
    const char *about;   /* paragraphs before the options, broken into lines by hand */
    const struct option_row *rows;
    unsigned count;
    const struct option_elsewhere
        *elsewhere;            /* answers to options that are none here; NULL: no such */
    const char *notes;         /* paragraphs after the options; may be NULL */
    void (*more)(FILE *out);   /* prints what follows them; may be NULL */
    const char *exit_statuses; /* NULL: 0, or 2 if the program could not run */

    /* The words of the command line besides options: `least` to `most` words, which messages call
     * `operands`; `operand` takes each, at word[0]. Without `operands` there must be none. With
     * `rest`, options end at the first word, and `operand` takes all that begins there at once, as a
     * list that ends with NULL. */
    const char *operands;
    unsigned least, most;
    int (*operand)(void *options, char **word, struct sp_error *error);
    bool rest;

    /* Look at the whole once all is parsed; NULL: it is good. Same returns as `take`. */
    int (*check)(void *options, struct sp_error *error);
};

enum options_verdict {
    OPTIONS_RUN,  /* `options` is complete */
    OPTIONS_EXIT, /* --help or --version: printed, all is done */
    OPTIONS_BAD,  /* *error says what is wrong */
};

/* The help of options that need no row, and of exit statuses if the table has none. */
#define OPTIONS_HELP_SELF     "print this (--help=lines: for programs, an item a line)"
#define OPTIONS_HELP_VERSION  "print the version"
#define OPTIONS_EXIT_STATUSES "0; 2 it could not run."

/* Parse argv into `options`, which holds the defaults. -h, --help, --help=lines (os/option_lines.h) and
 * --version need no row. Not for two threads at once, since getopt is not. */
enum options_verdict options_parse(int argc, char **argv, const struct options_syntax *syntax,
                                   void *options, struct sp_error *error);

/* Print the help that the table makes. */
void options_help(FILE *out, const struct options_syntax *syntax);

#endif
