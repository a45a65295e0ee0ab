/* What tasks do in the arena: what they need, what they ask for, what they give back, and when. */
#ifndef ARENA_BEHAVIOUR_H
#define ARENA_BEHAVIOUR_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/arena.h"
#include "base/random.h"
#include "core/physmem.h"

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
    uint32_t parts;        /* tasks it consists of */
    uint32_t guaranteed;   /* frames it proposes, each part its share; the least is a tenth */
    uint32_t weight;
    uint64_t bid;
};

/* Of the attacker, when it attacks, and of everybody otherwise. */
struct behaviour behaviour_of(enum arena_attack attack, bool attacks);

/* When the others come, for the sake of an attack. */
uint64_t behaviour_others_come(enum arena_attack attack);

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

/* A task of the arena. Its frames are the slots from 0 to held - 1 of its only container. */
struct member {
    struct physmem_task *task; /* NULL: it is not there (yet) */
    const struct behaviour *behaviour;
    unsigned player;
    unsigned part;
    uint32_t container;
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
    uint64_t waits_since;
    uint64_t asks_again;
    uint64_t comes; /* when it is to come */
};

/* Frames that it would like to have now, and those that it is to return now. */
uint32_t member_goal(const struct member *member, uint64_t now);
uint32_t member_returns(const struct member *member, uint64_t now);

#endif
