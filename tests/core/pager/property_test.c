/* The pager, with an outside where everything happens in any order: tens of thousands of seeded random
 * steps for each policy and for many shapes of contract, with all books checked after each step,
 * and the contents of every page at each access. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <valgrind/valgrind.h>

#include "outside.h"
#include "policy/params.h"
#include "policy/registry.h"

/* For each policy and shape, with few pages; large shapes take their time for each step. */
#define STEPS        (RUNNING_ON_VALGRIND ? 2000u : 12000u)
#define SETTLE_EVERY 125u

/* Built-in policies that can run live. */
#define POLICIES_MOST 32u

/* ---- Wicked policies: they keep no order, and name what they like ---- */

struct wicked {
    struct sp_policy_env *env;
    uint32_t pages;
    sp_page last;
};

static size_t wicked_size(const struct sp_policy_config *config)
{
    (void)config;
    return sizeof(struct wicked);
}

static void wicked_init(void *self, const struct sp_policy_config *config)
{
    *(struct wicked *)self = (struct wicked){config->env, config->pages, 0};
}

static void wicked_insert(void *self, sp_page page, enum sp_access access)
{
    (void)access;
    ((struct wicked *)self)->last = page;
}

static void wicked_remove(void *self, sp_page page, enum sp_removal why)
{
    (void)self;
    (void)page;
    (void)why;
}

static sp_page always_the_same(void *self, sp_page incoming)
{
    (void)self;
    (void)incoming;
    return 3;
}

static sp_page never_one(void *self, sp_page incoming)
{
    (void)self;
    (void)incoming;
    return SP_NO_PAGE;
}

static sp_page who_needs_it(void *self, sp_page incoming)
{
    (void)self;
    return incoming;
}

static sp_page last_in(void *self, sp_page incoming)
{
    (void)incoming;
    return ((struct wicked *)self)->last;
}

/* Any number, also of pages that are not there or that there cannot be. */
static sp_page any_number(void *self, sp_page incoming)
{
    struct wicked *wicked = self;

    (void)incoming;
    if (wicked->env->random(wicked->env, 4) == 0)
        return wicked->env->random(wicked->env, UINT32_MAX);
    return wicked->env->random(wicked->env, wicked->pages + 2);
}

/* Asks about anything, and wants to see every reference again, even the one that is being seen. */
static void nosy_hit(void *self, sp_page page, enum sp_access access)
{
    struct wicked *wicked = self;

    (void)access;
    wicked->env->watch(wicked->env, page);
    wicked->env->referenced(wicked->env, any_number(self, SP_NO_PAGE));
    wicked->env->dirty(wicked->env, any_number(self, SP_NO_PAGE));
    wicked->env->watch(wicked->env, any_number(self, SP_NO_PAGE));
}

static sp_page nosy_victim(void *self, sp_page incoming)
{
    sp_page page = any_number(self, incoming);

    nosy_hit(self, page, SP_READ);
    return page;
}

static void nosy_insert(void *self, sp_page page, enum sp_access access)
{
    nosy_hit(self, page, access);
}

static void nosy_remove(void *self, sp_page page, enum sp_removal why)
{
    (void)why;
    nosy_hit(self, page, SP_READ);
}

#define WICKED(text, victim_)                                                                      \
    {                                                                                              \
        .abi = SP_POLICY_ABI, .name = text, .size = wicked_size, .init = wicked_init,              \
        .insert = wicked_insert, .victim = victim_, .remove = wicked_remove                        \
    }

static const struct sp_policy wicked_policies[] = {
    WICKED("always-the-same", always_the_same),
    WICKED("never-one", never_one),
    WICKED("who-needs-it", who_needs_it),
    WICKED("last-in", last_in),
    WICKED("any-number", any_number),
    {.abi = SP_POLICY_ABI,
     .name = "nosy",
     .size = wicked_size,
     .init = wicked_init,
     .insert = nosy_insert,
     .hit = nosy_hit,
     .victim = nosy_victim,
     .remove = nosy_remove},
    {.abi = SP_POLICY_ABI,
     .name = "nosy-about-bits",
     .flags = SP_POLICY_SAMPLES,
     .size = wicked_size,
     .init = wicked_init,
     .insert = nosy_insert,
     .victim = nosy_victim,
     .remove = nosy_remove},
};

/* ---- Shapes ---- */

static const struct outside_options shapes[] = {
    /* one frame, and one for each thread */
    {.pages = 12, .slots = 1, .extent_pages = 1, .guaranteed = 1},
    {.pages = 16, .slots = 4, .extent_pages = 4, .guaranteed = 4, .failures = true},
    /* tiny, and everything happens */
    {.pages = 20, .slots = 2, .extent_pages = 4, .guaranteed = 2, .pins = true, .chaos = true},
    {.pages = 24, .slots = 3, .extent_pages = 4, .guaranteed = 2, .extra = 1, .recalls = true},
    {.pages = 24, .slots = 8, .extent_pages = 4, .extra = 4, .recalls = true, .chaos = true},
    /* enough frames for a reserve */
    {.pages = 120, .slots = 64, .extent_pages = 4, .guaranteed = 40, .pins = true},
    {.pages = 120, .slots = 40, .extent_pages = 16, .extra = 40, .recalls = true},
    {.pages = 100,
     .slots = 64,
     .extent_pages = 256,
     .guaranteed = 20,
     .extra = 30,
     .recalls = true,
     .chaos = true,
     .failures = true,
     .pins = true},
    /* contracts for more frames than the container has slots */
    {.pages = 20, .slots = 3, .extent_pages = 4, .guaranteed = 2, .extra = 4, .pins = true},
    /* stores and returns by the batch */
    {.pages = 800,
     .slots = 520,
     .extent_pages = 64,
     .guaranteed = 300,
     .extra = 200,
     .recalls = true},
    /* one by one, and a few at a time, as where pages are large */
    {.pages = 120,
     .slots = 64,
     .extent_pages = 4,
     .guaranteed = 16,
     .extra = 30,
     .batch = 1,
     .recalls = true,
     .chaos = true,
     .failures = true,
     .pins = true},
    {.pages = 120, .slots = 64, .extent_pages = 16, .guaranteed = 40, .batch = 4, .recalls = true},
    /* with read-ahead: much of it, and little with everything else that happens */
    {.pages = 400,
     .slots = 128,
     .extent_pages = 64,
     .guaranteed = 128,
     .read_ahead = 31,
     .failures = true},
    {.pages = 120,
     .slots = 64,
     .extent_pages = 16,
     .guaranteed = 24,
     .extra = 30,
     .batch = 8,
     .read_ahead = 7,
     .recalls = true,
     .chaos = true,
     .failures = true,
     .pins = true,
     .losses = true,
     .stack = 32},
    /* and with evictions while loads are under way */
    {.pages = 400,
     .slots = 128,
     .extent_pages = 64,
     .guaranteed = 128,
     .read_ahead = 63,
     .evicts_later = true,
     .failures = true},
    {.pages = 120,
     .slots = 64,
     .extent_pages = 16,
     .guaranteed = 24,
     .extra = 30,
     .batch = 8,
     .read_ahead = 7,
     .evicts_later = true,
     .recalls = true,
     .chaos = true,
     .failures = true,
     .pins = true,
     .losses = true,
     .stack = 32},
    {.pages = 24, .slots = 8, .extent_pages = 4, .guaranteed = 8, .evicts_later = true},
    /* where others call the pager before these are unmapped */
    {.pages = 24,
     .slots = 8,
     .extent_pages = 4,
     .guaranteed = 8,
     .read_ahead = 3,
     .evicts_later = true,
     .evicts_apart = true,
     .failures = true},
    {.pages = 400,
     .slots = 128,
     .extent_pages = 64,
     .guaranteed = 100,
     .extra = 28,
     .read_ahead = 31,
     .evicts_later = true,
     .evicts_apart = true,
     .recalls = true},
    {.pages = 120,
     .slots = 64,
     .extent_pages = 16,
     .guaranteed = 24,
     .extra = 30,
     .batch = 8,
     .read_ahead = 7,
     .evicts_later = true,
     .evicts_apart = true,
     .recalls = true,
     .chaos = true,
     .failures = true,
     .pins = true,
     .losses = true,
     .stack = 32},
    /* more frames than pages */
    {.pages = 40, .slots = 64, .extent_pages = 16, .guaranteed = 64, .chaos = true},
    /* mappings run out, because we were told, or because the kernel says so */
    {.pages = 60, .slots = 32, .extent_pages = 4, .guaranteed = 32, .map_limit = 8},
    {.pages = 60,
     .slots = 32,
     .extent_pages = 8,
     .guaranteed = 16,
     .extra = 16,
     .map_limit = 12,
     .pins = true,
     .chaos = true,
     .recalls = true},
    {.pages = 60, .slots = 32, .extent_pages = 16, .guaranteed = 32, .map_limit = 2},
    {.pages = 60,
     .slots = 32,
     .extent_pages = 16,
     .guaranteed = 32,
     .kernel_limit = 20,
     .recalls = true},
    /* physmem takes free frames itself; with room for all, for some, for one on the frame stack */
    {.pages = 24, .slots = 8, .extent_pages = 4, .extra = 4, .recalls = true, .stack = 8},
    {.pages = 120, .slots = 64, .extent_pages = 4, .guaranteed = 40, .pins = true, .stack = 1},
    {.pages = 100,
     .slots = 64,
     .extent_pages = 16,
     .guaranteed = 20,
     .extra = 30,
     .recalls = true,
     .chaos = true,
     .failures = true,
     .pins = true,
     .stack = 6},
    {.pages = 400,
     .slots = 260,
     .extent_pages = 64,
     .extra = 250,
     .recalls = true,
     .chaos = true,
     .stack = 512},
    /* and takes frames by force, whatever is under way for them */
    {.pages = 24, .slots = 4, .extent_pages = 2, .guaranteed = 4, .losses = true, .failures = true},
    {.pages = 100,
     .slots = 64,
     .extent_pages = 16,
     .guaranteed = 20,
     .extra = 30,
     .recalls = true,
     .chaos = true,
     .failures = true,
     .pins = true,
     .losses = true},
    {.pages = 100,
     .slots = 64,
     .extent_pages = 8,
     .guaranteed = 10,
     .extra = 40,
     .recalls = true,
     .losses = true,
     .stack = 32},
};

#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static uint64_t first_seed(void)
{
    const char *text = getenv("PAGER_SEED");

    return text != NULL ? strtoull(text, NULL, 0) : 1;
}

/* Faults on pages whose only copy was taken, in all shapes. */
static uint64_t deaths, taken, losses;

static void run_shape(const struct sp_policy *policy, const double *params,
                      const struct outside_options *shape, uint64_t seed)
{
    struct outside_options options = *shape;
    struct outside *outside = malloc(sizeof(*outside));
    uint32_t steps = STEPS * 100 / (100 + shape->pages);

    assert_non_null(outside);
    options.policy = strict_policy(policy);
    options.params = params;
    options.seed = seed;
    /* Those that sample do it both ways; the wicked one of them asks for bits everywhere. */
    options.bits = (policy->flags & SP_POLICY_SAMPLES) != 0 &&
                   ((policy->flags & SP_POLICY_LIVE) == 0 || seed % 2 == 1);
    if (options.map_limit == 0)
        options.map_limit = UINT32_MAX;
    outside_init(outside, &options);
    for (uint32_t step = 0; step < steps; step++) {
        outside_step(outside);
        if (step % SETTLE_EVERY == SETTLE_EVERY - 1)
            outside_settle(outside);
    }
    /* In a few steps as under Valgrind some policies meet neither. */
    if (!RUNNING_ON_VALGRIND && shape->stack > 1 && shape->slots >= 64 && outside->taken == 0)
        outside_fail(outside, "nothing was taken from the frame stack");
    if (!RUNNING_ON_VALGRIND && shape->losses && outside->losses == 0)
        outside_fail(outside, "nothing was lost");
    deaths += outside->deaths;
    taken += outside->taken;
    losses += outside->losses;
    outside_fini(outside);
    free(outside);
}

static void run_policy(const struct sp_policy *policy)
{
    struct policy_choice choice;
    struct sp_error error;

    assert_int_equal(policy_params_adopt(&choice, policy, NULL, &error), 0);
    for (size_t i = 0; i < SHAPES; i++)
        run_shape(policy, choice.params, &shapes[i], first_seed() * 1000 + i);
    assert_true(deaths > 0);
    assert_true(taken > 0);
    assert_true(losses > 0);
}

static void test_policy(void **state)
{
    run_policy(*state);
}

int main(void)
{
    enum { WICKED_ONES = sizeof(wicked_policies) / sizeof(wicked_policies[0]) };
    static struct CMUnitTest tests[POLICIES_MOST + WICKED_ONES];
    const struct sp_policy *policy;
    size_t count = 0;

    for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++) {
        if (policy->flags & SP_POLICY_LIVE && count < POLICIES_MOST)
            tests[count++] = (struct CMUnitTest){.name = policy->name,
                                                 .test_func = test_policy,
                                                 .initial_state = (void *)(uintptr_t)policy};
    }
    for (size_t i = 0; i < WICKED_ONES; i++)
        tests[count++] =
            (struct CMUnitTest){.name = wicked_policies[i].name,
                                .test_func = test_policy,
                                .initial_state = (void *)(uintptr_t)&wicked_policies[i]};
    return _cmocka_run_group_tests("pager_property", tests, count, NULL, NULL);
}
