/* Whether a task could run with an eviction policy, seen before any task is started. */
#ifndef SELFPAGE_COMMAND_LIVE_POLICY_H
#define SELFPAGE_COMMAND_LIVE_POLICY_H

#include <selfpage/error.h>

/* The policy that `text` names, NAME[:PARAMS], exists, has such parameters, and can run live.
 * Returns 0 also for what is not known yet: a shared object, or a text with a $ in it. Errors are
 * those of policy_params_choose, and -ENOTSUP: it cannot run live. */
int live_policy_check_name(const char *text, struct sp_error *error);

/* The same, and of a shared object, PATH[:PARAMS], that it can be loaded and is a policy; the path
 * is taken from the current directory. Its code runs here, as far as loading it does. Errors are
 * also those of plugin_open and policy_params_adopt. */
int live_policy_check(const char *text, struct sp_error *error);

#endif
