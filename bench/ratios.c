/* Medians and quartiles of what the rounds of a benchmark measured. */
#include "common.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The value at a share of a sorted array, between two neighbours if need be. */
static double at(const double *sorted, unsigned count, double share)
{
    double place = share * (count - 1);
    unsigned below = (unsigned)place;
    double rest = place - below;

    if (below + 1 >= count)
        return sorted[count - 1];
    return sorted[below] * (1 - rest) + sorted[below + 1] * rest;
}

struct bench_quartiles bench_quartiles_of(const struct bench *bench, const double *values,
                                          unsigned count)
{
    double *sorted = malloc(count * sizeof(double));
    struct bench_quartiles result;

    if (sorted == NULL)
        bench_fail(bench, "out of memory");
    memcpy(sorted, values, count * sizeof(double));
    qsort(sorted, count, sizeof(double), compare);
    result = (struct bench_quartiles){at(sorted, count, 0.25), at(sorted, count, 0.5),
                                      at(sorted, count, 0.75)};
    free(sorted);
    return result;
}

struct bench_quartiles bench_ratios(const struct bench *bench, const struct bench_row *row)
{
    double *ratios = malloc(row->rounds * sizeof(double));
    struct bench_quartiles result;

    if (ratios == NULL)
        bench_fail(bench, "out of memory");
    for (unsigned i = 0; i < row->rounds; i++)
        ratios[i] = row->subject[i] / row->baseline[i];
    result = bench_quartiles_of(bench, ratios, row->rounds);
    free(ratios);
    return result;
}
