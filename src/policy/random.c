/* Random: any resident page leaves, each with the same probability.
 *
 * L. A. Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems
 * Journal 5(2), 1966, where it is the yardstick for what a policy gains by knowing anything.
 *
 * The resident pages fill the beginning of an array without gaps; the last page replaces one
 * that leaves. Choosing, adding and removing take constant time. */
#include "policy/registry.h"

struct random_cell {
    sp_page page;      /* cell i: the i-th of the resident pages */
    uint32_t position; /* cell p: where page p stands among them */
};

struct random {
    struct sp_policy_env *env;
    uint32_t count; /* resident pages */
    struct random_cell cells[];
};

static size_t random_size(const struct sp_policy_config *config)
{
    return sizeof(struct random) + (size_t)config->pages * sizeof(struct random_cell);
}

static void random_init(void *self, const struct sp_policy_config *config)
{
    struct random *random = self;

    random->env = config->env;
}

static void random_insert(void *self, sp_page page, enum sp_access access)
{
    struct random *random = self;

    (void)access;
    random->cells[random->count].page = page;
    random->cells[page].position = random->count;
    random->count++;
}

static sp_page random_victim(void *self, sp_page incoming)
{
    struct random *random = self;

    (void)incoming;
    return random->cells[random->env->random(random->env, random->count)].page;
}

static void random_remove(void *self, sp_page page, enum sp_removal why)
{
    struct random *random = self;
    uint32_t hole = random->cells[page].position;
    sp_page last;

    (void)why;
    random->count--;
    last = random->cells[random->count].page;
    random->cells[hole].page = last;
    random->cells[last].position = hole;
}

const struct sp_policy policy_random = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_LIVE | SP_POLICY_SAMPLES | SP_POLICY_FORGETS,
    .name = "random",
    .summary = "any resident page, each with the same probability",
    .source = "Belady 1966",
    .size = random_size,
    .init = random_init,
    .insert = random_insert,
    .victim = random_victim,
    .remove = random_remove,
};
