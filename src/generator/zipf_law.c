#include "generator/zipf_law.h"

#include <math.h>
#include <stdbool.h>

#include "base/assert.h"

/* Exponents that are as close to 1 as this are 1: the power of x would lose its digits. */
#define CLOSE 1e-7

static bool is_one(const struct zipf_law *law)
{
    double apart = law->exponent - 1;

    return apart < CLOSE && apart > -CLOSE;
}

static double height(const struct zipf_law *law, double x)
{
    return exp(-law->exponent * log(x));
}

/* The area under the curve from 1 to x. */
static double area(const struct zipf_law *law, double x)
{
    if (is_one(law))
        return log(x);
    return (exp((1 - law->exponent) * log(x)) - 1) / (1 - law->exponent);
}

/* Where the area from 1 on is `area`. */
static double place(const struct zipf_law *law, double area)
{
    double base;

    if (is_one(law))
        return exp(area);
    base = 1 + area * (1 - law->exponent);
    return base > 0 ? exp(log(base) / (1 - law->exponent)) : law->count;
}

struct zipf_law zipf_law_make(double exponent, uint64_t count)
{
    struct zipf_law law = {.exponent = exponent, .count = (double)count};

    ensure(count >= 1 && exponent >= 0);
    law.lowest = area(&law, 1.5) - 1; /* the first bar is 1 high */
    law.highest = area(&law, law.count + 0.5);
    law.sure = 2 - place(&law, area(&law, 2.5) - height(&law, 2));
    return law;
}

uint64_t zipf_law_draw(const struct zipf_law *law, struct random_source *random)
{
    for (;;) {
        double at = law->highest + random_unit(random) * (law->lowest - law->highest);
        double x = place(law, at), rank = (double)(uint64_t)(x + 0.5);

        rank = rank < 1 ? 1 : rank > law->count ? law->count : rank;
        if (rank - x <= law->sure || at >= area(law, rank + 0.5) - height(law, rank))
            return (uint64_t)rank - 1;
    }
}
