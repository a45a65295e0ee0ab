#include "base/histogram.h"

#define PARTS (1u << HISTOGRAM_BITS)

/* Values below 2 * PARTS have a bucket each; those of a higher power of two share PARTS buckets. */
static unsigned bucket_of(uint64_t value)
{
    unsigned shift;

    if (value < PARTS)
        return (unsigned)value;
    shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_BITS;
    return (shift + 1) * PARTS + (unsigned)((value >> shift) - PARTS);
}

/* The largest value that falls into a bucket. */
static uint64_t bucket_end(unsigned bucket)
{
    unsigned shift;

    if (bucket < PARTS)
        return bucket;
    shift = bucket / PARTS - 1;
    return (((uint64_t)(bucket % PARTS) + PARTS) << shift) + ((UINT64_C(1) << shift) - 1);
}

void histogram_record(struct histogram *histogram, uint64_t value)
{
    if (histogram->count == 0 || value < histogram->least)
        histogram->least = value;
    if (value > histogram->most)
        histogram->most = value;
    histogram->count++;
    histogram->sum += (double)value;
    histogram->bucket[bucket_of(value)]++;
}

uint64_t histogram_quantile(const struct histogram *histogram, double share)
{
    uint64_t seen = 0;
    uint64_t end;

    if (histogram->count == 0)
        return 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->bucket[i];
        if (seen == 0 || (double)seen < share * (double)histogram->count)
            continue;
        end = bucket_end(i);
        return end < histogram->most ? end : histogram->most;
    }
    return histogram->most;
}

double histogram_mean(const struct histogram *histogram)
{
    return histogram->count == 0 ? 0 : histogram->sum / (double)histogram->count;
}

/* How many of value - interval, value - 2 * interval ... lie from `low` to `high`. */
static uint64_t steps_within(uint64_t value, uint64_t interval, uint64_t low, uint64_t high)
{
    uint64_t most, least;

    if (high > value - interval)
        high = value - interval;
    if (low > high)
        return 0;
    most = (value - low) / interval;
    least = (value - high + interval - 1) / interval;
    return most < least ? 0 : most - least + 1;
}

void histogram_add_corrected(struct histogram *histogram, const struct histogram *from,
                             uint64_t interval)
{
    histogram_add(histogram, from);
    for (unsigned i = bucket_of(interval); i < HISTOGRAM_BUCKETS; i++) {
        uint64_t value = bucket_end(i) < from->most ? bucket_end(i) : from->most;

        if (from->bucket[i] == 0 || value / 2 < interval)
            continue;
        for (unsigned j = bucket_of(interval); j <= i; j++) {
            uint64_t begin = j == 0 ? 0 : bucket_end(j - 1) + 1;
            uint64_t added =
                steps_within(value, interval, begin > interval ? begin : interval, bucket_end(j));

            histogram->bucket[j] += added * from->bucket[i];
            histogram->count += added * from->bucket[i];
            histogram->sum += (double)added * (double)from->bucket[i] * (double)bucket_end(j);
        }
    }
}

void histogram_add(struct histogram *histogram, const struct histogram *from)
{
    if (from->count == 0)
        return;
    if (histogram->count == 0 || from->least < histogram->least)
        histogram->least = from->least;
    if (from->most > histogram->most)
        histogram->most = from->most;
    histogram->count += from->count;
    histogram->sum += from->sum;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        histogram->bucket[i] += from->bucket[i];
}
