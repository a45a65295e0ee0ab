/* How references are spread over pages. */
#ifndef ANALYSIS_POPULAR_H
#define ANALYSIS_POPULAR_H

#include <stddef.h>
#include <stdint.h>

#define POPULAR_TOP  10u
#define POPULAR_BITS 32u

struct popular {
    uint32_t pages;
    uint64_t references;
    uint32_t *counts;          /* of references of a page, falling: by rank, from 0 */
    uint32_t top[POPULAR_TOP]; /* the pages referenced most, falling; equal ones by number */
    size_t top_count;
    uint32_t octaves[POPULAR_BITS]; /* pages with 2^i to 2^(i + 1) - 1 references */
    double exponent;                /* of the power law of the rank that fits the counts best */
    double fit; /* square of the correlation of the logarithms; 0: nothing can be said */
};

/* Find it from the references of each page, of which counts[i * stride] is that of page i. Release with
 * popular_fini in any case. -ENOMEM. */
int popular_find(struct popular *popular, const uint32_t *counts, size_t stride, uint32_t pages);

void popular_fini(struct popular *popular);

/* The share of the references that goes to the share `share` of the pages, the most popular ones (at
 * least one); 0 for an empty trace. */
double popular_share(const struct popular *popular, double share);

#endif
