/* What the auction records of each task, for code that looks at the bill. */
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
