/* Random of two: of two resident pages drawn at random, the one referenced longer ago leaves. Close to LRU
 * without any list: the page that leaves is among the older half three times out of four.
 *
 * K. Psounis and B. Prabhakar, "A randomized web-cache replacement scheme", INFOCOM 2001, with N = 2 and
 * M = 0, as libCacheSim's RandomTwo: both are drawn anew each time, and may be the same page.
 *
 * The resident pages fill the beginning of an array without gaps, as in random.c. */
#include "policy/registry.h"

struct random_two_cell {
    sp_page page;      /* cell i: the i-th of the resident pages */
    uint32_t position; /* cell p: where page p stands among them */
    uint64_t last;     /* cell p: when page p was referenced last */
};

struct random_two {
    struct sp_policy_env *env;
    uint32_t count; /* resident pages */
    struct random_two_cell cells[];
};

static size_t random_two_size(const struct sp_policy_config *config)
{
    return sizeof(struct random_two) + (size_t)config->pages * sizeof(struct random_two_cell);
}

static void random_two_init(void *self, const struct sp_policy_config *config)
{
    struct random_two *random = self;

    random->env = config->env;
}

static void random_two_hit(void *self, sp_page page, enum sp_access access)
{
    struct random_two *random = self;

    (void)access;
    random->cells[page].last = random->env->time;
}

static void random_two_insert(void *self, sp_page page, enum sp_access access)
{
    struct random_two *random = self;

    random->cells[random->count].page = page;
    random->cells[page].position = random->count;
    random->count++;
    random_two_hit(self, page, access);
}

static sp_page random_two_draw(const struct random_two *random)
{
    return random->cells[random->env->random(random->env, random->count)].page;
}

static sp_page random_two_victim(void *self, sp_page incoming)
{
    struct random_two *random = self;
    sp_page first = random_two_draw(random), second = random_two_draw(random);

    (void)incoming;
    return random->cells[first].last < random->cells[second].last ? first : second;
}

static void random_two_remove(void *self, sp_page page, enum sp_removal why)
{
    struct random_two *random = self;
    uint32_t hole = random->cells[page].position;
    sp_page last;

    (void)why;
    random->count--;
    last = random->cells[random->count].page;
    random->cells[hole].page = last;
    random->cells[last].position = hole;
}

const struct sp_policy policy_random_two = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_FORGETS,
    .name = "random-two",
    .summary = "of two pages drawn at random, the one referenced longer ago",
    .source = "Psounis and Prabhakar 2001",
    .live_form = "random",
    .size = random_two_size,
    .init = random_two_init,
    .insert = random_two_insert,
    .hit = random_two_hit,
    .victim = random_two_victim,
    .remove = random_two_remove,
    .pages_at = offsetof(struct random_two, cells),
    .page_bytes = sizeof(struct random_two_cell),
};
