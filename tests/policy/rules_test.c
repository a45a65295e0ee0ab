/* Every built-in policy under everything an engine may do, in random legal order, against a model
 * that knows which pages the policy has, and for fifo, lru and clock their exact order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <valgrind/valgrind.h>

#include "base/random.h"
#include "policy/params.h"
#include "policy/registry.h"

#define PAGES 64u

/* Pages that a policy may start to watch in one call: each costs a live task a system call. */
#define WATCHES_MOST 4u

enum standing { ABSENT = 0, WITH_POLICY, PINNED, SKIPPED };

struct driver {
    struct sp_policy_env env; /* first: see driver_of */
    struct policy_choice choice;
    void *self;
    struct random_source random; /* for the policy */
    enum standing standing[PAGES];
    bool bit[PAGES];
    sp_page order[PAGES]; /* the policy's pages as the model has them; the last goes first */
    uint32_t count;       /* of them */
    uint32_t frames;
    uint32_t resident;  /* with the policy, pinned or skipped */
    uint32_t watches;   /* by the current call */
    uint64_t decisions; /* hash of all victims */
    uint64_t seed;
};

static struct driver *driver_of(struct sp_policy_env *env)
{
    return (struct driver *)env;
}

/* The policy may ask only about pages that are resident. */
static void check_resident(struct driver *driver, sp_page page)
{
    if (page >= PAGES || driver->standing[page] == ABSENT)
        fail_msg("%s asks about page %u, which is not resident (seed %lu)",
                 driver->choice.policy->name, page, (unsigned long)driver->seed);
}

static bool env_referenced(struct sp_policy_env *env, sp_page page)
{
    struct driver *driver = driver_of(env);
    bool bit;

    check_resident(driver, page);
    bit = driver->bit[page];
    driver->bit[page] = false;
    return bit;
}

static void env_watch(struct sp_policy_env *env, sp_page page)
{
    check_resident(driver_of(env), page);
    if (++driver_of(env)->watches > WATCHES_MOST)
        fail_msg("%s watches more than %u pages in one call", driver_of(env)->choice.policy->name,
                 WATCHES_MOST);
}

static bool env_dirty(struct sp_policy_env *env, sp_page page)
{
    check_resident(driver_of(env), page);
    return page % 2 == 0;
}

/* Any future is legal, as long as it does not change before the page is referenced. */
static uint64_t env_next(struct sp_policy_env *env, sp_page page)
{
    return env->time + 1 + (page * 2654435761u >> 16);
}

static uint32_t env_random(struct sp_policy_env *env, uint32_t bound)
{
    assert_true(bound > 0);
    return random_below(&driver_of(env)->random, bound);
}

/* ---- The model's order ---- */

static bool is(const struct driver *driver, const char *name)
{
    return strcmp(driver->choice.policy->name, name) == 0;
}

static void order_add(struct driver *driver, sp_page page, uint32_t place)
{
    memmove(&driver->order[place + 1], &driver->order[place],
            (driver->count - place) * sizeof(sp_page));
    driver->order[place] = page;
    driver->count++;
}

static void order_drop(struct driver *driver, sp_page page)
{
    uint32_t i = 0;

    while (driver->order[i] != page)
        i++;
    driver->count--;
    memmove(&driver->order[i], &driver->order[i + 1], (driver->count - i) * sizeof(sp_page));
}

static void order_move(struct driver *driver, sp_page page, bool front)
{
    order_drop(driver, page);
    order_add(driver, page, front ? 0 : driver->count);
}

/* The page that has to go, or SP_NO_PAGE if the model cannot say. Works on copies of the bits. */
static sp_page model_victim(const struct driver *driver)
{
    bool bit[PAGES];
    uint32_t i = driver->count;

    if (is(driver, "fifo") || is(driver, "lru"))
        return driver->order[driver->count - 1];
    if (!is(driver, "clock"))
        return SP_NO_PAGE;
    memcpy(bit, driver->bit, sizeof(bit));
    for (;;) { /* nothing comes in meanwhile, so that round the ring is up the array again */
        i = i == 0 ? driver->count - 1 : i - 1;
        if (!bit[driver->order[i]])
            return driver->order[i];
        bit[driver->order[i]] = false;
    }
}

/* ---- What an engine may do ---- */

static sp_page pick(struct driver *driver, struct random_source *random, enum standing standing)
{
    sp_page page = random_below(random, PAGES);

    for (uint32_t i = 0; i < PAGES; i++)
        if (driver->standing[(page + i) % PAGES] == standing)
            return (page + i) % PAGES;
    return SP_NO_PAGE;
}

static void insert(struct driver *driver, sp_page page, enum sp_access access)
{
    driver->bit[page] = false;
    driver->resident += driver->standing[page] == ABSENT;
    driver->standing[page] = WITH_POLICY;
    order_add(driver, page, 0);
    driver->watches = 0;
    driver->choice.policy->insert(driver->self, page, access);
}

static void removed(struct driver *driver, sp_page page, enum sp_removal why,
                    enum standing standing)
{
    driver->watches = 0;
    driver->choice.policy->remove(driver->self, page, why);
    order_drop(driver, page);
    driver->resident -= standing == ABSENT;
    driver->standing[page] = standing;
}

static void hit(struct driver *driver, sp_page page, enum sp_access access)
{
    driver->bit[page] = true;
    if (is(driver, "lru"))
        order_move(driver, page, true);
    driver->watches = 0;
    if (driver->choice.policy->hit != NULL)
        driver->choice.policy->hit(driver->self, page, access);
}

static void hint(struct driver *driver, sp_page page, enum sp_hint what)
{
    if (driver->choice.policy->hint == NULL)
        return;
    if (what != SP_HINT_WILL_NEED && (is(driver, "lru") || is(driver, "clock")))
        order_move(driver, page, false);
    else if (is(driver, "lru"))
        order_move(driver, page, true);
    driver->watches = 0;
    driver->choice.policy->hint(driver->self, page, what);
    if (is(driver, "clock") && what != SP_HINT_WILL_NEED)
        assert_false(driver->bit[page]);
}

static void victim(struct driver *driver, struct random_source *random, sp_page incoming)
{
    sp_page expected = model_victim(driver), page, passed;

    driver->watches = 0;
    page = driver->choice.policy->victim(driver->self, incoming);
    if (page >= PAGES || driver->standing[page] != WITH_POLICY)
        fail_msg("%s names page %u, which is not its own (seed %lu)", driver->choice.policy->name,
                 page, (unsigned long)driver->seed);
    if (expected != SP_NO_PAGE && page != expected)
        fail_msg("%s names page %u instead of %u (seed %lu)", driver->choice.policy->name, page,
                 expected, (unsigned long)driver->seed);
    driver->decisions = (driver->decisions ^ page) * UINT64_C(0x100000001b3);
    while (is(driver, "clock") && (passed = driver->order[driver->count - 1]) != page)
        order_move(driver, passed, true);
    switch (random_below(random, 4)) {
    case 0: /* it cannot go now, and comes back later */
        removed(driver, page, SP_SKIPPED, SKIPPED);
        break;
    default:
        removed(driver, page, SP_EVICTED, ABSENT);
    }
}

/* A reference to a page that is not resident: one leaves for it if no frame is free. */
static void fault(struct driver *driver, struct random_source *random, sp_page page)
{
    bool ahead = random_below(random, 4) == 0; /* of need */

    while (driver->resident >= driver->frames || (ahead && driver->count > 0)) {
        if (driver->count == 0)
            return; /* all that is resident is pinned */
        victim(driver, random, ahead ? SP_NO_PAGE : page);
        ahead = false;
    }
    insert(driver, page, random_below(random, 2) ? SP_WRITE : SP_READ);
}

/* A contract changes: pages leave before there are fewer frames, or, where that is up to the
 * policy's engine, after. */
static void resize(struct driver *driver, struct random_source *random)
{
    uint32_t frames = 1 + random_below(random, random_below(random, 3) == 0 ? 4 : PAGES + 8);
    bool before = random_below(random, 2) == 0;

    driver->frames = frames;
    if (!before && driver->choice.policy->resize != NULL)
        driver->choice.policy->resize(driver->self, frames);
    while (driver->resident > frames && driver->count > 0)
        victim(driver, random, SP_NO_PAGE);
    if (before && driver->choice.policy->resize != NULL)
        driver->choice.policy->resize(driver->self, frames);
}

static void step(struct driver *driver, struct random_source *random)
{
    uint32_t what = random_below(random, 1000);
    enum standing wanted = WITH_POLICY;
    sp_page page;

    if (what < 350)
        wanted = ABSENT;
    else if (what < 400)
        wanted = PINNED;
    else if (what < 460)
        wanted = SKIPPED;
    page = pick(driver, random, wanted);
    if (page == SP_NO_PAGE)
        return;
    if (wanted == ABSENT)
        fault(driver, random, page);
    else if (wanted != WITH_POLICY)
        insert(driver, page, SP_READ);
    else if (what < 850)
        hit(driver, page, random_below(random, 2) ? SP_WRITE : SP_READ);
    else if (what < 880)
        victim(driver, random, SP_NO_PAGE);
    else if (what < 920)
        removed(driver, page, SP_PINNED, PINNED);
    else if (what < 945)
        removed(driver, page, SP_DISCARDED, ABSENT);
    else if (what < 985)
        hint(driver, page, (enum sp_hint)random_below(random, 4));
    else
        resize(driver, random);
}

/* Which values the parameters have. */
enum values { PRESETS, ALL_LEAST, ALL_MOST };

static void choose_values(struct policy_choice *choice, enum values values)
{
    const struct sp_policy_param *param = choice->policy->params;

    for (size_t i = 0; param != NULL && param[i].name != NULL && values != PRESETS; i++)
        choice->params[i] = values == ALL_LEAST ? param[i].least : param[i].most;
}

/* Returns a hash of the policy's decisions. */
static uint64_t drive(const struct sp_policy *policy, enum values values, uint64_t seed,
                      uint32_t frames, uint32_t steps)
{
    struct driver driver = {.env = {env_referenced, env_watch, env_dirty, env_random, 0, env_next},
                            .random = random_seeded(seed + 1),
                            .frames = frames,
                            .seed = seed};
    struct random_source random = random_seeded(seed);
    struct sp_policy_config config = {.pages = PAGES, .frames = frames};
    size_t size;

    assert_int_equal(policy_params_choose(&driver.choice, policy->name, NULL), 0);
    choose_values(&driver.choice, values);
    config.params = driver.choice.params;
    size = (policy->size(&config) + 63) / 64 * 64;
    driver.self = aligned_alloc(64, size);
    assert_non_null(driver.self);
    memset(driver.self, 0, size);
    config.env = &driver.env;
    if (policy->init != NULL)
        policy->init(driver.self, &config);
    for (uint32_t i = 0; i < steps; i++) {
        driver.env.time++;
        step(&driver, &random);
    }
    while (driver.count > 0) {
        victim(&driver, &random, SP_NO_PAGE);
    }
    free(driver.self);
    return driver.decisions;
}

static void test_random_driving(void **state)
{
    static const uint32_t frames[] = {1, 2, 3, 5, 9, 16, 40, PAGES, 4 * PAGES};
    enum { SIZES = sizeof(frames) / sizeof(frames[0]) };
    const struct sp_policy *policy;
    uint64_t seeds = RUNNING_ON_VALGRIND ? SIZES : 4 * SIZES;

    (void)state;
    for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++)
        for (uint64_t seed = 1; seed <= seeds; seed++)
            drive(policy, PRESETS, seed, frames[seed % SIZES], RUNNING_ON_VALGRIND ? 1500 : 4000);
}

static void test_limits_of_parameters(void **state)
{
    static const uint32_t frames[] = {1, 2, 7, 30, PAGES};
    enum { SIZES = sizeof(frames) / sizeof(frames[0]) };
    const struct sp_policy *policy;
    uint64_t seeds = RUNNING_ON_VALGRIND ? SIZES : 2 * SIZES;

    (void)state;
    for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++)
        for (uint64_t seed = 1; seed <= seeds && policy->params != NULL; seed++) {
            drive(policy, ALL_LEAST, seed, frames[seed % SIZES], 1500);
            drive(policy, ALL_MOST, seed, frames[seed % SIZES], 1500);
        }
}

/* The same seed gives the same decisions, whatever lay in memory before. */
static void test_decisions_follow_the_seed(void **state)
{
    const struct sp_policy *policy;

    (void)state;
    for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++)
        assert_int_equal(drive(policy, PRESETS, 77, 20, 1000),
                         drive(policy, PRESETS, 77, 20, 1000));
}

/* A policy that cannot run live names one that can, and cannot claim both. */
static void test_live_forms(void **state)
{
    const struct sp_policy *policy, *live;

    (void)state;
    for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++) {
        assert_int_equal(policy_params_check(policy, NULL), 0);
        assert_non_null(policy->summary);
        assert_non_null(policy->source);
        if (policy->flags & SP_POLICY_LIVE) {
            assert_false(policy->flags & SP_POLICY_NEEDS_FUTURE);
            continue;
        }
        assert_non_null(policy->live_form);
        live = policy_registry_find(policy->live_form, strlen(policy->live_form));
        assert_non_null(live);
        assert_true(live->flags & SP_POLICY_LIVE);
    }
}

/* What a live task pays: 48 bytes a page; the pager takes 16 of them. */
static void test_live_memory(void **state)
{
    struct sp_policy_config config = {.pages = 100000, .frames = 50000};
    const struct sp_policy *policy;
    struct policy_choice choice;

    (void)state;
    for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++) {
        assert_int_equal(policy_params_choose(&choice, policy->name, NULL), 0);
        config.params = choice.params;
        if (policy->flags & SP_POLICY_LIVE)
            assert_true(policy->size(&config) <= 32 * (size_t)config.pages);
    }
}

/* A policy may touch only what lies in its state: a page more than it asked for is poisoned. */
static void test_state_is_as_large_as_said(void **state)
{
    const struct sp_policy *policy;

    (void)state;
    for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++) {
        struct driver driver = {
            .env = {env_referenced, env_watch, env_dirty, env_random, 0, env_next}};
        struct sp_policy_config config = {.pages = PAGES, .frames = PAGES};
        unsigned char *memory;
        size_t size;

        assert_int_equal(policy_params_choose(&driver.choice, policy->name, NULL), 0);
        config.params = driver.choice.params;
        size = policy->size(&config);
        memory = aligned_alloc(64, (size + 64 + 63) / 64 * 64);
        assert_non_null(memory);
        memset(memory, 0, size);
        memset(memory + size, 0xa5, 64);
        driver.self = memory;
        config.env = &driver.env;
        if (policy->init != NULL)
            policy->init(memory, &config);
        for (sp_page page = 0; page < PAGES; page++)
            insert(&driver, page, SP_READ);
        for (sp_page page = 0; page < PAGES; page++)
            hit(&driver, page, SP_WRITE);
        for (sp_page page = 0; page < PAGES / 2; page++)
            removed(&driver, policy->victim(memory, SP_NO_PAGE), SP_EVICTED, ABSENT);
        for (size_t byte = 0; byte < 64; byte++)
            assert_int_equal(memory[size + byte], 0xa5);
        free(memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_driving),
        cmocka_unit_test(test_limits_of_parameters),
        cmocka_unit_test(test_decisions_follow_the_seed),
        cmocka_unit_test(test_live_forms),
        cmocka_unit_test(test_live_memory),
        cmocka_unit_test(test_state_is_as_large_as_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
