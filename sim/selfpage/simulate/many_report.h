/* What many plays came to. */
#ifndef SELFPAGE_SIMULATE_MANY_REPORT_H
#define SELFPAGE_SIMULATE_MANY_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "selfpage/scenario/scenario.h"
#include "selfpage/scenario/verdicts.h"

/* A play that MANY_DIED ended with its process, or was given up: it has failed, and has no counters. */
enum many_state { MANY_AHEAD, MANY_PASSED, MANY_FAILED, MANY_DIED, MANY_CANNOT };

/* Expectations that results tell apart. */
#define MANY_EXPECTATIONS 512u

/* Bytes of their texts, each with its NUL. */
#define MANY_TEXTS 65536u

struct many_result {
    uint64_t seed, hash, events, virtual_ns;
    uint64_t unmet[MANY_EXPECTATIONS / 64]; /* a bit for each expectation that did not hold */
    uint8_t state;                          /* enum many_state */
    char why[512];                          /* the first expectation that did not hold */
    uint64_t row[];
};

struct many_results {
    const struct scenario *scenario;
    const char *varied; /* NULL: nothing */
    uint64_t count;
    const char *texts; /* of the expectations, one behind the other, and an empty one at the end */
    size_t size;       /* of each */
    unsigned char *results;
};

/* The words for enum many_state. */
extern const char *const many_report_states[5];

/* Bytes of a result of this scenario. */
size_t many_report_size(const struct scenario *scenario);

/* The result of the play with this number, from 0. */
struct many_result *many_report_result(const struct many_results *results, uint64_t index);

/* How results are shown. */
struct many_look {
    bool json;  /* an object on standard output */
    bool rows;  /* in it: all counters of each play */
    bool aside; /* the table goes to standard error */
};

/* Show a table, and what else is wanted. *failedp becomes the first seed that failed, if any did. Returns the exit
 * status. */
int many_report_show(const struct many_results *results, const struct many_look *look,
                     uint64_t *failedp);

/* Add a case for each expectation. */
void many_report_judge(const struct many_results *results, const char *suite,
                       struct verdicts *verdicts);

#endif
