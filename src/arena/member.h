/* A task in the arena: what it holds, and what it makes of that. */
#ifndef ARENA_MEMBER_H
#define ARENA_MEMBER_H

#include "arena/attack.h"
#include "core/containers/container.h"
#include "core/physmem/answer.h"
#include "core/physmem/physmem.h"
#include "core/physmem/request.h"
#include "core/physmem/status.h"
#include "core/physmem/task.h"
#include "shm/frame_stack.h"

/* Slots of a member whose rights were taken, to see whether they are used. */
#define MEMBER_SAMPLED_MAX 16u

/* Frames that were recalled, as the task sees it. */
struct asked {
    uint32_t missing;
    uint64_t deadline;
};

/* A task. Its frames are the slots from 0 to held - 1 of its only container. */
struct member {
    struct physmem_task *task; /* NULL: it is not there (yet) */
    const struct attack_behaviour *behaviour;
    unsigned player;
    unsigned part;
    uint32_t container;
    uint32_t contract;  /* the last one that was agreed on */
    uint32_t countered; /* contract that physmem offered instead; 0: none */
    uint32_t guaranteed;
    uint32_t held;
    uint32_t need;
    struct asked asked[PHYSMEM_RECALLS_MAX];
    uint32_t asking;  /* number of the request for frames that is not answered; 0: none */
    bool waiting;     /* for the reply to a request within its guarantee */
    bool told;        /* that it can have extra frames */
    bool struck;      /* was recalled from, and has not reacted */
    bool revoked;     /* has lost everything */
    uint32_t cleaned; /* dirty frames that it has written in this step */
    uint32_t mapped;  /* slots that have been, in one piece */
    uint32_t sampled[MEMBER_SAMPLED_MAX];
    uint32_t samples;
    uint64_t misses;           /* frames lacking, times steps, ever; ghost hits come of them */
    struct frame_stack *stack; /* where it states its demand; it lists no frames; NULL: none */
    uint64_t waits_since;
    uint64_t asks_again;
    uint64_t comes; /* when it will come */
};

/* Frames that it should return at time `now`: those that are due before `until`, and those that it
 * has no use for. */
uint32_t member_returns(const struct member *member, uint64_t now, uint64_t until);

/* Frames that it asks for next, as a pager does: a quarter of what it holds, from 8 to 64, within its
 * guarantee first; 0 if it has all it would like to have. *extrap: they are extra frames. */
uint32_t member_batch(const struct member *member, uint64_t now, bool *extrap);

/* It has returned `frames` frames: they pay what is due first. */
void member_pay(struct member *member, uint32_t frames);

/* State the demand, and the faults that a few frames more would have prevented. */
void member_state_demand(struct member *member, uint64_t now);

#endif
