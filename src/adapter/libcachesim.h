/* An eviction policy made of the hooks of a plug-in that was written for libCacheSim.
 *
 * The plug-in keeps the order of pages, in memory of its own; the engine keeps residency, as there.
 * Hooks are called in the order in which libCacheSim calls them: eviction (which also takes the
 * page out of the plug-in's order) before the miss of the page that needs the frame; remove only
 * for a page that leaves without having been chosen.
 *
 * obj_id is the id in the trace, and next_access_vtime the index of the next request for it where
 * the trace carries that (oracleGeneral) or another policy of the same run needs it; -2 elsewhere. In
 * sampled curves and in a live task there are no ids but page numbers.
 *
 * What its interface has no word for: a page that was chosen but stays (it misses again when it is
 * put back), and a change of the number of frames (the plug-in goes on with the first). Such a
 * policy allocates as it likes, so that it runs in replay only. */
#ifndef ADAPTER_LIBCACHESIM_H
#define ADAPTER_LIBCACHESIM_H

#include <selfpage/error.h>
#include <selfpage/policy.h>

#include "policy/params.h"

/* By this symbol a shared object is seen to be such a plug-in. */
#define LIBCACHESIM_SYMBOL "cache_init_hook"

struct libcachesim;

/* Make a policy of the object (of dlopen; it must outlive the policy), which was loaded from
 * `path`, and choose it. The choice is valid until libcachesim_free. Returns 0, -EINVAL (a hook is
 * missing) or -ENOMEM; *adapter is NULL then. */
int libcachesim_new(struct libcachesim **adapter, void *object, const char *path,
                    struct policy_choice *choice, struct sp_error *error);

/* Free it, and what the plug-in holds for every engine that was started with it and has ended. */
void libcachesim_free(struct libcachesim **adapter);

#endif
