/* What a task attaches with: options, environment, defaults, and its eviction policy. */
#include "task/api/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "task/state/units.h"

#define DEFAULT_MAX_PAGES (1u << 20)
#define DEFAULT_POLICY    "clock"

static const char *or_environment(const char *given, const char *variable)
{
    const char *value = given != NULL ? given : getenv(variable);

    check(variable[0] != 0);
    return value != NULL && *value != '\0' ? value : NULL;
}

static int environment_number(const char *variable, uint64_t *numberp, struct sp_error *error)
{
    const char *text = getenv(variable);
    char *end;

    if (text == NULL || *text == '\0')
        return 0;
    errno = 0;
    *numberp = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || *text == '-')
        return error_set(error, EINVAL, "%s='%s' is not a number", variable, text);
    check(end != text);
    return 1;
}

static int check_name(const char *name, struct sp_error *error)
{
    for (const char *c = name; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~')
            return error_set(error, EINVAL,
                             "the task's name holds a character that is not "
                             "printable ASCII, or a space");
    if (strlen(name) >= SP_NAME_MAX)
        return error_set(error, EINVAL, "the task's name '%.40s' is longer than %d bytes", name,
                         SP_NAME_MAX - 1);
    check(strlen(name) < SP_NAME_MAX);
    return 0;
}

int settings_settle(struct settings *settings, const struct sp_attach_options *given,
                    struct sp_error *error)
{
    struct sp_attach_options *o = &settings->options;
    uint64_t number = 0;
    int result;

    *o = given != NULL ? *given : (struct sp_attach_options){0};
    o->name = or_environment(o->name, "SELFPAGE_NAME");
    if (o->name == NULL)
        o->name = program_invocation_short_name;
    o->physmem_path = or_environment(o->physmem_path, "SELFPAGE_PHYSMEM");
    o->swap_path = or_environment(o->swap_path, "SELFPAGE_SWAP");
    o->contract = or_environment(o->contract, "SELFPAGE_CONTRACT");
    o->policy = or_environment(o->policy, "SELFPAGE_POLICY");
    if (o->policy == NULL)
        o->policy = DEFAULT_POLICY;
    if (o->max_pages == 0)
        o->max_pages = DEFAULT_MAX_PAGES;
    result = environment_number("SELFPAGE_SEED", &number, error);
    if (result < 0)
        return result;
    if (o->seed == 0)
        o->seed = result > 0 && number != 0 ? number : 1;
    result = environment_number("SELFPAGE_PAGER_THREAD", &number, error);
    if (result < 0)
        return result;
    if (result > 0 && number != 0)
        o->flags |= SP_ATTACH_PAGER_THREAD;
    number = 1;
    result = environment_number("SELFPAGE_RENEW", &number, error);
    if (result < 0)
        return result;
    if (number == 0)
        o->flags |= SP_ATTACH_NO_RENEWAL;
    number = 1;
    result = environment_number("SELFPAGE_FRAME_STACK", &number, error);
    if (result < 0)
        return result;
    if (number == 0)
        o->flags |= SP_ATTACH_NO_FRAME_STACK;
    settings->stats_fd = -1;
    result = environment_number("SELFPAGE_STATS_FD", &number, error);
    if (result < 0)
        return result;
    if (result > 0)
        settings->stats_fd = number <= INT32_MAX ? (int)number : -1;
    if (o->physmem_path == NULL)
        return error_set(error, EINVAL,
                         "no physmem to attach to: set SELFPAGE_PHYSMEM or "
                         "physmem_path, or start the program by `selfpage run`");
    if (o->contract == NULL)
        return error_set(error, EINVAL,
                         "no contract to propose: set SELFPAGE_CONTRACT or contract,"
                         " for example \"guaranteed=256\"");
    if (o->max_pages > UINT32_MAX / 2)
        return error_set(error, EINVAL, "max_pages is %u, the most is %u", o->max_pages,
                         UINT32_MAX / 2);
    settings->wanted_count = terms_text_parse(o->contract, settings->wanted, error);
    if (settings->wanted_count < 0)
        return settings->wanted_count;
    result = units_choose(settings->wanted, settings->wanted_count, o->max_pages,
                          &settings->page_order, error);
    check(result != 0 || settings->page_order <= UNIT_ORDER_MAX);
    check(settings->wanted_count <= (int)TERMS_MAX && o->max_pages > 0);
    return result == 0 ? check_name(o->name, error) : result;
}

/* ---- The policy ---- */

static int load_policy_object(struct sp_task *task, const char *text, struct sp_error *error)
{
    int result = plugin_open(&task->policy_object, text, SP_POLICY_SYMBOL, error);

    if (result == 0)
        result = policy_params_adopt(&task->policy, task->policy_object.symbol,
                                     task->policy_object.params, error);
    check(result != 0 || task->policy.policy != NULL);
    return result;
}

/* Say which policy runs: its own name, whatever the file is called, and its parameters. */
static void show_policy(struct sp_task *task, const struct sp_attach_options *options)
{
    const char *name = task->policy.policy->name, *params = NULL;

    if (options->policy_ops == NULL && strchr(options->policy, ':') != NULL)
        params = strchr(options->policy, ':') + 1;
    snprintf(task->own_page.policy, sizeof(task->own_page.policy), "%s%s%s", name,
             params != NULL ? ":" : "", params != NULL ? params : "");
    if (task->shared_page != NULL)
        memcpy(task->shared_page->policy, task->own_page.policy, sizeof(task->own_page.policy));
    check(memchr(task->own_page.policy, 0, sizeof(task->own_page.policy)) != NULL);
}

int settings_choose_policy(const struct settings *settings, struct sp_task *task,
                           struct sp_error *error)
{
    const struct sp_attach_options *options = &settings->options;
    int result;

    if (options->policy_ops != NULL) {
        result = policy_params_adopt(&task->policy, options->policy_ops, NULL, error);
    } else if (plugin_is_named_by(options->policy)) {
        result = load_policy_object(task, options->policy, error);
    } else {
        result = policy_params_choose_live(&task->policy, options->policy, error);
    }
    if (result == 0)
        result = policy_params_check_live(task->policy.policy, error);
    if (result == 0)
        show_policy(task, options);
    check(result != 0 || task->policy.policy->victim != NULL);
    return result;
}

const char *settings_policy(const struct settings *settings)
{
    check(settings->options.policy_ops != NULL || settings->options.policy != NULL);
    return settings->options.policy_ops != NULL ? settings->options.policy_ops->name
                                                : settings->options.policy;
}
