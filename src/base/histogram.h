/* A histogram of times or sizes over the whole range of 64 bits, precise to one part in 128.
 *
 * Log-linear, as in G. Tene's HdrHistogram: each power of two is cut into equal parts, so that the
 * relative error is the same everywhere, and memory does not depend on how much is recorded. */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BITS    7u /* values below 2^7 are exact; relative error below 2^-7 elsewhere */
#define HISTOGRAM_BUCKETS ((64u - HISTOGRAM_BITS + 1u) << HISTOGRAM_BITS)

/* All zero is an empty one. About 59 KiB: not for the stack. */
struct histogram {
    uint64_t count;
    uint64_t least; /* if count > 0 */
    uint64_t most;
    double sum;
    uint64_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_record(struct histogram *histogram, uint64_t value);

/* The smallest value that at least the share `share` (0 to 1) of all values do not exceed, up to
 * the precision, rounded up; never above the largest. 0 if nothing was recorded. */
uint64_t histogram_quantile(const struct histogram *histogram, double share);

/* 0 if nothing was recorded. */
double histogram_mean(const struct histogram *histogram);

/* Add all that was recorded in `from`, and what a load that waits for each answer before it asks
 * again could not record: as in HdrHistogram (recordValueWithExpectedInterval), a value v stands for
 * further ones of v - interval, v - 2 * interval ..., down to `interval`, which is above 0. */
void histogram_add_corrected(struct histogram *histogram, const struct histogram *from,
                             uint64_t interval);

/* Add all that was recorded in `from`. */
void histogram_add(struct histogram *histogram, const struct histogram *from);

#endif
