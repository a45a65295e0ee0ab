/* A world of selfpage/world.h: a play, and who is cast in it. */
#ifndef THEATRE_THEATRE_H
#define THEATRE_THEATRE_H

#include <selfpage/world.h>

#include "adapter/arbiter.h"
#include "adapter/load.h"
#include "play/play.h"

/* A task that was added. It does not move. */
struct role {
    char name[SP_NAME_MAX];
    struct policy_handle policy;
    struct policy_choice own; /* of the caller's policy */
    struct walk_tables tables;
    int (*next)(void *arg, uint32_t life, uint64_t number, struct sp_world_step *step);
    void *arg;
    struct actor_config actor;
};

/* How far it is. */
enum theatre_state {
    THEATRE_PLAYS,
    THEATRE_BROKEN, /* a rule is broken, or there was no memory: nothing more happens */
};

struct sp_world {
    struct play play;
    struct arbiter_handle arbiter;
    struct arbiter_choice own; /* the caller's arbiter */
    struct role **role;        /* by number of the task */
    uint32_t roles;
    uint64_t seed;
    bool begun;       /* the first event has happened */
    uint32_t settled; /* roles that there were when the last frames came back; 0: they did not */
    enum theatre_state state;
};

#endif
