#include "selfpage/scenario/series.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "os/stdio.h"
#include "selfpage/command/counters.h"

/* What is written of a task, by the names of its counters. */
static const char *const shown[] = {
    "held",        "guaranteed", "extra",   "resident",        "demand",      "faults",
    "soft_faults", "evictions",  "dropped", "swapped_out",     "swapped_in",  "waits",
    "recalls",     "owed",       "overdue", "frames_recalled", "repossessed", "penalty"};

#define SHOWN (sizeof shown / sizeof *shown)

static uint64_t value(const struct task_outcome *task, const char *name)
{
    const struct counter *row = counters_find(&counters_task, name);

    if (row != NULL)
        return counters_value(row, &task->stats);
    row = counters_find(&counters_task_status, name);
    return row != NULL ? counters_value(row, &task->seen) : 0;
}

int series_open(struct series *series, const char *path, uint64_t step_ns, struct sp_error *error)
{
    size_t length = strlen(path);

    *series = (struct series){.file = fopen(path, "we"),
                              .csv = length >= 4 && strcmp(path + length - 4, ".csv") == 0,
                              .step_ns = step_ns};
    if (series->file == NULL)
        return error_set(error, errno, "%.160s: %s", path, strerror(errno));
    if (!series->csv)
        return 0;
    fputs("seconds,task", series->file);
    for (size_t i = 0; i < SHOWN; i++)
        fprintf(series->file, ",%s", shown[i]);
    fputc('\n', series->file);
    return 0;
}

static void write_row(const struct series *series, double seconds, const struct task_outcome *task)
{
    FILE *file = series->file;

    if (series->csv)
        fprintf(file, "%.6f,%s", seconds, task->task->name);
    else
        fprintf(file, "{\"seconds\": %.6f, \"task\": \"%s\"", seconds, task->task->name);
    for (size_t i = 0; i < SHOWN; i++) {
        if (!series->csv)
            fprintf(file, ", \"%s\": ", shown[i]);
        fprintf(file, "%s%llu", series->csv ? "," : "", (unsigned long long)value(task, shown[i]));
    }
    fputs(series->csv ? "\n" : "}\n", file);
}

void series_write(struct series *series, uint64_t now_ns, const struct outcome *outcome)
{
    if (series->file == NULL || now_ns < series->next_ns)
        return;
    for (uint32_t i = 0; i < outcome->scenario->tasks_count; i++)
        if (outcome->tasks[i].state == OUTCOME_RUNNING)
            write_row(series, (double)now_ns / 1e9, &outcome->tasks[i]);
    series->next_ns = now_ns - now_ns % series->step_ns + series->step_ns;
}

int series_close(struct series *series)
{
    int result = 0;

    if (series->file != NULL) {
        result = stdio_finish(series->file);
        if (fclose(series->file) != 0 && result == 0)
            result = -errno;
    }
    series->file = NULL;
    return result;
}
