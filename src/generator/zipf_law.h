/* Zipf's law: of ranks from 1 to `count`, rank k comes with a probability in proportion to
 * 1 / k^exponent. Each draw takes constant time and no memory, whatever the number of ranks.
 *
 * W. Hörmann and G. Derflinger, "Rejection-inversion to generate variates from monotone discrete
 * distributions", ACM Transactions on Modeling and Computer Simulation 6(3), 1996: a point is drawn
 * under the smooth curve x^-exponent by inversion, rounded to a rank, and kept if it lies in the part
 * of the rank's bar that stands for its probability.
 *
 * Traces may have 10^12 pages, and no table may grow with them. A play has to be the same with every libm:
 * workload/popularity.h draws by the same law in whole numbers, from a table, for up to 2^24 items. */
#ifndef GENERATOR_ZIPF_LAW_H
#define GENERATOR_ZIPF_LAW_H

#include <stdint.h>

#include "base/random.h"

struct zipf_law {
    double exponent; /* at least 0: all ranks alike */
    double count;
    /* Private. */
    double lowest, highest; /* area up to the first, and to the last, bar */
    double sure; /* how far from its rank, to the left, a point may lie to be kept unseen */
};

/* For ranks from 1 to `count`, at least 1. */
struct zipf_law zipf_law_make(double exponent, uint64_t count);

/* Draw a rank; from 0: rank 1 is 0. */
uint64_t zipf_law_draw(const struct zipf_law *law, struct random_source *random);

#endif
