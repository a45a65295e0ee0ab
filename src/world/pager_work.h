/* What one call of the pager wants done that takes a message or a while: the effects that are left once
 * src/world/pager_shell.h has carried out those that concern the task alone. How they are done, and when, is the business of
 * the world around: by letters that take time (src/play), at once (src/rehearsal), or in any order and not always
 * (tests/core/pager). At most one of loads, refill, allocate and grant comes of one call. */
#ifndef WORLD_PAGER_WORK_H
#define WORLD_PAGER_WORK_H

#include "core/pager/pager.h"

/* Frames returned with one call, at most: a batch, and those of an allocation. */
#define PAGER_WORK_RETURNS (PAGER_BATCH + 64u)
#define PAGER_WORK_FREES   64u

struct pager_work {
    uint32_t stores, loads, frees, returns;
    bool refill, allocate, grant, extra;
    uint32_t slot, count; /* of allocate or grant */
    struct pager_effect refilled;
    struct pager_effect store[PAGER_BATCH], load[PAGER_BATCH];
    uint32_t free[PAGER_WORK_FREES];       /* slots of swap */
    uint32_t returned[PAGER_WORK_RETURNS]; /* slots of the container */
};

/* Nothing is to be done. Costs less than to fill the lists with zeros, which are long. */
void pager_work_clear(struct pager_work *work);

/* Add an effect. One that pager_shell_carry_out carries out adds nothing. */
void pager_work_note(struct pager_work *work, const struct pager_effect *effect);

static inline bool pager_work_is_none(const struct pager_work *work)
{
    return (work->stores | work->loads | work->frees | work->returns) == 0 && !work->refill &&
           !work->allocate && !work->grant;
}

#endif
