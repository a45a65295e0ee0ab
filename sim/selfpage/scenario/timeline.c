#include "selfpage/scenario/timeline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "selfpage/command/counters.h"

/* Counters that are shown of a task, of physmem and of swap: their tracks are numbered in this order. */
static const char *const task_counters[TIMELINE_TASK] = {
    "held", "resident", "faults", "soft_faults", "evictions", "swapped_out", "swapped_in"};
static const char *const physmem_counters[TIMELINE_PHYSMEM] = {"free", "soft", "guaranteed",
                                                               "recalls", "recalls_missed"};
static const char *const swap_counters[TIMELINE_SWAP] = {"used", "stores", "loads"};

/* Tracks for `count` counters below `track`. */
static void make_tracks(struct perfetto *perfetto, uint64_t track, const char *const *names,
                        size_t count, struct timeline_counter *counters)
{
    for (size_t i = 0; i < count; i++)
        counters[i] = (struct timeline_counter){
            .track = perfetto_counter(perfetto, track, names[i]), .last = UINT64_MAX};
}

/* Write those that have changed. */
static void count(struct timeline *timeline, uint64_t ns, const struct counter_table *table,
                  const void *from, const char *const *names, size_t size,
                  struct timeline_counter *counters)
{
    for (size_t i = 0; i < size; i++) {
        uint64_t value = counters_value(counters_find(table, names[i]), from);

        if (value != counters[i].last)
            perfetto_count(&timeline->file, ns, counters[i].track, value);
        counters[i].last = value;
    }
}

int timeline_open(struct timeline *timeline, const char *path, const struct scenario *scenario,
                  int physmem_pid, int swap_pid, struct sp_error *error)
{
    int code;

    *timeline =
        (struct timeline){.tasks = calloc(scenario->tasks_count + 1, sizeof(struct timeline_task))};
    if (timeline->tasks == NULL)
        return error_set(error, ENOMEM, "no memory for the tracks of %s", path);
    code = perfetto_open(&timeline->file, path, error);
    if (code != 0)
        return code;
    timeline->physmem = perfetto_process(&timeline->file, "physmem", physmem_pid);
    make_tracks(&timeline->file, timeline->physmem, physmem_counters, TIMELINE_PHYSMEM,
                timeline->physmem_counters);
    timeline->swap = perfetto_process(&timeline->file, "swap", swap_pid);
    make_tracks(&timeline->file, timeline->swap, swap_counters, TIMELINE_SWAP,
                timeline->swap_counters);
    return 0;
}

void timeline_task_starts(struct timeline *timeline, uint64_t ns, const struct outcome *outcome,
                          uint32_t index, int pid)
{
    struct timeline_task *line;

    if (timeline->tasks == NULL)
        return;
    line = &timeline->tasks[index];
    check(!line->runs);
    if (line->track == 0) {
        line->track = perfetto_process(&timeline->file, outcome->tasks[index].task->name, pid);
        make_tracks(&timeline->file, line->track, task_counters, TIMELINE_TASK, line->counters);
    }
    line->runs = true;
    line->arrows += line->recalls;
    line->recalls = line->answers = 0;
    perfetto_begin(&timeline->file, ns, line->track, "runs");
}

/* Arrows begin at physmem, where recalls are counted as they are sent, and end at the task, where they are
 * counted as they are answered. */
void timeline_recalls(struct timeline *timeline, uint64_t ns, const struct outcome *outcome,
                      uint32_t index)
{
    const struct task_outcome *task = &outcome->tasks[index];
    struct timeline_task *line;
    uint64_t base;
    char text[80];

    if (timeline->tasks == NULL || timeline->tasks[index].track == 0)
        return;
    line = &timeline->tasks[index];
    base = (line->track << 32) + line->arrows;
    for (; line->recalls < task->seen.recalls; line->recalls++) {
        snprintf(text, sizeof text, "recall from %.40s", task->task->name);
        perfetto_instant(&timeline->file, ns, timeline->physmem, text, PERFETTO_FLOW_BEGINS,
                         base + line->recalls);
    }
    for (; line->answers < task->stats.recalls_answered && line->answers < line->recalls;
         line->answers++)
        perfetto_instant(&timeline->file, ns, line->track, "recall answered", PERFETTO_FLOW_ENDS,
                         base + line->answers);
}

static void look_at_task(struct timeline *timeline, uint64_t ns, const struct outcome *outcome,
                         uint32_t index)
{
    if (timeline->tasks[index].track == 0)
        return;
    count(timeline, ns, &counters_task, &outcome->tasks[index].stats, task_counters, TIMELINE_TASK,
          timeline->tasks[index].counters);
    timeline_recalls(timeline, ns, outcome, index);
}

void timeline_task_ends(struct timeline *timeline, uint64_t ns, const struct outcome *outcome,
                        uint32_t index)
{
    struct timeline_task *line;
    char text[48];

    if (timeline->tasks == NULL || !timeline->tasks[index].runs)
        return;
    line = &timeline->tasks[index];
    look_at_task(timeline, ns, outcome, index);
    snprintf(text, sizeof text, "exit %d", outcome->tasks[index].exit_status);
    perfetto_instant(&timeline->file, ns, line->track, text, PERFETTO_NO_FLOW, 0);
    perfetto_end(&timeline->file, ns, line->track);
    line->runs = false;
}

void timeline_look(struct timeline *timeline, uint64_t ns, const struct outcome *outcome)
{
    if (timeline->tasks == NULL)
        return;
    count(timeline, ns, &counters_physmem, &outcome->physmem, physmem_counters, TIMELINE_PHYSMEM,
          timeline->physmem_counters);
    if (outcome->scenario->swap != NULL)
        count(timeline, ns, &counters_swap, &outcome->swap, swap_counters, TIMELINE_SWAP,
              timeline->swap_counters);
    for (uint32_t i = 0; i < outcome->scenario->tasks_count; i++)
        if (timeline->tasks[i].runs)
            look_at_task(timeline, ns, outcome, i);
}

int timeline_finish(struct timeline *timeline, uint64_t ns, const struct outcome *outcome,
                    struct sp_error *error)
{
    if (timeline->tasks == NULL)
        return 0;
    timeline_look(timeline, ns, outcome);
    for (uint32_t i = 0; i < outcome->scenario->tasks_count; i++)
        if (timeline->tasks[i].runs)
            perfetto_end(&timeline->file, ns, timeline->tasks[i].track);
    return perfetto_finish(&timeline->file, error);
}

void timeline_fini(struct timeline *timeline)
{
    perfetto_fini(&timeline->file);
    free(timeline->tasks);
    timeline->tasks = NULL;
}
