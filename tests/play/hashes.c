/* Plays small worlds, and prints the hash of all events of each: see the script `same`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arbiter/registry.h"
#include "os/heap.h"
#include "play/play.h"
#include "play/storm.h"
#include "policy/params.h"
#include "policy/registry.h"
#include "workload/workload_text.h"

#define TASKS 4u

static void fail(const char *what)
{
    fprintf(stderr, "hashes: %s\n", what);
    exit(2);
}

/* A built-in policy that can be used live. */
static const char *draw_policy(struct random_source *random)
{
    const struct sp_policy *policy = NULL;
    uint32_t count = 0;

    while (policy_registry_builtin(count) != NULL)
        count++;
    do
        policy = policy_registry_builtin(random_below(random, count));
    while ((policy->flags & SP_POLICY_LIVE) == 0);
    return policy->name;
}

static void engage(struct actor_config *actor, struct policy_choice *policy,
                   struct walk_tables *tables, struct random_source *random)
{
    static const char *const kinds[] = {"precious", "discardable", "remanufacturable"};
    struct workload workload;
    char text[240], contract[80];
    /* One after the other: arguments of a call are evaluated in any order. */
    uint32_t pages = 20 + random_below(random, 80), kind = random_below(random, 3);
    uint32_t tenths = random_below(random, 10), set = 1 + random_below(random, pages);
    uint32_t guaranteed = 4 + random_below(random, 20), term = 1 + random_below(random, 50);
    uint32_t extra = 1 + random_below(random, 80);

    snprintf(text, sizeof(text),
             "pages=%u,kind=%s;zipf=0.%u,writes=0.3,references=400;markov=%u,writes=0.2,references="
             "200;scan=1,writes=0.5",
             pages, kinds[kind], tenths, set);
    snprintf(contract, sizeof(contract), "guaranteed=%u,term=%ums;extra=%u", guaranteed, term,
             extra);
    if (policy_params_choose_live(policy, draw_policy(random), NULL) != 0 ||
        workload_text_parse(&workload, text, NULL) != 0 ||
        walk_tables_init(tables, &workload, &heap_allocator) != 0)
        fail(text);
    *actor = (struct actor_config){.name = "task",
                                   .seed = random_bits(random),
                                   .policy = policy->policy,
                                   .params = policy->params,
                                   .tables = tables,
                                   .renews = true};
    actor->contracts = (uint32_t)terms_text_parse(contract, actor->wanted, NULL);
}

static void play(uint64_t seed)
{
    static struct policy_choice policy[TASKS];
    static struct walk_tables tables[TASKS];
    static struct actor_config actor[TASKS];
    struct random_source random = random_seeded(seed);
    struct arbiter_choice arbiter = {NULL};
    struct policyserver_config server = {.arbiter = &arbiter, .period_ns = 5000000};
    struct play play;
    enum play_step step;
    uint64_t value;

    if (arbiter_registry_choose_plugin(&arbiter, arbiter_registry_builtin(seed % 10), NULL, NULL) !=
        0)
        fail("no such arbiter");
    struct play_config config = {.allocator = &heap_allocator,
                                 .fresh = &heap_zeros,
                                 .arbiter = arbiter.arbiter,
                                 .policyserver = seed % 3 == 0 ? &server : NULL,
                                 .frames = 120,
                                 .swap_slots = 600,
                                 .chaos_ns = 500000,
                                 .seed = seed,
                                 .costs = costs_default(),
                                 .actors = TASKS,
                                 .storm_until = 50000000,
                                 .check_every = 256,
                                 .shuffled = seed % 2 == 0};
    memcpy(config.arbiter_params, arbiter.params, sizeof(arbiter.params));
    if (play_init(&play, &config) != 0)
        fail("no memory");
    for (uint32_t i = 0; i < TASKS; i++) {
        engage(&actor[i], &policy[i], &tables[i], &random);
        play_add(&play, &actor[i], i * 700000, 0);
    }
    play_storm(&play, storm_swarm(seed));
    do
        step = play_next(&play, &value);
    while (step == PLAY_EVENT || step == PLAY_OTHER);
    printf("%llu %016llx %llu%s%s\n", (unsigned long long)seed, (unsigned long long)play.hash,
           (unsigned long long)play.events, step == PLAY_OVER ? "" : " ", play.scene.wrong);
    play_fini(&play);
    for (uint32_t i = 0; i < TASKS; i++)
        walk_tables_fini(&tables[i]);
}

int main(int argc, char **argv)
{
    uint64_t seeds = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000;

    for (uint64_t seed = 1; seed <= seeds; seed++)
        play(seed);
    return 0;
}
