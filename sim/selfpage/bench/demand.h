/* How many frames each task of the benchmark would use, over time: `--demand`. */
#ifndef SELFPAGE_BENCH_DEMAND_H
#define SELFPAGE_BENCH_DEMAND_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "base/random.h"

/* X(NAME, name, meaning): kinds of course. */
#define DEMAND_KINDS(X)                                                                            \
    X(CONSTANT, constant, "a level of its own, from half to one and a half times the mean")        \
    X(BURSTS, bursts, "a quarter of the mean, and at random moments three times the mean")         \
    X(PHASES, phases, "another level each second or so, from nothing to twice the mean")

enum demand_kind {
    DEMAND_NONE, /* tasks wish for the frames of their contracts */
#define DEMAND_ENTRY(NAME, name, meaning) DEMAND_##NAME,
    DEMAND_KINDS(DEMAND_ENTRY)
#undef DEMAND_ENTRY
        DEMAND_FILE, /* what a file says */
};

/* One line of a file: from `ns` on, the task uses `frames`. */
struct demand_step {
    uint64_t ns;
    uint32_t task; /* from 0 */
    uint32_t frames;
};

/* What all tasks have in common. */
struct demand {
    enum demand_kind kind;
    double mean; /* frames of one task */
    uint64_t seed;
    struct demand_step *step; /* of a file: by task, and by time */
    uint32_t steps;
    uint32_t file_tasks; /* tasks of the file; further tasks begin again with its first */
};

/* The course of one task. */
struct demand_course {
    struct random_source random;
    uint32_t frames;
    uint64_t until;
    uint32_t next; /* step of a file */
    uint32_t last; /* one past the last step of the task */
    bool begun;
};

/* Choose by the text of an option: the name of a kind, or the path of a file of lines
 * "SECONDS TASK FRAMES" (blanks or commas between; # begins a comment). Returns 0, or a negative errno
 * with a text that names the line. */
int demand_parse(struct demand *demand, const char *text, struct sp_error *error);
void demand_fini(struct demand *demand);

/* "constant", "bursts", "phases", "file" or "none". */
const char *demand_name(const struct demand *demand);

/* What task number `task` would use `ns` after the beginning of the load; ns never falls. */
uint32_t demand_at(const struct demand *demand, struct demand_course *course, uint32_t task,
                   uint64_t ns);

#endif
