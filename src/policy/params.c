/* Eviction policies and their parameters, as users type them. */
#include "policy/params.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "policy/registry.h"

static const char kind[] = "eviction policy";

int policy_params_check(const struct sp_policy *policy, struct sp_error *error)
{
    if (policy->abi != SP_POLICY_ABI)
        return error_set(error, EPROTO,
                         "the eviction policy was built for interface version %u, this is %u: "
                         "build it again with this <selfpage/policy.h>",
                         policy->abi, SP_POLICY_ABI);
    if (policy->name == NULL || !params_name_is_proper(policy->name))
        return error_set(error, EINVAL,
                         "the eviction policy's name is missing or has characters other than a-z, "
                         "0-9 and '-'");
    if (policy->size == NULL || policy->insert == NULL || policy->victim == NULL ||
        policy->remove == NULL)
        return error_set(error, EINVAL,
                         "eviction policy '%.*s' lacks one of size, insert, victim and remove",
                         params_quote_length(SIZE_MAX), policy->name);
    return params_check(kind, policy->name, policy->params, error);
}

int policy_params_check_live(const struct sp_policy *policy, struct sp_error *error)
{
    const char *nearest = policy->live_form;

    if ((policy->flags & SP_POLICY_LIVE) != 0)
        return 0;
    return error_set(
        error, ENOTSUP,
        "policy '%s' cannot run live: it needs to see every reference, and a task shows "
        "only faults%s%s",
        policy->name, nearest != NULL ? "; nearest to it is " : "", nearest != NULL ? nearest : "");
}

static int parse(const struct sp_policy *policy, const char *text, double *values,
                 struct sp_error *error)
{
    return params_parse(kind, policy->name, policy->params, text, values, error);
}

/* What other simulators call policies of here. */
static const char *const elsewhere[][2] = {
    {"twoq", "2q"},           {"fifo-reinsertion", "clock"}, {"second-chance", "clock"},
    {"tinylfu", "wtinylfu"},  {"randomtwo", "random-two"},   {"min", "belady"},
    {"clairvoyant", "belady"}};

/* Is the name, in small letters, what was typed, in any? */
static bool is_name(const char *name, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char letter = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];

        if (letter != name[i])
            return false; /* the end of the name, too */
    }
    return name[length] == '\0';
}

/* The name here of a policy that has another one elsewhere, or capitals; NULL: no such. */
static const char *name_here(const char *text, size_t length)
{
    const struct sp_policy *policy;

    for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++)
        if (is_name(elsewhere[i][0], text, length))
            return elsewhere[i][1];
    for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++)
        if (is_name(policy->name, text, length))
            return policy->name;
    return NULL;
}

/* All policies, or those alone that can run live. */
static int choose(struct policy_choice *choice, const char *text, bool live, struct sp_error *error)
{
    size_t length = strcspn(text, ":");
    const struct sp_policy *policy;
    struct name_list known = {.length = 0};

    choice->policy = policy_registry_find(text, length);
    if (choice->policy == NULL && name_here(text, length) != NULL)
        return error_set(error, ENOENT, "there is no %s '%.*s': here it is called %s", kind,
                         params_quote_length(length), text, name_here(text, length));
    if (choice->policy == NULL) {
        for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++)
            if (!live || (policy->flags & SP_POLICY_LIVE) != 0)
                params_name_add(&known, policy->name);
        return params_name_missing(&known, live ? "live eviction policy" : kind, text, length,
                                   error);
    }
    return parse(choice->policy, text[length] == ':' ? text + length + 1 : NULL, choice->params,
                 error);
}

int policy_params_choose(struct policy_choice *choice, const char *text, struct sp_error *error)
{
    return choose(choice, text, false, error);
}

int policy_params_choose_live(struct policy_choice *choice, const char *text,
                              struct sp_error *error)
{
    int result = choose(choice, text, true, error);

    return result != 0 ? result : policy_params_check_live(choice->policy, error);
}

int policy_params_adopt(struct policy_choice *choice, const struct sp_policy *policy,
                        const char *params, struct sp_error *error)
{
    int result = policy_params_check(policy, error);

    choice->policy = policy;
    return result != 0 ? result : parse(policy, params, choice->params, error);
}
