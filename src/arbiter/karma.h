/* What Karma records of each task, for code that looks at the credits. */
#ifndef ARBITER_KARMA_H
#define ARBITER_KARMA_H

#include "arbiter/level.h"

struct karma_task {
    struct level_target target; /* frames of this quantum */
    double credits;
    bool known; /* has been given its first credits */
};

#endif
