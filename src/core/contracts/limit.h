/* Limits: what a policy server lets tasks have, by user and by name: frames, and slots and bandwidth of swap.
 *
 * A policy server sends limits as a whole set. Physmem keeps the set and looks it up by itself, so
 * that limits hold for a task from its first message on, whether the policy server has seen the task
 * yet or not, and whether the policy server still lives or not. So does swap, for its clients: tasks,
 * which are called the same there. Pure. */
#ifndef CORE_CONTRACTS_LIMIT_H
#define CORE_CONTRACTS_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/task.h>

/* Most limits in a set. */
#define LIMITS_MAX 4096u

/* Whom a limit is about: bits of limit.whom. None: every task. */
#define LIMIT_USER  1u /* tasks of this user */
#define LIMIT_NAME  2u /* tasks of this name */
#define LIMIT_WHOMS 4u

/* A field of a limit that says nothing. */
#define LIMIT_NONE UINT32_MAX

/* One limit of a set.
 *
 * What applies to a task is, field by field, what the narrowest limit says that covers the task: the
 * one for this name of this user, else for this name, else for this user, else for every task; the
 * last one of several alike. There is one exception: in a limit for a user (without a name)
 * `guaranteed`, `extra` and `slots` bound the sum over all tasks of the user, so that nobody gets more by
 * starting more tasks. Both bounds then hold. Shares and rate are one field; a limit without both says nothing of it.
 *
 * Parts of contracts count, also while others hold them, for the task and the user of the contract that they come from; and
 * for the task that has claimed one, not for its user. */
struct limit {
    uint8_t whom;
    uint32_t uid;
    char name[SP_NAME_MAX];
    uint32_t guaranteed; /* frames of the task's guaranteed and timed contracts */
    uint32_t extra;      /* frames beyond */
    uint32_t weight;     /* instead of what the task's contracts say */
    uint32_t priority;
    uint32_t slots;  /* of swap that may be reserved */
    uint32_t shares; /* bandwidth of paging: core/swap/bandwidth.h */
    uint32_t rate;
    bool beyond; /* more than the rate if nobody else wants it */
};

/* The limits of frames that apply to one task. LIMIT_NONE: no limit. */
struct limits_found {
    uint32_t guaranteed;
    uint32_t extra;
    uint32_t user_guaranteed; /* of all tasks of the user */
    uint32_t user_extra;
    uint32_t weight; /* 0: as the task's contracts say */
    uint32_t priority;
};

/* And those of swap. Two structs: physmem has one of the first for each task. */
struct limits_swap {
    uint32_t slots;
    uint32_t user_slots; /* of all clients of the user */
    uint32_t shares;     /* 0, as `rate`: nothing is said about bandwidth */
    uint32_t rate;
    bool beyond;
};

/* What `count` limits come to for a task of this user and name. */
struct limits_found limit_find(const struct limit *limits, uint32_t count, uint32_t uid,
                               const char name[SP_NAME_MAX]);
struct limits_swap limit_find_swap(const struct limit *limits, uint32_t count, uint32_t uid,
                                   const char name[SP_NAME_MAX]);

#endif
