/* What was counted, live and simulated. */
#ifndef SELFPAGE_COMPARE_COUNTED_H
#define SELFPAGE_COMPARE_COUNTED_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

/* One counter of one task. */
struct counted {
    const char *task;
    const char *counter;
    uint64_t least, most; /* of live runs */
    uint64_t simulated;
};

enum counted_verdict { COUNTED_EQUAL, COUNTED_WITHIN, COUNTED_OUTSIDE };

enum counted_verdict counted_judge(const struct counted *counted);

/* Whether it lies outside by more than so many per cent of the nearest live run. */
bool counted_is_far(const struct counted *counted, double per_cent);

/* "equal", "within", or how far it lies outside ("+12.5 %"), in `text`. */
void counted_verdict_text(const struct counted *counted, char *text, size_t size);

/* The names of the counters that are compared, NULL behind the last. */
extern const char *const counted_names[];

/* The value of a counter of task number `task` in what a run has printed. */
uint64_t counted_value(json_t *run, size_t task, const char *counter);

#endif
