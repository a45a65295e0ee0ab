/* The list of built-in policies, and how to find one by name. */
#include "policy/registry.h"

#include <string.h>

#define POLICY_ADDRESS(name) &policy_##name,
static const struct sp_policy *const builtins[] = {POLICY_BUILTINS(POLICY_ADDRESS)};
#undef POLICY_ADDRESS

const struct sp_policy *policy_registry_builtin(size_t i)
{
    return i < sizeof(builtins) / sizeof(builtins[0]) ? builtins[i] : NULL;
}

policy_turn *policy_registry_turn(const struct sp_policy *policy)
{
    static const struct {
        const struct sp_policy *policy;
        policy_turn *turn;
    } turns[] = {{&policy_fifo, fifo_turn},
                 {&policy_lru, lru_turn},
                 {&policy_clock, clock_turn},
                 {&policy_lfu, lfu_turn},
                 {&policy_sieve, sieve_turn}};

    for (size_t i = 0; i < sizeof(turns) / sizeof(turns[0]); i++)
        if (turns[i].policy == policy)
            return turns[i].turn;
    return NULL;
}

const struct sp_policy *policy_registry_find(const char *name, size_t length)
{
    const struct sp_policy *policy;

    for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++)
        if (strlen(policy->name) == length && memcmp(policy->name, name, length) == 0)
            return policy;
    return NULL;
}
