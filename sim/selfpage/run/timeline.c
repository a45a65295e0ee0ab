#include "selfpage/run/timeline.h"

#include <stdio.h>

#include "os/clock.h"
#include "selfpage/command/counters.h"

/* Counters that are shown of a task, of physmem and of swap: their tracks are numbered in this order. */
static const char *const task_counters[TIMELINE_TASK] = {
    "held", "resident", "faults", "soft_faults", "evictions", "swapped_out", "swapped_in"};
static const char *const physmem_counters[TIMELINE_PHYSMEM] = {"free", "soft", "guaranteed",
                                                               "recalls", "recalls_missed"};
static const char *const swap_counters[TIMELINE_SWAP] = {"used", "stores", "loads"};

static uint64_t now(const struct run *run)
{
    return clock_now_ns() - run->started_ns;
}

/* Tracks for `count` counters below `track`. */
static void make_tracks(struct perfetto *perfetto, uint64_t track, const char *const *names,
                        size_t count, struct timeline_counter *counters)
{
    for (size_t i = 0; i < count; i++)
        counters[i] = (struct timeline_counter){
            .track = perfetto_counter(perfetto, track, names[i]), .last = UINT64_MAX};
}

/* Write those that have changed. */
static void count(struct run *run, const struct counter_table *table, const void *from,
                  const char *const *names, size_t size, struct timeline_counter *counters)
{
    for (size_t i = 0; i < size; i++) {
        uint64_t value = counters_value(counters_find(table, names[i]), from);

        if (value != counters[i].last)
            perfetto_count(&run->timeline.file, now(run), counters[i].track, value);
        counters[i].last = value;
    }
}

int timeline_start(struct run *run, struct sp_error *error)
{
    struct timeline *timeline = &run->timeline;
    int code;

    if (run->options->perfetto == NULL)
        return 0;
    code = perfetto_open(&timeline->file, run->options->perfetto, error);
    if (code != 0)
        return code;
    timeline->physmem =
        perfetto_process(&timeline->file, "physmem", run->servers[SCENARIO_PHYSMEM].server.pid);
    make_tracks(&timeline->file, timeline->physmem, physmem_counters, TIMELINE_PHYSMEM,
                timeline->physmem_counters);
    timeline->swap =
        perfetto_process(&timeline->file, "swap", run->servers[SCENARIO_SWAP].server.pid);
    make_tracks(&timeline->file, timeline->swap, swap_counters, TIMELINE_SWAP,
                timeline->swap_counters);
    return 0;
}

void timeline_task_starts(struct run_task *task)
{
    struct run *run = task->run;
    struct timeline_task *line = &task->line;

    if (run->options->perfetto == NULL)
        return;
    line->track =
        perfetto_process(&run->timeline.file, task->outcome->task->name, (int)task->outcome->pid);
    make_tracks(&run->timeline.file, line->track, task_counters, TIMELINE_TASK, line->counters);
    perfetto_begin(&run->timeline.file, now(run), line->track, "runs");
}

/* Arrows begin at physmem, where recalls are counted as they are sent, and end at the task, where they
 * are counted as they are answered. Both numbers are those of a look: an arrow is as exact as that. */
static void draw_recalls(struct run_task *task)
{
    struct run *run = task->run;
    struct timeline_task *line = &task->line;
    uint64_t base = line->track << 32;
    char text[80];

    for (; line->recalls < task->outcome->seen.recalls; line->recalls++) {
        snprintf(text, sizeof text, "recall from %.40s", task->outcome->task->name);
        perfetto_instant(&run->timeline.file, now(run), run->timeline.physmem, text,
                         PERFETTO_FLOW_BEGINS, base + line->recalls);
    }
    for (; line->answers < task->outcome->stats.recalls_answered && line->answers < line->recalls;
         line->answers++)
        perfetto_instant(&run->timeline.file, now(run), line->track, "recall answered",
                         PERFETTO_FLOW_ENDS, base + line->answers);
}

static void look_at_task(struct run_task *task)
{
    if (task->line.track == 0)
        return;
    count(task->run, &counters_task, &task->outcome->stats, task_counters, TIMELINE_TASK,
          task->line.counters);
    draw_recalls(task);
}

void timeline_task_ends(struct run_task *task)
{
    struct run *run = task->run;
    char text[48];

    if (task->line.track == 0)
        return;
    look_at_task(task);
    snprintf(text, sizeof text, "exit %d", task->outcome->exit_status);
    perfetto_instant(&run->timeline.file, now(run), task->line.track, text, PERFETTO_NO_FLOW, 0);
    perfetto_end(&run->timeline.file, now(run), task->line.track);
}

void timeline_look(struct run *run)
{
    if (run->options->perfetto == NULL)
        return;
    count(run, &counters_physmem, &run->outcome.physmem, physmem_counters, TIMELINE_PHYSMEM,
          run->timeline.physmem_counters);
    if (run->scenario->swap != NULL)
        count(run, &counters_swap, &run->outcome.swap, swap_counters, TIMELINE_SWAP,
              run->timeline.swap_counters);
    for (uint32_t i = 0; i < run->scenario->tasks_count; i++)
        if (run->outcome.tasks[i].state == OUTCOME_RUNNING)
            look_at_task(&run->tasks[i]);
}

int timeline_end(struct run *run, struct sp_error *error)
{
    int code;

    if (run->options->perfetto == NULL)
        return 0;
    timeline_look(run);
    code = perfetto_finish(&run->timeline.file, error);
    perfetto_fini(&run->timeline.file);
    return code;
}
