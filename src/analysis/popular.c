#include "analysis/popular.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define DIGIT  8u
#define DIGITS (1u << DIGIT)

/* Ranks at which the law is fitted: so many in each power of two. */
#define PER_OCTAVE 4.0

/* One step of a radix sort: stable, falling, by one digit. */
static void sort_digit(const uint32_t *from, uint32_t *to, uint32_t count, unsigned shift)
{
    size_t at[DIGITS + 1] = {0};

    for (uint32_t i = 0; i < count; i++)
        at[DIGITS - (from[i] >> shift) % DIGITS]++;
    for (unsigned d = 1; d <= DIGITS; d++)
        at[d] += at[d - 1];
    for (uint32_t i = 0; i < count; i++)
        to[at[DIGITS - 1 - (from[i] >> shift) % DIGITS]++] = from[i];
}

/* Sort `counts`, falling. -ENOMEM. */
static int sort(uint32_t *counts, uint32_t count)
{
    uint32_t *other = calloc((size_t)count + 1, sizeof(*other));

    if (other == NULL)
        return -ENOMEM;
    for (unsigned shift = 0; shift < 32; shift += 2 * DIGIT) {
        sort_digit(counts, other, count, shift);
        sort_digit(other, counts, count, shift + DIGIT);
    }
    free(other);
    return 0;
}

static void top_add(struct popular *popular, const uint32_t *counts, size_t stride, uint32_t page)
{
    size_t at = popular->top_count;

    while (at > 0 && counts[popular->top[at - 1] * stride] < counts[page * stride])
        at--;
    if (at == POPULAR_TOP)
        return;
    if (popular->top_count < POPULAR_TOP)
        popular->top_count++;
    memmove(&popular->top[at + 1], &popular->top[at],
            (popular->top_count - 1 - at) * sizeof(popular->top[0]));
    popular->top[at] = page;
}

/* The line through the logarithms of ranks and counts, by least squares. */
static void fit(struct popular *popular)
{
    double n = 0, sx = 0, sy = 0, sxx = 0, syy = 0, sxy = 0, rank = 1, spread;

    while (rank <= popular->pages) {
        double x = log(floor(rank)), y = log(popular->counts[(uint32_t)rank - 1]);
        double next = rank * pow(2, 1 / PER_OCTAVE);

        n++;
        sx += x;
        sy += y;
        sxx += x * x;
        syy += y * y;
        sxy += x * y;
        rank = floor(next) > floor(rank) ? next : floor(rank) + 1;
    }
    spread = (n * sxx - sx * sx) * (n * syy - sy * sy);
    if (n < 3 || spread <= 0 || popular->counts[0] == popular->counts[popular->pages - 1])
        return;
    popular->exponent = -(n * sxy - sx * sy) / (n * sxx - sx * sx);
    popular->fit = (n * sxy - sx * sy) * (n * sxy - sx * sy) / spread;
}

int popular_find(struct popular *popular, const uint32_t *counts, size_t stride, uint32_t pages)
{
    *popular = (struct popular){.pages = pages};
    popular->counts = calloc((size_t)pages + 1, sizeof(*popular->counts));
    if (popular->counts == NULL)
        return -ENOMEM;
    for (uint32_t page = 0; page < pages; page++) {
        uint32_t count = counts[page * stride];

        ensure(count > 0);
        popular->counts[page] = count;
        popular->references += count;
        popular->octaves[31 - (unsigned)__builtin_clz(count)]++;
        top_add(popular, counts, stride, page);
    }
    if (sort(popular->counts, pages) != 0)
        return -ENOMEM;
    fit(popular);
    return 0;
}

void popular_fini(struct popular *popular)
{
    free(popular->counts);
    popular->counts = NULL;
}

double popular_share(const struct popular *popular, double share)
{
    uint32_t most = (uint32_t)(share * popular->pages);
    uint64_t sum = 0;

    check(share >= 0 && share <= 1);
    for (uint32_t i = 0; i < popular->pages && (i < most || i == 0); i++)
        sum += popular->counts[i];
    return popular->references > 0 ? (double)sum / (double)popular->references : 0;
}
