/* What --perfetto of `run` and `simulate` writes: a track for each task and one for each server, their counters
 * over time, and arrows from recalls to their answers.
 *
 * Times are nanoseconds since the beginning, and do not go back. A timeline of zeros writes nothing. */
#ifndef SELFPAGE_SCENARIO_TIMELINE_H
#define SELFPAGE_SCENARIO_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "perfetto/perfetto.h"
#include "selfpage/scenario/outcome.h"

/* How many counters are shown of a task, of physmem and of swap. */
enum { TIMELINE_TASK = 7, TIMELINE_PHYSMEM = 5, TIMELINE_SWAP = 3 };

struct timeline_counter {
    uint64_t track;
    uint64_t last; /* that was written */
};

struct timeline_task {
    uint64_t track; /* 0: it has none yet */
    bool runs;
    struct timeline_counter counters[TIMELINE_TASK];
    uint64_t recalls, answers; /* of this life that were drawn */
    uint64_t arrows;           /* of lives before */
};

struct timeline {
    struct perfetto file;
    struct timeline_task *tasks; /* as many as the outcome has; NULL: nothing is written */
    uint64_t physmem, swap;      /* their tracks */
    struct timeline_counter physmem_counters[TIMELINE_PHYSMEM];
    struct timeline_counter swap_counters[TIMELINE_SWAP];
};

/* Begin a file for tasks of this scenario. The numbers of the servers' processes are shown. Returns 0, or a
 * negative errno and an error. */
int timeline_open(struct timeline *timeline, const char *path, const struct scenario *scenario,
                  int physmem_pid, int swap_pid, struct sp_error *error);

/* The i-th task starts, maybe not for the first time; it ends, with the counters and the status that the
 * outcome has. */
void timeline_task_starts(struct timeline *timeline, uint64_t ns, const struct outcome *outcome,
                          uint32_t index, int pid);
void timeline_task_ends(struct timeline *timeline, uint64_t ns, const struct outcome *outcome,
                        uint32_t index);

/* Draw recalls and answers of a task that the outcome has and that were not drawn yet. */
void timeline_recalls(struct timeline *timeline, uint64_t ns, const struct outcome *outcome,
                      uint32_t index);

/* Write all counters that have changed, of servers and of tasks that run. */
void timeline_look(struct timeline *timeline, uint64_t ns, const struct outcome *outcome);

/* Everything is over: slices of tasks that run still end. Returns 0, or a negative errno and an error. */
int timeline_finish(struct timeline *timeline, uint64_t ns, const struct outcome *outcome,
                    struct sp_error *error);

/* Close it. Without timeline_finish nothing is left of the file. */
void timeline_fini(struct timeline *timeline);

#endif
