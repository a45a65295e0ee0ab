/* What tasks do in the arena: what they need, what they ask for, what they give back, and when. */
#ifndef ARENA_BEHAVIOUR_H
#define ARENA_BEHAVIOUR_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/arena.h"
#include "base/random.h"
#include "shm/frame_stack.h"
#include "core/containers/container.h"
#include "core/physmem/answer.h"
#include "core/physmem/physmem.h"
#include "core/physmem/request.h"
#include "core/physmem/status.h"
#include "core/physmem/task.h"

/* Parts that one player may consist of. */
#define PARTS_MAX   4u
#define MEMBERS_MAX (ARENA_PLAYERS - 1 + PARTS_MAX)

/* How a task differs from an honest one. */
struct behaviour {
    bool takes_all;        /* whatever it needs */
    bool keeps;            /* returns nothing unasked */
    bool takes_back;       /* at once, what it was made to return */
    bool returns_late;     /* just before the deadline */
    bool cleans_slowly;    /* has to write its extra frames before it can return them */
    uint32_t takes_all_ms; /* takes_all, but only until then; 0: for ever */
    bool looks_busy;       /* uses each page that is sampled */
    bool invents_hits;     /* on pages that it evicted lately */
    uint32_t parts;        /* tasks it consists of */
    bool splits;           /* the first of which splits off the contracts of the others */
    uint32_t guaranteed;   /* frames it proposes, each part its share; the least is a tenth */
    uint32_t weight;
    uint64_t bid;
};

/* Ghost hits a step that nobody has who tells the truth. */
#define INVENTED_HITS 64u

/* Of the attacker, when it attacks, and of everybody otherwise. */
struct behaviour behaviour_of(enum arena_attack attack, bool attacks);

/* When the others come, for the sake of an attack. */
uint64_t behaviour_others_come(enum arena_attack attack);

/* Whether pages are mapped, and sampled: where tasks keep what they do not use. */
bool behaviour_is_sampled(enum arena_attack attack);

/* What a player needs, over time: phases of random length and height. */
struct need {
    struct random_source random;
    uint32_t frames;
    uint64_t until;
};

struct need need_begin(uint64_t seed, unsigned player);
uint32_t need_at(struct need *need, uint64_t now);

/* Frames that were recalled, as the task sees it. */
struct asked {
    uint32_t missing;
    uint64_t deadline;
};

/* Slots whose rights were taken, to be seen if they are used. */
#define SAMPLED_MAX 16u

/* A task of the arena. Its frames are the slots from 0 to held - 1 of its only container. */
struct member {
    struct physmem_task *task; /* NULL: it is not there (yet) */
    const struct behaviour *behaviour;
    unsigned player;
    unsigned part;
    uint32_t container;
    uint32_t contract;  /* the last one that was agreed on */
    uint32_t countered; /* contract that physmem offered instead; 0: none */
    uint32_t guaranteed;
    uint32_t held;
    uint32_t need;
    struct asked asked[PHYSMEM_RECALLS_MAX];
    uint32_t asking; /* number of the request for frames that is not answered; 0: none */
    bool waiting;    /* for the reply to a request within its guarantee */
    bool told;       /* that there are extra frames */
    bool struck;     /* was recalled from, and has not reacted */
    bool revoked;
    uint32_t mapped; /* slots that have been, in one piece */
    uint32_t sampled[SAMPLED_MAX];
    uint32_t samples;
    uint64_t misses; /* frames lacking, times steps, ever; ghost hits come of them */
    _Alignas(struct frame_stack) uint8_t stack[sizeof(struct frame_stack) + sizeof(uint32_t)];
    uint64_t waits_since;
    uint64_t asks_again;
    uint64_t comes; /* when it is to come */
};

/* Its frame stack, of one place, which it leaves empty. */
static inline struct frame_stack *member_stack(struct member *member)
{
    return (struct frame_stack *)(void *)member->stack;
}

/* Frames that it would like to have now, and those that it is to return now. */
uint32_t member_goal(const struct member *member, uint64_t now);
uint32_t member_returns(const struct member *member, uint64_t now);

#endif
