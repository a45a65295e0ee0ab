#include "selfpage/simulate/rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "selfpage/command/counters.h"
#include "selfpage/scenario/figure.h"

/* Whether a counter of physmem about a task is a counter that the task has, too. */
static bool is_double(size_t index)
{
    return counters_find(&counters_task, counters_task_status.rows[index].name) != NULL;
}

static size_t task_columns(void)
{
    size_t columns = counters_task.count + 1; /* and microseconds */

    for (size_t i = 0; i < counters_task_status.count; i++)
        columns += !is_double(i);
    return columns;
}

static uint32_t tasks_shown(const struct scenario *scenario)
{
    return scenario->tasks_count <= ROWS_TASKS ? scenario->tasks_count : 0;
}

size_t rows_columns(const struct scenario *scenario)
{
    return (tasks_shown(scenario) + 1) * task_columns() + counters_physmem.count +
           (scenario->swap != NULL ? counters_swap.count : 0) + figure_bars(scenario);
}

/* The name of the i-th counter of a task. */
static const char *task_counter(size_t index)
{
    if (index < counters_task.count)
        return counters_task.rows[index].name;
    index -= counters_task.count;
    for (size_t i = 0; i < counters_task_status.count; i++)
        if (!is_double(i) && index-- == 0)
            return counters_task_status.rows[i].name;
    return "microseconds";
}

struct column_name rows_column(const struct scenario *scenario, size_t column)
{
    size_t each = task_columns();
    uint32_t tasks = tasks_shown(scenario);

    if (column < (tasks + 1) * each)
        return (struct column_name){column / each < tasks ? scenario->tasks[column / each].name
                                                          : "tasks",
                                    task_counter(column % each), false};
    column -= (tasks + 1) * each;
    if (column < counters_physmem.count)
        return (struct column_name){"physmem", counters_physmem.rows[column].name, false};
    column -= counters_physmem.count;
    if (scenario->swap != NULL && column < counters_swap.count)
        return (struct column_name){"swap", counters_swap.rows[column].name, false};
    column -= scenario->swap != NULL ? counters_swap.count : 0;
    return (struct column_name){"figure", scenario->figure->bars[column].name, true};
}

static void add_task(const struct task_outcome *task, uint64_t *sum)
{
    size_t at = counters_task.count;

    for (size_t i = 0; i < counters_task.count; i++)
        sum[i] += counters_value(&counters_task.rows[i], &task->stats);
    for (size_t i = 0; i < counters_task_status.count; i++)
        if (!is_double(i))
            sum[at++] += counters_value(&counters_task_status.rows[i], &task->seen);
    sum[at] += task->microseconds;
}

#define SIGN (UINT64_C(1) << 63)

/* In the order of numbers: negative ones, of which the larger is the smaller, before all others. */
static uint64_t of_real(double number)
{
    uint64_t bits;

    if (isnan(number))
        return UINT64_MAX;
    memcpy(&bits, &number, sizeof bits);
    return (bits & SIGN) != 0 ? ~bits : bits | SIGN;
}

double rows_real(uint64_t value)
{
    uint64_t bits = (value & SIGN) != 0 ? value & ~SIGN : ~value;
    double number;

    if (value == UINT64_MAX)
        return NAN;
    memcpy(&number, &bits, sizeof number);
    return number;
}

void rows_fill(const struct outcome *outcome, uint64_t *row)
{
    const struct scenario *scenario = outcome->scenario;
    size_t each = task_columns(), at = (tasks_shown(scenario) + 1) * each;

    memset(row, 0, rows_columns(scenario) * sizeof *row);
    for (uint32_t i = 0; i < scenario->tasks_count; i++) {
        if (tasks_shown(scenario) > 0)
            add_task(&outcome->tasks[i], row + i * each);
        add_task(&outcome->tasks[i], row + tasks_shown(scenario) * each);
    }
    for (size_t i = 0; i < counters_physmem.count; i++)
        row[at++] = counters_value(&counters_physmem.rows[i], &outcome->physmem);
    for (size_t i = 0; i < counters_swap.count && scenario->swap != NULL; i++)
        row[at++] = counters_value(&counters_swap.rows[i], &outcome->swap);
    for (uint32_t i = 0; i < figure_bars(scenario); i++)
        row[at++] = of_real(figure_value(outcome, i));
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

struct spread rows_spread(uint64_t *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return (struct spread){.least = values[0],
                           .tenth = values[(count - 1) / 10],
                           .median = values[(count - 1) / 2],
                           .ninetieth = values[(count - 1) - (count - 1) / 10],
                           .most = values[count - 1]};
}
