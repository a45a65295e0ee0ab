/* What selfpage top knows: the last counters, how fast they grow, and how they were before. No input
 * or output: samples go in, rows come out. */
#ifndef SELFPAGE_TOP_VIEW_H
#define SELFPAGE_TOP_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/observer/observer.h"

/* Samples that are remembered: two minutes at one a second. */
#define VIEW_SAMPLES 120u

/* The last values of something, the newest first in `value`. */
struct view_history {
    float value[VIEW_SAMPLES];
    unsigned count;
};

/* How much a counter grew a second between the last two samples. */
struct view_rates {
    bool known; /* there were two samples */
    double faults;
    double swapped_in;
    double swapped_out;
    double recalls;
};

struct view_task {
    struct observed_task now;
    bool ended; /* it is gone, or has lost everything */
    struct view_rates rates;
    struct view_history held;
    struct view_history faults;   /* a second */
    struct view_history swapping; /* pages a second, both ways */
};

struct view {
    struct view_task *tasks; /* in the order of their ids */
    size_t count;
    size_t room;
    size_t live; /* tasks that have not ended */
    struct observed_physmem physmem;
    struct observed_swap swap;
    bool has_swap;
    struct observed_files files;
    bool has_files;
    struct observed_detail
        detail;              /* of the task that was looked at alone; detail.task is 0: of none */
    struct view_rates rates; /* of all tasks together; those of swap are what the server did */
    struct view_history held;
    struct view_history faults;
    struct view_history swapping; /* pages a second, both ways */
    unsigned samples;
};

/* Forget everything. A view of zeros is empty, too. */
void view_fini(struct view *view);

/* Take in the answers of physmem and, unless it is NULL, of swap, `seconds` after those before. What a
 * server that was started again has counted less of counts as no growth. Returns 0 or -ENOMEM. */
int view_sample(struct view *view, const struct observer *physmem, const struct observer *swap,
                double seconds);

/* Take in the answer of a file server. */
void view_files(struct view *view, const struct observed_files *now);

/* Take in what physmem says of one task; NULL: it knows no such task. */
void view_detail(struct view *view, const struct observed_detail *now);

/* Frames that a task may hold by its contracts. */
uint32_t view_entitled(const struct observed_task *task);

/* The task of this name that came last, or NULL. */
const struct view_task *view_find(const struct view *view, const char *name);

#endif
