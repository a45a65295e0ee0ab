/* From what a user types, `clock` or `gclock:bits=2`, to a policy and the values of its parameters.
 *
 *     CHOICE = NAME [ ":" PARAMS ]     PARAMS = name "=" value { "," name "=" value }
 *
 * A value is a decimal number, `0.1`, `-3`, `25%`, whatever the locale; no exponent. */
#ifndef POLICY_PARAMS_H
#define POLICY_PARAMS_H

#include <selfpage/error.h>
#include <selfpage/policy.h>

#include "base/params.h"

/* Parameters that a policy can have. */
#define POLICY_PARAMS_MAX PARAMS_MAX

/* A policy and the values to start it with. */
struct policy_choice {
    const struct sp_policy *policy;
    double params[POLICY_PARAMS_MAX]; /* in the order of policy->params; 0 beyond them */
};

/* See that a policy from outside can be used: interface version, required functions, a proper name,
 * not too many parameters, presets within their limits.
 * Returns 0, -EPROTO (another version of the interface) or -EINVAL. */
int policy_params_check(const struct sp_policy *policy, struct sp_error *error);

/* See that a policy can work with what a live task shows. Returns 0 or -ENOTSUP, with an error that
 * names the nearest one that can. */
int policy_params_check_live(const struct sp_policy *policy, struct sp_error *error);

/* Choose a built-in policy by `text`, a CHOICE. Returns 0, -ENOENT (no such policy or parameter),
 * -EINVAL or -ERANGE; *choice is then undefined. */
int policy_params_choose(struct policy_choice *choice, const char *text, struct sp_error *error);

/* The same for a policy that must run in a live task: messages list only those. Same returns, and
 * -ENOTSUP: the policy exists, and cannot run live. */
int policy_params_choose_live(struct policy_choice *choice, const char *text,
                              struct sp_error *error);

/* Choose a policy from outside; PARAMS (may be NULL or empty) give some of its parameters values, and the others
 * have their presets. Returns as policy_params_check does, or -ENOENT (no such parameter), -EINVAL (malformed, or
 * given twice) or -ERANGE; *choice is then undefined. */
int policy_params_adopt(struct policy_choice *choice, const struct sp_policy *policy,
                        const char *params, struct sp_error *error);

#endif
