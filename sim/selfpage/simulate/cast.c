#include "selfpage/simulate/cast.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <selfpage/file.h>

#include "base/error.h"
#include "core/contracts/bandwidth_text.h"
#include "core/contracts/terms_text.h"
#include "core/leases/tenancy.h"
#include "drive/drive.h"
#include "entitlements/entitlements.h"
#include "os/heap.h"
#include "play/life.h"
#include "selfpage/scenario/outcome.h"
#include "selfpage/scenario/parts.h"
#include "workload/workload_text.h"

#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

/* The policy of a task: that of the task before, if it is the same. */
static int choose_policy(struct cast *cast, uint32_t index, const char *text, const char *before,
                         struct sp_error *error)
{
    struct policy_handle *handle;
    struct sp_error mistake;
    int result = 0;

    if (before == NULL || strcmp(before, text) != 0) {
        handle = &cast->policies[cast->policies_count++];
        result = load_policy(handle, text, &mistake);
        if (result == 0)
            result = policy_params_check_live(handle->choice.policy, &mistake);
        if (result == 0 && handle->foreign)
            result =
                error_set(&mistake, ENOTSUP, "%s allocates, which no policy of a task may", text);
    }
    handle = &cast->policies[cast->policies_count - 1];
    if (result != 0)
        return error_set(error, -result, "task %s: %s", cast->scenario->tasks[index].name,
                         mistake.text);
    cast->actors[index].policy = handle->choice.policy;
    cast->actors[index].params = handle->choice.params;
    return 0;
}

/* Its workload, likewise. */
static int choose_workload(struct cast *cast, uint32_t index, struct sp_error *error)
{
    const struct scenario_task *tasks = cast->scenario->tasks;
    struct workload workload;
    struct sp_error mistake;

    if (tasks[index].load == NULL)
        return error_set(error, EINVAL,
                         "task %s has a program and no workload: say beside it what it does "
                         "(workload:), for a program cannot run in virtual time",
                         tasks[index].name);
    if (index == 0 || strcmp(tasks[index - 1].load, tasks[index].load) != 0) {
        struct walk_tables *tables = &cast->tables[cast->tables_count++];

        if (workload_text_parse(&workload, tasks[index].load, error) != 0)
            return -EINVAL;
        if (walk_tables_init(tables, &workload, &heap_allocator) != 0)
            return error_set(error, ENOMEM, "out of memory");
        if (drive_traces(tables, &mistake) != 0 ||
            (cast->scenario->fileserver != NULL &&
             drive_files(tables, cast->scenario->fileserver->root, &mistake) != 0))
            return error_set(error, mistake.code, "task %s: %s", tasks[index].name, mistake.text);
    }
    cast->actors[index].tables = &cast->tables[cast->tables_count - 1];
    return 0;
}

static int choose_contracts(struct cast *cast, uint32_t index, struct sp_error *error)
{
    const struct scenario_task *task = &cast->scenario->tasks[index];
    struct actor_config *actor = &cast->actors[index];
    int count = terms_text_parse(task->contract, actor->wanted, error);
    struct bandwidth_text bandwidth;
    const char *wrong;

    if (count < 0)
        return count;
    for (int i = 0; i < count; i++) {
        if (actor->wanted[i].token != 0)
            return error_set(
                error, ENOTSUP,
                "task %s: claim=: a part is split off by a program, which selfpage run "
                "starts: say of which task's contract it is a part (part_of:) instead",
                task->name);
    }
    wrong = life_contracts_wrong(actor->wanted, (uint32_t)count);
    if (wrong != NULL)
        return error_set(error, EINVAL, "task %s: %s: %s", task->name, task->contract, wrong);
    actor->contracts = (uint32_t)count;
    if (task->bandwidth != NULL && bandwidth_text_parse(task->bandwidth, &bandwidth))
        actor->bandwidth = (struct bandwidth_terms){
            .shares = bandwidth.shares, .rate = bandwidth.rate, .extra = bandwidth.extra};
    return 0;
}

/* The parts that a task splits off, and what that makes of the contracts of those that live from them. */
static int choose_parts(struct cast *cast, uint32_t above, uint32_t *made, struct sp_error *error)
{
    const struct scenario *scenario = cast->scenario;
    struct actor_config *actor = &cast->actors[above];

    actor->part = &cast->parts[*made];
    for (uint32_t i = parts_next(scenario, above, 0); i < scenario->tasks_count;
         i = parts_next(scenario, above, i + 1)) {
        struct scenario_part part;
        struct sp_error mistake;
        const char *field;

        if (parts_find(scenario, i, &part, &field, &mistake) != 0)
            return error_set(error, EINVAL, "task %s: %s: %s", scenario->tasks[i].name, field,
                             mistake.text);
        cast->actors[i].wanted[0].terms = part.terms;
        cast->actors[i].part_of = above + 1;
        cast->parts[(*made)++] = (struct actor_part){i, part.terms.kind, part.terms.frames};
        actor->parts++;
    }
    return 0;
}

static int choose_all_parts(struct cast *cast, struct sp_error *error)
{
    const struct scenario_task *tasks = cast->scenario->tasks;
    uint32_t count = cast->scenario->tasks_count, wanted = 0, made = 0;
    int result = 0;

    for (uint32_t i = 0; i < count; i++)
        wanted += tasks[i].part_of != NULL;
    for (uint32_t i = 0; i < count && wanted > made && result == 0; i++)
        result = choose_parts(cast, i, &made, error);
    if (result == 0 && made < wanted)
        result = error_set(error, EINVAL, "part_of: of a task that is not there");
    return result;
}

static int choose_task(struct cast *cast, uint32_t index, const char *policy,
                       struct sp_error *error)
{
    const struct scenario_task *task = &cast->scenario->tasks[index];
    const char *text = policy != NULL         ? policy
                       : task->policy != NULL ? task->policy
                                              : DEFAULT_POLICY;
    const char *before = NULL;
    int result;

    if (index > 0)
        before = policy != NULL            ? policy
                 : task[-1].policy != NULL ? task[-1].policy
                                           : DEFAULT_POLICY;
    cast->actors[index].name = task->name;
    cast->actors[index].physmem =
        task->server == SCENARIO_PHYSMEM ? 0 : 1 + task->server - SCENARIO_STACKED;
    cast->actors[index].renews = task->renew != SCENARIO_RENEW_NO;
    result = choose_policy(cast, index, text, before, error);
    if (result == 0)
        result = choose_workload(cast, index, error);
    if (result == 0)
        result = choose_contracts(cast, index, error);
    return result;
}

/* What a play cannot do. */
static int check_scenario(const struct scenario *scenario, struct sp_error *error)
{
    if (scenario->swap != NULL && scenario->tasks_count >= SWAP_CLIENTS_MAX)
        return error_set(error, EINVAL, "a swap server has at most %u clients",
                         SWAP_CLIENTS_MAX - 1);
    return 0;
}

/* How often it looks: the default of selfpage-policyserver. */
#define PERIOD_NS UINT64_C(100000000)

/* Its arguments: a period. Others are about its log, or processes. */
static int choose_period(struct cast *cast, struct sp_error *error)
{
    const struct scenario_policyserver *server = cast->scenario->policyserver;

    cast->policyserver.period_ns = PERIOD_NS;
    for (uint32_t i = 0; i < server->args_count; i++) {
        const char *text = NULL;

        if (strncmp(server->args[i], "--period=", 9) == 0)
            text = server->args[i] + 9;
        else if (strcmp(server->args[i], "--period") == 0 && i + 1 < server->args_count)
            text = server->args[++i];
        if (text != NULL &&
            (terms_text_time(text, strlen(text), &cast->policyserver.period_ns) != 0 ||
             cast->policyserver.period_ns < NS_PER_MS ||
             cast->policyserver.period_ns > 3600 * NS_PER_S))
            return error_set(error, EINVAL,
                             "policyserver.args: \"%.40s\" is not a period from 1ms to 1h", text);
    }
    return 0;
}

static int choose_policyserver(struct cast *cast, struct sp_error *error)
{
    const struct scenario_policyserver *server = cast->scenario->policyserver;
    struct policyserver_config *config = &cast->policyserver;
    int result = 0;

    if (server->arbiter != NULL) {
        result = arbiter_load(&cast->table_arbiter, server->arbiter, error);
        config->arbiter = &cast->table_arbiter.choice;
    }
    if (result == 0 && server->entitlements != NULL && strstr(server->entitlements, "${") != NULL)
        result = error_set(error, ENOTSUP,
                           "policyserver.entitlements: \"%.60s\": a play has no ${DIR} and no "
                           "${BINDIR}: give the path of a file",
                           server->entitlements);
    if (result == 0 && server->entitlements != NULL)
        result =
            entitlements_load(server->entitlements, &cast->limits, &config->limits_count, error);
    for (uint32_t i = 0; result == 0 && i < config->limits_count; i++)
        if (cast->limits[i].slots != LIMIT_NONE ||
            (cast->limits[i].shares | cast->limits[i].rate) != 0)
            result = error_set(error, ENOTSUP,
                               "%.60s speaks of slots or bandwidth of swap: selfpage run has a "
                               "policy server that says it to swap; in a play give tasks a "
                               "bandwidth of their own",
                               server->entitlements);
    config->limits = cast->limits;
    return result == 0 ? choose_period(cast, error) : result;
}

_Static_assert(CHUNKS_PAGES == SP_FILES_BUFFER &&
                   WORKLOAD_READ_BYTES == SP_FILES_BUFFER * SP_PAGE_SIZE,
               "a task reads as much at a time as a live one");

static int choose_fileserver(struct cast *cast, struct sp_error *error)
{
    const struct scenario_fileserver *server = cast->scenario->fileserver;
    struct fileserver_config *config = &cast->fileserver;
    char terms[60];
    int count;

    config->cache = server->cache > 0 ? server->cache : CHUNKS_CACHE_USUAL;
    if (config->cache < CHUNKS_CACHE_LEAST || config->cache > CHUNKS_CACHE_MOST)
        return error_set(error, EINVAL, "fileserver.cache: %u is not a number from %u to %u",
                         config->cache, CHUNKS_CACHE_LEAST, CHUNKS_CACHE_MOST);
    if (strstr(server->root, "${") != NULL)
        return error_set(error, ENOTSUP,
                         "fileserver.root: \"%.60s\": a play has no ${DIR} and no ${BINDIR}: give "
                         "the path of a directory",
                         server->root);
    snprintf(terms, sizeof terms, "extra=%u,min=%u", config->cache, CHUNKS_PAGES);
    count = terms_text_parse(server->contract != NULL ? server->contract : terms, config->wanted,
                             error);
    for (int i = 0; i < count; i++)
        if (config->wanted[i].token != 0)
            return error_set(error, ENOTSUP,
                             "fileserver.contract: %s: a part is split off by a program: give it "
                             "a contract of its own instead",
                             server->contract);
    config->contracts = count < 0 ? 0 : (uint32_t)count;
    return count < 0 ? count : 0;
}

/* A physmem that rests on another one: its contracts there, as selfpage-physmem concludes them. */
static int choose_stacked(struct cast *cast, uint32_t index, struct sp_error *error)
{
    const struct scenario_stacked *physmem = &cast->scenario->physmems[index];
    struct sublet_config *config = &cast->stacked[index];
    struct arbiter_handle *arbiter = &cast->stacked_arbiters[index];
    int count = terms_text_parse(physmem->contract, config->wanted, error);
    int result;

    for (int i = 0; i < count; i++) {
        const char *wrong = tenancy_prepare(&config->wanted[i]);

        if (config->wanted[i].token != 0)
            wrong = "a part is split off by a program: give it a contract of its own instead";
        if (wrong != NULL)
            return error_set(error, ENOTSUP, "physmem %s: %s: %s", physmem->name, physmem->contract,
                             wrong);
    }
    if (count < 0)
        return count;
    result = arbiter_load(arbiter, physmem->arbiter != NULL ? physmem->arbiter : "excess", error);
    if (result != 0)
        return result;
    cast->stacked_count++;
    config->name = physmem->name;
    config->above = physmem->above == SCENARIO_PHYSMEM ? 0 : 1 + physmem->above - SCENARIO_STACKED;
    config->contracts = (uint32_t)count;
    config->reserve = physmem->reserve;
    config->arbiter = arbiter->choice.arbiter;
    memcpy(config->arbiter_params, arbiter->choice.params, sizeof config->arbiter_params);
    return 0;
}

int cast_init(struct cast *cast, const struct scenario *scenario, const char *policy,
              struct sp_error *error)
{
    uint32_t tasks = scenario->tasks_count;
    const char *arbiter = scenario->physmem.arbiter != NULL ? scenario->physmem.arbiter : "excess";
    int result;

    *cast = (struct cast){.scenario = scenario};
    result = check_scenario(scenario, error);
    if (result != 0)
        return result;
    cast->actors = calloc(tasks, sizeof *cast->actors);
    cast->parts = calloc(tasks, sizeof *cast->parts);
    cast->policies = calloc(tasks, sizeof *cast->policies);
    cast->tables = calloc(tasks, sizeof *cast->tables);
    cast->stacked = calloc(scenario->physmems_count + 1, sizeof *cast->stacked);
    cast->stacked_arbiters = calloc(scenario->physmems_count + 1, sizeof *cast->stacked_arbiters);
    if (cast->actors == NULL || cast->parts == NULL || cast->policies == NULL ||
        cast->tables == NULL || cast->stacked == NULL || cast->stacked_arbiters == NULL)
        return error_set(error, ENOMEM, "out of memory");
    cast->has_arbiter = true;
    result = arbiter_load(&cast->arbiter, arbiter, error);
    if (result == 0 && scenario->policyserver != NULL)
        result = choose_policyserver(cast, error);
    if (result == 0 && scenario->fileserver != NULL)
        result = choose_fileserver(cast, error);
    for (uint32_t i = 0; i < scenario->physmems_count && result == 0; i++)
        result = choose_stacked(cast, i, error);
    for (uint32_t i = 0; i < tasks && result == 0; i++)
        result = choose_task(cast, i, policy, error);
    return result == 0 ? choose_all_parts(cast, error) : result;
}

void cast_fini(struct cast *cast)
{
    for (uint32_t i = 0; i < cast->policies_count; i++)
        load_policy_end(&cast->policies[i]);
    for (uint32_t i = 0; i < cast->tables_count; i++)
        if (cast->tables[i].allocator != NULL)
            walk_tables_fini(&cast->tables[i]);
    if (cast->has_arbiter)
        arbiter_unload(&cast->arbiter);
    if (cast->policyserver.arbiter != NULL)
        arbiter_unload(&cast->table_arbiter);
    for (uint32_t i = 0; i < cast->stacked_count; i++)
        arbiter_unload(&cast->stacked_arbiters[i]);
    free(cast->stacked);
    free(cast->stacked_arbiters);
    free(cast->limits);
    free(cast->actors);
    free(cast->parts);
    free(cast->policies);
    free(cast->tables);
    *cast = (struct cast){0};
}

struct play_config cast_play(struct cast *cast, uint64_t seed, const struct costs *costs)
{
    const struct scenario *scenario = cast->scenario;
    struct play_config config = {.allocator = &heap_allocator,
                                 .fresh = &heap_zeros,
                                 .arbiter = cast->arbiter.choice.arbiter,
                                 .frames = scenario->physmem.frames,
                                 .reserve = scenario->physmem.reserve,
                                 .stacked = cast->stacked,
                                 .stacked_count = scenario->physmems_count,
                                 .seed = seed,
                                 .costs = *costs,
                                 .actors = scenario->tasks_count};

    if (scenario->policyserver != NULL)
        config.policyserver = &cast->policyserver;
    if (scenario->fileserver != NULL)
        config.fileserver = &cast->fileserver;

    memcpy(config.arbiter_params, cast->arbiter.choice.params, sizeof config.arbiter_params);
    if (scenario->swap != NULL) {
        config.swap_slots = scenario->swap->slots;
        config.bandwidth = scenario->swap->bandwidth;
        config.fail_writes = (uint64_t)(scenario->swap->fail_writes * 4294967296.0);
    }
    if (scenario->physmem.chaos_unmap > 0)
        config.chaos_ns = (uint64_t)((double)NS_PER_S / scenario->physmem.chaos_unmap);
    for (uint32_t i = 0; i < scenario->tasks_count; i++)
        cast->actors[i].seed = scenario_task_seed(seed, scenario->tasks[i].name);
    return config;
}
