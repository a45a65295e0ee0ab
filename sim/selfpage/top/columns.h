/* The columns of selfpage top, and which tasks stand in which order. */
#ifndef SELFPAGE_TOP_COLUMNS_H
#define SELFPAGE_TOP_COLUMNS_H

#include <stdio.h>

#include "selfpage/top/view.h"

/* Bytes of a cell with its NUL. */
#define COLUMN_TEXT 40u

struct top_column {
    const char *name;  /* as --sort takes it */
    const char *title; /* above the column */
    int width;         /* negative: aligned to the left */
    const char *help;
    /* What rows are sorted by, largest first. NULL: the name of the task, alphabetically. */
    double (*value)(const struct view_task *task);
    bool rate; /* it needs two samples */
};

/* The i-th column, or NULL past the last. */
const struct top_column *columns_at(size_t i);

/* The number of the column with this name, or -1. */
int columns_find(const char *name);

/* How wide the column of names is: as wide as the longest of these tasks needs, if there are `room` columns more than it
 * has at least. */
int columns_names(const struct view_task *const *shown, size_t count, int room);

/* How wide a column is where that of names is `names` wide; negative: aligned to the left. */
int columns_width(const struct top_column *column, int names);

/* What stands in a cell. */
void columns_text(const struct top_column *column, const struct view_task *task, int names,
                  char text[COLUMN_TEXT]);

/* What is shown. */
struct selection {
    unsigned sort;      /* number of a column */
    bool reversed;      /* smallest first */
    bool all;           /* also tasks that have ended */
    const char *filter; /* part of the name; NULL or "": all */
};

/* The tasks that are shown, in order, at most `room`. Returns how many. */
size_t columns_select(const struct view *view, const struct selection *selection,
                      const struct view_task **shown, size_t room);

/* Print what each column is, for the help. */
void columns_help(FILE *out);

#endif
