/* Whether a task could run with an eviction policy. */
#include "selfpage/command/live_policy.h"

#include <string.h>

#include "os/plugin.h"
#include "policy/params.h"

int live_policy_check_name(const char *text, struct sp_error *error)
{
    struct policy_choice choice;

    if (plugin_is_named_by(text) || strchr(text, '$') != NULL)
        return 0;
    return policy_params_choose_live(&choice, text, error);
}

int live_policy_check(const char *text, struct sp_error *error)
{
    struct policy_choice choice;
    struct plugin plugin;
    int result;

    if (!plugin_is_named_by(text))
        return live_policy_check_name(text, error);
    result = plugin_open(&plugin, text, SP_POLICY_SYMBOL, error);
    if (result == 0)
        result = policy_params_adopt(&choice, plugin.symbol, plugin.params, error);
    if (result == 0)
        result = policy_params_check_live(choice.policy, error);
    /* It may use symbols that the task's program has, and this one has not: the task will see. */
    if (plugin.object == NULL && strstr(error->text, "undefined symbol") != NULL)
        result = 0;
    plugin_close(&plugin);
    return result;
}
