/* What many plays came to. */
#ifndef SELFPAGE_SIMULATE_MANY_REPORT_H
#define SELFPAGE_SIMULATE_MANY_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "selfpage/scenario/scenario.h"

enum many_state { MANY_AHEAD, MANY_PASSED, MANY_FAILED, MANY_CANNOT };

struct many_result {
    uint64_t hash, events, virtual_ns;
    uint8_t state; /* enum many_state */
    char why[512]; /* the first expectation that did not hold */
    uint64_t row[];
};

struct many_results {
    const struct scenario *scenario;
    uint64_t first_seed;
    const char *varied; /* NULL: nothing */
    uint64_t count;
    size_t size; /* of each */
    unsigned char *results;
};

/* Bytes of a result of this scenario. */
size_t many_report_size(const struct scenario *scenario);

/* The result of the play with this number, from 0. */
struct many_result *many_report_result(const struct many_results *results, uint64_t index);

/* Show a table, or (`json`) print an object on standard output and the table on standard error. *failedp becomes
 * the first seed that failed, if any did. Returns the exit status. */
int many_report_show(const struct many_results *results, bool json, uint64_t *failedp);

#endif
