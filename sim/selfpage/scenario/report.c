/* What `selfpage run` shows to people. */
#include "selfpage/scenario/report.h"

#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void report_init(struct report *report, bool json, bool table, bool no_table)
{
    *report = (struct report){.out = json ? stderr : stdout};
    report->in_place = isatty(fileno(report->out)) && !no_table;
    report->table = (report->in_place || table) && !no_table;
}

/* Take the live table away, so that something else can be written where it stood. */
static void report_erase(struct report *report)
{
    if (report->drawn > 0)
        fprintf(report->out, "\033[%uA\033[J", report->drawn);
    report->drawn = 0;
    fflush(report->out);
}

static const char *state_text(const struct task_outcome *task, char *buffer, size_t size)
{
    switch (task->state) {
    case OUTCOME_WAITING:
        return "waiting";
    case OUTCOME_RUNNING:
        return task->seen.breached ? "breached" : "running";
    case OUTCOME_NEVER:
        return "never ran";
    case OUTCOME_ENDED:
        break;
    }
    if (task->exit_status > 128)
        snprintf(buffer, size, "%skilled by %s", task->seen.breached ? "breached, " : "",
                 sigabbrev_np(task->exit_status - 128) != NULL
                     ? sigabbrev_np(task->exit_status - 128)
                     : "a signal");
    else
        snprintf(buffer, size, "%sexit %d", task->seen.breached ? "breached, " : "",
                 task->exit_status);
    return buffer;
}

/* How wide the columns of texts are: as wide as the longest, within limits. */
struct columns {
    int name, policy;
};

static int wider(int width, const char *text, int most)
{
    int length = (int)strlen(text);

    length = length < most ? length : most;
    return length > width ? length : width;
}

static struct columns columns_of(const struct outcome *outcome)
{
    struct columns columns = {.name = 8, .policy = 8};

    for (uint32_t i = 0; i < outcome->scenario->tasks_count; i++) {
        columns.name = wider(columns.name, outcome->tasks[i].task->name, 24);
        columns.policy = wider(columns.policy, outcome_policy(&outcome->tasks[i]), 24);
    }
    return columns;
}

static void write_task(FILE *out, struct columns columns, const struct task_outcome *task)
{
    const struct sp_stats *stats = &task->stats;
    char state[48], recalls[48];

    snprintf(recalls, sizeof recalls, "%llu/%llu", (unsigned long long)task->seen.recalls_met,
             (unsigned long long)task->seen.recalls_missed);
    fprintf(out, "%-*.*s %-*.*s %6llu %6llu %8llu %9llu %9llu %9llu %9llu %9llu %9s %6llu  %s\n",
            columns.name, columns.name, task->task->name, columns.policy, columns.policy,
            outcome_policy(task), (unsigned long long)stats->guaranteed,
            (unsigned long long)stats->extra, (unsigned long long)stats->resident,
            (unsigned long long)stats->faults, (unsigned long long)stats->evictions,
            (unsigned long long)stats->swapped_out, (unsigned long long)stats->swapped_in,
            (unsigned long long)stats->dropped, recalls,
            (unsigned long long)task->seen.frames_transparent,
            state_text(task, state, sizeof state));
}

/* The table, with at most `most` tasks. Returns how many lines it has. */
static unsigned write_table(FILE *out, const struct outcome *outcome, uint32_t most)
{
    uint32_t shown = outcome->scenario->tasks_count;
    struct columns columns = columns_of(outcome);

    fprintf(out, "%-*s %-*s %6s %6s %8s %9s %9s %9s %9s %9s %9s %6s  %s\n", columns.name, "task",
            columns.policy, "policy", "G", "E", "resident", "faults", "evicted", "swap out",
            "swap in", "dropped", "recalls", "taken", "state");
    if (shown > most)
        shown = most;
    for (uint32_t i = 0; i < shown; i++)
        write_task(out, columns, &outcome->tasks[i]);
    if (shown < outcome->scenario->tasks_count)
        fprintf(out, "... and %u more tasks\n", outcome->scenario->tasks_count - shown);
    fprintf(out, "physmem: %u of %u frames free, %u soft", outcome->physmem.free,
            outcome->physmem.frames, outcome->physmem.soft);
    if (outcome->scenario->swap != NULL)
        fprintf(out, "; swap: %u of %u slots used", outcome->swap.used, outcome->swap.slots);
    if (outcome->scenario->fileserver != NULL)
        fprintf(out, "; fileserver: %llu reads, %llu from its cache",
                (unsigned long long)outcome->files.reads, (unsigned long long)outcome->files.hits);
    if (outcome->physmem.overruled > 0)
        fprintf(out, "; the arbiter was overruled %llu times",
                (unsigned long long)outcome->physmem.overruled);
    fprintf(
        out,
        "\nG, E: frames guaranteed, and allowed beyond that, by contracts; recalls: met/missed; taken: "
        "unused frames, without a recall\n");
    return shown + 3 + (shown < outcome->scenario->tasks_count);
}

/* Tasks that fit on the terminal, with the other lines of the table and one for the cursor. */
static uint32_t tasks_that_fit(const struct report *report)
{
    struct winsize size;

    if (ioctl(fileno(report->out), TIOCGWINSZ, &size) != 0 || size.ws_row == 0)
        return 20;
    return size.ws_row > 7 ? size.ws_row - 6u : 1;
}

void report_table(struct report *report, const struct outcome *outcome, double seconds)
{
    if (!report->table)
        return;
    report_erase(report);
    if (report->in_place) /* a line too long for the terminal is cut, not continued below */
        fprintf(report->out, "\033[?7l");
    fprintf(report->out, "--- %.1f s\n", seconds);
    if (report->in_place) {
        report->drawn = 1 + write_table(report->out, outcome, tasks_that_fit(report));
        fprintf(report->out, "\033[?7h");
    } else {
        write_table(report->out, outcome, UINT32_MAX);
    }
    fflush(report->out);
}

void report_line(struct report *report, const char *name, const char *format, ...)
{
    va_list values;

    report_erase(report);
    fprintf(stderr, "%s: ", name);
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fputc('\n', stderr);
}

void report_summary(struct report *report, const struct outcome *outcome, double seconds)
{
    size_t held = 0;

    report_erase(report);
    fprintf(report->out, "=== after %.1f s\n", seconds);
    write_table(report->out, outcome, UINT32_MAX);
    fprintf(report->out, "\nchecked:\n");
    for (size_t i = 0; i < outcome->expectation_count; i++) {
        const struct expectation *expectation = &outcome->expectations[i];

        fprintf(report->out, "  %s  %s", expectation->passed ? "passed" : "FAILED",
                expectation->text);
        if (expectation->why != NULL)
            fprintf(report->out, " (%s)", expectation->why);
        fputc('\n', report->out);
        held += expectation->passed;
    }
    fprintf(report->out, "%zu of %zu expectations held\n", held, outcome->expectation_count);
    fflush(report->out);
}
