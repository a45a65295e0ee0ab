/* The smallest engine that runs an eviction policy over a trace, for tests.
 *
 * Exact: every reference to a resident page is a hit, and reference bits are true. Or as a live
 * task sees it: a reference to a mapped page goes unseen, unless the policy watches the page or has
 * cleared its bit; it still sets the bit. */
#ifndef REPLAY_ENGINE_H
#define REPLAY_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/policy.h>

#include "base/random.h"
#include "policy/params.h"

struct replay {
    struct sp_policy_env env; /* first, so that the policy's calls find the rest */
    struct sp_policy_config config;
    const struct sp_policy *policy;
    void *self;
    struct random_source random;
    double params[POLICY_PARAMS_MAX];
    bool live;
    bool *resident;     /* by page, as are the next two */
    bool *referenced;   /* since the insert, or since the policy asked */
    bool *protected;    /* live: the next reference will be seen */
    bool *dirty;        /* by page: set by the test, cleared when it leaves */
    uint32_t count;     /* resident pages */
    uint64_t *upcoming; /* by page: when it will be referenced next; NULL: the future is unknown */
    uint64_t *next;     /* the same for each reference of the trace foreseen */
    uint64_t questions; /* whether a page was referenced */
    uint64_t misses;
    uint64_t soft_faults; /* live: hits */
};

/* Start `choice` (NAME:PARAMS) with `frames` empty frames; fails the test if there is no such
 * policy. */
void replay_init(struct replay *replay, const char *choice, uint32_t pages, uint32_t frames,
                 uint64_t seed, bool live);

void replay_fini(struct replay *replay);

/* Tell a policy that needs it the future: the references will be those of `trace`, which is not
 * kept. To be called before the first. */
void replay_foresee(struct replay *replay, const sp_page *trace, size_t length);

/* Refer to a page, evicting what the policy names if there is no frame free; fails the test if that
 * page is not resident. Returns true on a miss. */
bool replay_reference(struct replay *replay, sp_page page);

/* Change the number of frames; pages leave until the rest fits. */
void replay_resize(struct replay *replay, uint32_t frames);

/* The misses of a whole trace. */
uint64_t replay_run(const char *choice, const sp_page *trace, size_t length, uint32_t pages,
                    uint32_t frames, bool live);

#endif
