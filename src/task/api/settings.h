/* What a task attaches with. */
#ifndef TASK_API_SETTINGS_H
#define TASK_API_SETTINGS_H

#include "task/state/state.h"

/* Options, after environment and defaults. The caller or the environment owns the texts. */
struct settings {
    struct sp_attach_options options;
    struct wanted_contract wanted[TERMS_MAX];
    int wanted_count;
    unsigned page_order;
    int stats_fd;
};

/* Fill in the settings from the options, which may be NULL, and see that they can be used. Errors
 * are those of sp_attach. */
int settings_settle(struct settings *settings, const struct sp_attach_options *given,
                    struct sp_error *error);

/* Find or load the task's policy, and say in its page of counters which one runs. */
int settings_choose_policy(const struct settings *settings, struct sp_task *task,
                           struct sp_error *error);

/* How the policy was named. */
const char *settings_policy(const struct settings *settings);

#endif
