/* What `selfpage run` shows: the live table, lines of tasks and servers, the summary, the JSON
 * object. */
#ifndef SELFPAGE_SCENARIO_REPORT_H
#define SELFPAGE_SCENARIO_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "selfpage/scenario/outcome.h"

/* How often the live table comes. */
enum { REPORT_TERMINAL_MS = 250, REPORT_PLAIN_MS = 2000 };

struct report {
    FILE *out;      /* where table and summary go */
    bool table;     /* there is a live table */
    bool in_place;  /* redrawn in place: `out` is a terminal */
    unsigned drawn; /* lines of the table that stand at the end of the terminal */
};

void report_init(struct report *report, bool json, bool table, bool no_table);

/* Show the live table as things stand, `seconds` into the run. */
void report_table(struct report *report, const struct outcome *outcome, double seconds);

/* A line of a task, a server or this program, on standard error: "name: text". */
SP_PRINTF(3, 4)
void report_line(struct report *report, const char *name, const char *format, ...);

/* The final table, and each expectation with its verdict. */
void report_summary(struct report *report, const struct outcome *outcome, double seconds);

/* The JSON object. Returns 0 or -ENOMEM, or -EIO if it could not be written. */
int report_json(FILE *out, const struct outcome *outcome);

#endif
