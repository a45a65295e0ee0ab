/* A policy around a policy: it tells of everything that passes between an engine and the policy
 * inside, and changes nothing. From what it told, the decisions can be made again
 * (replay/decisions.h).
 *
 * A live task is recorded this way: the pager runs the recorder, so that nothing has to be watched,
 * and nothing costs, where there is none. */
#ifndef RECORD_RECORDER_H
#define RECORD_RECORDER_H

#include <selfpage/policy.h>

#include "policy/params.h"

/* What happened. In a trace, an event's id is number << RECORDER_KIND_BITS | kind. */
enum recorder_kind {
    RECORDER_INSERT, /* number: page; bit: by a write */
    RECORDER_BACK,   /* the same, of a page that was pinned or skipped: no reference */
    RECORDER_HIT,    /* the same: a soft fault */
    RECORDER_REMOVE, /* page; and 3 more, for enum sp_removal */
    RECORDER_VICTIM = RECORDER_REMOVE + 4, /* the incoming page; what was asked meanwhile follows */
    RECORDER_ANSWER,                       /* and then this: the page that was named */
    RECORDER_RESIZE,                       /* frames */
    RECORDER_HINT,                         /* page; and 3 more, for enum sp_hint */
    RECORDER_REFERENCED = RECORDER_HINT + 4, /* page; bit: what env->referenced answered */
    RECORDER_DIRTY,                          /* page; bit: what env->dirty answered */
    RECORDER_RANDOM,                         /* what env->random answered */
    RECORDER_TIME,                           /* by how much env->time went on before what follows */
    RECORDER_END,                            /* the task has ended its trace: nothing follows */
    RECORDER_KINDS,
};

#define RECORDER_KIND_BITS 5u

/* What a recorder is given in place of its parameters: those of the policy inside come first. It
 * outlives the engine. */
struct recorder_setup {
    double params[POLICY_PARAMS_MAX];
    const struct sp_policy *inner;
    /* Take an event. Called where the policy is: in a fault handler. */
    void (*emit)(void *context, enum recorder_kind kind, uint32_t number, bool bit);
    void *context;
};

/* The policy that records `inner`. It has to be started with config->params == setup->params. */
struct sp_policy recorder_around(const struct sp_policy *inner);

#endif
