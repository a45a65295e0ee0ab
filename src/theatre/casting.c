#include "theatre/casting.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "os/heap.h"
#include "play/life.h"
#include "workload/workload_text.h"

#define DEFAULT_ARBITER  "excess"
#define DEFAULT_POLICY   "clock"
#define DEFAULT_CONTRACT "guaranteed=16"

/* A phase for a program whose steps are the caller's: there has to be one. */
#define NO_PHASE ";idle=1ns"

int casting_arbiter(struct sp_world *world, const struct sp_world_options *options,
                    struct sp_error *error)
{
    const char *text = options->arbiter != NULL ? options->arbiter : DEFAULT_ARBITER;

    if (options->own_arbiter == NULL)
        return arbiter_load(&world->arbiter, text, error);
    return arbiter_registry_choose_plugin(&world->own, options->own_arbiter, options->arbiter,
                                          error);
}

static int choose_name(const struct sp_world *world, struct role *role, const char *name,
                       struct sp_error *error)
{
    static const char *const taken[] = {"physmem", "swap", "tasks", "true", "false"};
    size_t length = name != NULL ? strlen(name) : 0;

    if (length == 0 || length >= sizeof(role->name))
        return error_set(error, EINVAL, "a task has a name of 1 to %zu characters",
                         sizeof(role->name) - 1);
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

        if (!letter && (i == 0 || c < '0' || c > '9'))
            return error_set(error, EINVAL,
                             "the name \"%.40s\": letters, digits and _, and no digit in front, "
                             "are possible",
                             name);
    }
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        if (strcmp(name, taken[i]) == 0)
            return error_set(error, EINVAL, "\"%s\" means something else in expectations", name);
    for (uint32_t i = 0; i < world->roles; i++)
        if (strcmp(world->role[i]->name, name) == 0)
            return error_set(error, EEXIST, "another task is called %s", name);
    memcpy(role->name, name, length + 1);
    return 0;
}

static int choose_policy(struct role *role, const struct sp_world_task *task,
                         struct sp_error *error)
{
    const char *text = task->policy != NULL ? task->policy : DEFAULT_POLICY;
    const struct policy_choice *choice = &role->policy.choice;
    int result;

    if (task->own_policy != NULL) {
        result = policy_params_adopt(&role->own, task->own_policy, task->policy, error);
        choice = &role->own;
    } else {
        result = load_policy(&role->policy, text, error);
        if (result == 0 && role->policy.foreign)
            return error_set(error, ENOTSUP, "%s allocates, which no policy of a task may", text);
    }
    if (result == 0)
        result = policy_params_check_live(choice->policy, error);
    role->actor.policy = choice->policy;
    role->actor.params = choice->params;
    return result;
}

static int choose_workload(struct role *role, const struct sp_world_task *task,
                           struct sp_error *error)
{
    struct workload workload;
    char *whole;
    int result;

    if (task->workload == NULL)
        return error_set(
            error, EINVAL,
            "a task needs a workload, as \"pages=100;zipf=1.0\" (with `next`, pages alone)");
    if (task->next == NULL) {
        result = workload_text_parse(&workload, task->workload, error);
    } else {
        if (asprintf(&whole, "%.*s" NO_PHASE, (int)strcspn(task->workload, ";"), task->workload) <
            0)
            return error_set(error, ENOMEM, "out of memory");
        result = workload_text_parse(&workload, whole, error);
        free(whole);
    }
    if (result != 0)
        return result;
    if (workload.pages == 0)
        return error_set(error, EINVAL, "pages is missing: a world reads no traces");
    role->actor.tables = &role->tables;
    if (walk_tables_init(&role->tables, &workload, &heap_allocator) != 0)
        return error_set(error, ENOMEM, "out of memory");
    return 0;
}

static int choose_contracts(struct role *role, const struct sp_world_task *task,
                            struct sp_error *error)
{
    const char *text = task->contract != NULL ? task->contract : DEFAULT_CONTRACT;
    int count = terms_text_parse(text, role->actor.wanted, error);
    const char *wrong;

    if (count < 0)
        return count;
    for (int i = 0; i < count; i++)
        if (role->actor.wanted[i].token != 0)
            return error_set(error, ENOTSUP, "a world has no parts of contracts");
    wrong = life_contracts_wrong(role->actor.wanted, (uint32_t)count);
    if (wrong != NULL)
        return error_set(error, EINVAL, "%s", wrong);
    role->actor.contracts = (uint32_t)count;
    return 0;
}

/* The step that the caller's function says. */
static bool next_step(void *arg, uint32_t life, uint64_t number, struct walk_step *step)
{
    const struct role *role = arg;
    struct sp_world_step said = {.page = UINT32_MAX};

    if (role->next(role->arg, life, number, &said) == 0)
        return false;
    *step =
        (struct walk_step){.page = said.page, .write = said.write != 0, .pause_ns = said.pause_ns};
    return true;
}

/* A seed that depends on nothing but the world's and the task's name. */
static uint64_t seed_of(uint64_t seed, const char *name)
{
    for (; *name != '\0'; name++)
        seed = random_stream(seed, (unsigned char)*name).state;
    return seed;
}

static void free_role(struct role *role)
{
    load_policy_end(&role->policy);
    if (role->tables.allocator != NULL)
        walk_tables_fini(&role->tables);
    free(role);
}

int casting_role(struct sp_world *world, const struct sp_world_task *task, struct sp_error *error)
{
    struct role *role = calloc(1, sizeof(*role));
    int result;

    if (role == NULL)
        return error_set(error, ENOMEM, "out of memory");
    result = choose_name(world, role, task->name, error);
    if (result == 0)
        result = choose_policy(role, task, error);
    if (result == 0)
        result = choose_workload(role, task, error);
    if (result == 0)
        result = choose_contracts(role, task, error);
    if (result != 0) {
        free_role(role);
        return result;
    }
    role->actor.name = role->name;
    role->actor.seed = seed_of(world->seed, role->name);
    role->actor.renews = task->no_renewal == 0;
    if (task->next != NULL) {
        role->next = task->next;
        role->arg = task->arg;
        role->actor.next = next_step;
        role->actor.arg = role;
    }
    world->role[world->roles++] = role;
    return 0;
}

void casting_end(struct sp_world *world)
{
    for (uint32_t i = 0; i < world->roles; i++)
        free_role(world->role[i]);
    world->roles = 0;
    arbiter_unload(&world->arbiter);
}
