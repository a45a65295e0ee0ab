/* From what a user types after --policy to a policy that can be started:
 *
 *   NAME[:PARAMS]              one that comes with Selfpage
 *   ./FILE.so[:PARAMS]         one that the user wrote, by <selfpage/policy.h>; or a plug-in for
 *                              libCacheSim, which is seen by what it exports
 *   libcachesim:FILE.so        the latter, said plainly; a path without a slash will do */
#ifndef ADAPTER_LOAD_H
#define ADAPTER_LOAD_H

#include <selfpage/error.h>

#include "os/plugin.h"
#include "policy/params.h"

struct libcachesim;

struct policy_handle {
    struct policy_choice choice; /* valid until load_policy_end */
    bool foreign;                /* written for another simulator: it allocates as it likes */
    /* Private. */
    struct plugin object;
    struct libcachesim *adapter;
};

/* Returns 0; what policy_params_choose and plugin_open return; -EPROTO, -EINVAL: the object holds a policy
 * that cannot be used. Release with load_policy_end in any case, after all engines have ended. */
int load_policy(struct policy_handle *handle, const char *text, struct sp_error *error);

void load_policy_end(struct policy_handle *handle);

#endif
