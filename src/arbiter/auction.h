/* What the auction keeps of each task, for those who look at the bill. */
#ifndef ARBITER_AUCTION_H
#define ARBITER_AUCTION_H

#include "arbiter/level.h"

struct auction_task {
    struct level_target target; /* frames won in the last round */
    double base;                /* of these, guaranteed: not won */
    double charge;              /* for the others */
    double paid;                /* in all rounds */
};

#endif
