/* Arbiters that give each task a number of frames and move them step by step as ghost hits say. */
#ifndef ARBITER_TARGET_H
#define ARBITER_TARGET_H

#include "arbiter/level.h"

/* The beginning of what such an arbiter keeps of a task. */
struct target_task {
    struct level_target target; /* first: level_rule_target looks at it */
    uint64_t hits;              /* ghost hits that were seen */
    bool known;
};

/* A newcomer gets what the others have on average; then all parts are scaled until they add up to `frames`. This way
 * the first task to come has no more than the last. */
void target_include(uint32_t frames, const struct sp_arbiter_task *tasks, size_t count);

/* Ghost hits since this was asked last. */
uint64_t target_hits(const struct sp_arbiter_task *task);

#endif
