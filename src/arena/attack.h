/* The attacks, and how the task that plays one differs from an honest task.
 *
 * HOW DO I ADD AN ATTACK? One line here, and its field in struct attack_behaviour if no field says yet
 * what it does. `selfpage bench attacks` plays it, and src/arbiter/README.md says what comes of it. */
#ifndef ARENA_ATTACK_H
#define ARENA_ATTACK_H

#include <stdbool.h>
#include <stdint.h>

#define ATTACK_GUARANTEED 100u   /* frames of each player, guaranteed; beyond, as many as it gets */
#define ATTACK_ALL        1000u  /* frames there are */
#define ATTACK_PARTS_MAX  4u     /* tasks that one player may consist of */
#define ATTACK_LATE_MS    10000u /* when all others come, if the attacker is there first */

/* Ghost hits a step that no task has that tells the truth. */
#define ATTACK_INVENTED_HITS 64u

/* X(NAME, name, what the attacker does, how it differs from an honest task): in the order in which
 * users see them. */
/* clang-format off */
#define ATTACKS(X)                                                                                 \
    X(HOARD, hoard, "is there first, takes all there is, returns nothing unasked",                 \
      .first = true, .takes_all = true, .takes_all_ms = ATTACK_LATE_MS, .keeps = true)             \
    X(RESERVE, reserve, "is there first, and has nearly all frames guaranteed",                    \
      .first = true, .guaranteed = ATTACK_ALL * 9 / 10)                                            \
    X(INFLATE, inflate, "asks for everything, whatever it needs, and states that it needs it",     \
      .takes_all = true)                                                                           \
    X(RETAKE, retake, "returns what is recalled, and at once takes it again", .takes_back = true)  \
    X(SLOW, slow, "returns what is recalled at the last moment, always", .returns_late = true)     \
    X(FORK, fork, "is four tasks instead of one", .parts = ATTACK_PARTS_MAX)                       \
    X(SPLIT, split, "is four tasks, three of which have parts of its contract",                    \
      .parts = ATTACK_PARTS_MAX, .splits = true)                                                   \
    X(DIRTY, dirty, "has nothing but dirty frames, slow to clean", .cleans_slowly = true)          \
    X(CLAIM, claim, "claims to be a thousand times as important", .weight = 1000, .bid = 100000)   \
    X(BUSY, busy, "uses each page that is sampled, so that none looks idle",                       \
      .sampled = true, .looks_busy = true)                                                         \
    X(GHOSTS, ghosts, "invents faults on pages that it evicted lately", .invents_hits = true)
/* clang-format on */

enum attack {
#define ATTACK_ENTRY(NAME, name, summary, ...) ATTACK_##NAME,
    ATTACKS(ATTACK_ENTRY)
#undef ATTACK_ENTRY
        ATTACK_COUNT,
};

/* How a task behaves. */
struct attack_behaviour {
    bool first;            /* it comes ATTACK_LATE_MS before all others */
    bool sampled;          /* no player returns what it does not need; pages are sampled */
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

/* "hoard", and one line on what the attacker does. Static. */
const char *attack_name(enum attack attack);
const char *attack_summary(enum attack attack);

/* How the attacker behaves while it attacks; and how everybody else does, and the attacker when it is
 * honest. */
struct attack_behaviour attack_of_attacker(enum attack attack);
struct attack_behaviour attack_of_honest(enum attack attack);

#endif
