/* The list of built-in arbiters, and how to choose one. */
#include "arbiter/registry.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/params.h"

static const char kind[] = "arbiter";

#define ARBITER_ADDRESS(name) &arbiter_##name,
static const struct sp_arbiter *const builtins[] = {ARBITER_BUILTINS(ARBITER_ADDRESS)};
#undef ARBITER_ADDRESS

const struct sp_arbiter *arbiter_registry_builtin(size_t i)
{
    return i < sizeof(builtins) / sizeof(builtins[0]) ? builtins[i] : NULL;
}

const struct sp_arbiter *arbiter_registry_find(const char *name, size_t length)
{
    const struct sp_arbiter *arbiter;

    for (size_t i = 0; (arbiter = arbiter_registry_builtin(i)) != NULL; i++)
        if (strlen(arbiter->name) == length && memcmp(arbiter->name, name, length) == 0)
            return arbiter;
    return NULL;
}

int arbiter_registry_choose_plugin(struct arbiter_choice *choice, const struct sp_arbiter *arbiter,
                                   const char *params, struct sp_error *error)
{
    int rc;

    if (arbiter->abi != SP_ARBITER_ABI)
        return error_set(error, EPROTO,
                         "the arbiter was built for interface version %u, this is %u: build it "
                         "again with this <selfpage/arbiter.h>",
                         arbiter->abi, SP_ARBITER_ABI);
    if (arbiter->name == NULL || !params_name_is_proper(arbiter->name))
        return error_set(error, EINVAL,
                         "the arbiter's name is missing or has characters other than a-z, 0-9 "
                         "and '-'");
    if (arbiter->decide == NULL)
        return error_set(error, EINVAL, "arbiter '%.40s' lacks decide", arbiter->name);
    rc = params_check(kind, arbiter->name, arbiter->params, error);
    if (rc == 0)
        rc = params_parse(kind, arbiter->name, arbiter->params, params, choice->params, error);
    choice->arbiter = arbiter;
    return rc;
}

int arbiter_registry_choose(struct arbiter_choice *choice, const char *text, struct sp_error *error)
{
    size_t length = strcspn(text, ":");
    const struct sp_arbiter *arbiter = arbiter_registry_find(text, length);
    struct name_list known = {.length = 0};

    if (arbiter == NULL) {
        for (size_t i = 0; (arbiter = arbiter_registry_builtin(i)) != NULL; i++)
            params_name_add(&known, arbiter->name);
        return params_name_missing(&known, "arbiter", text, length, error);
    }
    return arbiter_registry_choose_plugin(choice, arbiter,
                                          text[length] == ':' ? text + length + 1 : NULL, error);
}
