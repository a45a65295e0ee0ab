/* The policies that a run was asked for, found or loaded. */
#ifndef LABORATORY_CHOICES_H
#define LABORATORY_CHOICES_H

#include <stdbool.h>
#include <stddef.h>

#include <selfpage/replay.h>

#include "adapter/load.h"

struct choices {
    struct policy_handle *handles; /* handles[i].choice is the i-th policy */
    char **labels;                 /* as results call it; owned */
    size_t count;
    uint32_t flags;    /* SP_POLICY_*, of all of them together */
    bool needs_future; /* some policy does, also as it is run here */
};

/* Find the policies of `options`. Release with choices_fini in any case. Returns what load_policy or
 * policy_params_adopt does, or -EINVAL: there is none. */
int choices_init(struct choices *choices, const struct sp_replay_options *options,
                 struct sp_error *error);

void choices_fini(struct choices *choices);

#endif
