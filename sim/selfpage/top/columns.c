#include "selfpage/top/columns.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define VALUE(name, expression)                                                                    \
    static double value_##name(const struct view_task *task)                                       \
    {                                                                                              \
        return (double)(expression);                                                               \
    }

VALUE(held, task->now.held)
VALUE(entitled, view_entitled(&task->now))
VALUE(guaranteed, task->now.guaranteed)
VALUE(demand, task->now.demand)
VALUE(owed, task->now.owed)
VALUE(faults, task->rates.faults)
VALUE(in, task->rates.swapped_in)
VALUE(out, task->rates.swapped_out)
VALUE(missed, task->now.recalls_missed)

static const struct top_column columns[] = {
    {"name", "TASK", -13, "name of the task", NULL, false},
    {"held", "HELD", 6, "frames that it holds", value_held, false},
    {"entitled", "ENTITL", 6, "frames that its contracts allow", value_entitled, false},
    {"guaranteed", "GUAR", 6, "those of them that are guaranteed", value_guaranteed, false},
    {"demand", "DEMAND", 6, "frames that it would use now, as it says", value_demand, false},
    {"owed", "OWED", 5, "frames recalled from it, and not returned yet", value_owed, false},
    {"faults", "FAULT/s", 7, "faults that needed a frame, a second", value_faults, true},
    {"in", "IN/s", 6, "pages read from swap, a second", value_in, true},
    {"out", "OUT/s", 6, "pages written to swap, a second", value_out, true},
    {"missed", "MISSED", 6, "recalls that it did not answer in time", value_missed, false},
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

const struct top_column *columns_at(size_t i)
{
    return i < COLUMNS ? &columns[i] : NULL;
}

int columns_find(const char *name)
{
    for (size_t i = 0; i < COLUMNS; i++)
        if (strcmp(columns[i].name, name) == 0)
            return (int)i;
    return -1;
}

int columns_names(const struct view_task *const *shown, size_t count, int room)
{
    int least = abs(columns[0].width), names = least;

    for (size_t i = 0; i < count; i++) {
        int length = (int)strlen(shown[i]->now.name);

        names = length > names ? length : names;
    }
    if (names > least + room)
        names = least + (room > 0 ? room : 0);
    return names < (int)COLUMN_TEXT ? names : (int)COLUMN_TEXT - 1;
}

int columns_width(const struct top_column *column, int names)
{
    return column->value == NULL ? -names : column->width;
}

void columns_text(const struct top_column *column, const struct view_task *task, int names,
                  char text[COLUMN_TEXT])
{
    int width = abs(columns_width(column, names));

    check(width < (int)COLUMN_TEXT);
    if (column->value == NULL)
        snprintf(text, COLUMN_TEXT, "%-*.*s", width, width, task->now.name);
    else if (column->rate && !task->rates.known)
        snprintf(text, COLUMN_TEXT, "%*s", width, "-");
    else
        snprintf(text, COLUMN_TEXT, "%*.0f", width, column->value(task));
}

static int compare(const void *left, const void *right, void *context)
{
    const struct view_task *a = *(const struct view_task *const *)left,
                           *b = *(const struct view_task *const *)right;
    const struct selection *selection = context;
    const struct top_column *column = &columns[selection->sort];
    int order;

    if (column->value == NULL)
        order = strcmp(a->now.name, b->now.name);
    else
        order = (column->value(a) < column->value(b)) - (column->value(a) > column->value(b));
    if (selection->reversed)
        order = -order;
    return order != 0 ? order : (a->now.id > b->now.id) - (a->now.id < b->now.id);
}

size_t columns_select(const struct view *view, const struct selection *selection,
                      const struct view_task **shown, size_t room)
{
    size_t count = 0;

    ensure(selection->sort < COLUMNS);
    for (size_t i = 0; i < view->count && count < room; i++) {
        const struct view_task *task = &view->tasks[i];

        if ((selection->all || !task->ended) &&
            (selection->filter == NULL || strstr(task->now.name, selection->filter) != NULL))
            shown[count++] = task;
    }
    if (count > 1)
        qsort_r(shown, count, sizeof(const struct view_task *), compare, (void *)selection);
    return count;
}

void columns_help(FILE *out)
{
    fputs("\nColumns, by the names that --sort takes:\n", out);
    for (size_t i = 0; i < COLUMNS; i++)
        fprintf(out, "  %-12s %-9s %s\n", columns[i].name, columns[i].title, columns[i].help);
}
