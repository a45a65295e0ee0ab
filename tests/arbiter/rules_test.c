/* What every arbiter keeps, whatever the tasks hold and ask for, and arbiters beside plain ones that go frame by frame. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "arbiter/auction.h"
#include "arbiter/karma.h"
#include "arbiter/target.h"
#include "base/random.h"
#include "sandbox.h"

#define SECOND UINT64_C(1000000000)
#define TASKS  6u
#define FRAMES 2000u

/* ---- Any world ---- */

/* Parents come before their children, as in physmem. */
static void any_world(struct sandbox *sandbox, const char *name, struct random_source *random)
{
    uint32_t left = FRAMES - TASKS * 150;

    sandbox_init(sandbox, name, FRAMES, 1 + random_below(random, TASKS));
    sandbox->now = SECOND;
    for (uint32_t i = 0; i < sandbox->count; i++) {
        struct sp_arbiter_task *t = &sandbox->task[i];
        uint32_t spare;

        t->parent = random_below(random, 2) == 0 ? random_below(random, i + 1) : 0;
        t->priority = random_below(random, 3);
        t->weight = 1 + random_below(random, 4);
        t->guaranteed = random_below(random, 100);
        t->leased = random_below(random, 3) == 0 ? random_below(random, 50) : 0;
        t->extra = FRAMES;
        spare = random_below(random, left / 2);
        left -= spare;
        t->held = t->guaranteed + t->leased + spare;
        t->owed = random_below(random, 3) == 0 ? random_below(random, spare + 1) : 0;
        t->recallable = spare - t->owed;
        t->wanted = random_below(random, 2) == 0 ? random_below(random, 300) : 0;
        t->demand = t->held - t->owed + t->wanted + random_below(random, 300);
        t->idle = random_below(random, SP_ARBITER_WHOLE + 1);
        t->bid = random_below(random, 10);
        t->ghost_hits = random_below(random, 10);
    }
}

/* The answer to a request, as if nothing had been asked before. */
static uint32_t ask(const struct sandbox *sandbox, const struct sp_arbiter_request *request,
                    uint32_t *takes)
{
    const struct sp_arbiter *arbiter = sandbox->choice.arbiter;
    struct sandbox copy = *sandbox;
    size_t size = arbiter->size != NULL ? arbiter->size(&sandbox->config) : 0;
    uint32_t grant;

    copy.self = malloc(size + 1);
    assert_non_null(copy.self);
    memcpy(copy.self, sandbox->self, size);
    for (uint32_t i = 0; i < copy.count; i++)
        copy.task[i].own = copy.own[i];
    memset(takes, 0, copy.count * sizeof(*takes));
    grant = arbiter->decide(copy.self, copy.now, copy.task, copy.count, request, takes);
    free(copy.self);
    return grant;
}

static uint64_t sum_of_takes(const struct sandbox *sandbox, const uint32_t *takes)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < sandbox->count; i++) {
        if (takes[i] > sandbox->task[i].recallable)
            fail_msg("%s takes %u of %u frames from task %u", sandbox->choice.arbiter->name,
                     takes[i], sandbox->task[i].recallable, i);
        sum += takes[i];
    }
    return sum;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

typedef void check_world(const struct sandbox *sandbox, struct random_source *random);

static void in_any_world(check_world *check)
{
    struct random_source random = random_seeded(19);
    const struct sp_arbiter *arbiter;

    for (size_t i = 0; (arbiter = arbiter_registry_builtin(i)) != NULL; i++)
        for (unsigned round = 0; round < 300; round++) {
            struct sandbox sandbox;

            any_world(&sandbox, arbiter->name, &random);
            check(&sandbox, &random);
            sandbox_fini(&sandbox);
        }
}

/* SHORT: exactly as many are recalled as are missing, or all there are. */
static void recalls_what_is_missing(const struct sandbox *sandbox, struct random_source *random)
{
    struct sp_arbiter_request request = {
        .event = SP_ARBITER_SHORT, .frames = 1 + random_below(random, FRAMES), .spare = 0};
    uint32_t takes[SANDBOX_TASKS];
    uint64_t recallable = 0, sum;

    for (uint32_t i = 0; i < sandbox->count; i++)
        recallable += sandbox->task[i].recallable;
    (void)ask(sandbox, &request, takes);
    sum = sum_of_takes(sandbox, takes);
    if (sum != least(request.frames, recallable))
        fail_msg("%s recalls %lu of %u frames, %lu could be", sandbox->choice.arbiter->name,
                 (unsigned long)sum, request.frames, (unsigned long)recallable);
}

static void what_is_missing_is_recalled(void **state)
{
    (void)state;
    in_any_world(recalls_what_is_missing);
}

/* EXTRA, of each task that asks: what is granted to all, and no more is what there is, is coming, and is recalled. */
static void grants_what_there_is(const struct sandbox *sandbox, struct random_source *random)
{
    const struct sp_arbiter *arbiter = sandbox->choice.arbiter;
    struct sp_arbiter_request request = {.event = SP_ARBITER_EXTRA,
                                         .spare = (int32_t)random_below(random, 300) - 50,
                                         .coming = random_below(random, 50)};
    uint64_t wanted = 0, granted = 0, can = 0, recalled = 0;
    int64_t there = (int64_t)request.spare + request.coming;
    unsigned asking = 0;

    if ((arbiter->flags & SP_ARBITER_GRANTS) == 0)
        return;
    for (uint32_t i = 0; i < sandbox->count; i++) {
        uint32_t takes[SANDBOX_TASKS];

        can += sandbox->task[i].recallable;
        wanted += sandbox->task[i].wanted;
        if (sandbox->task[i].wanted == 0)
            continue;
        request.task = i;
        request.frames = sandbox->task[i].wanted;
        granted += least(ask(sandbox, &request, takes), request.frames);
        recalled = sum_of_takes(sandbox, takes);
        asking++;
    }
    if (asking == 0)
        return;
    if (there >= (int64_t)wanted ? granted != wanted || recalled != 0
                                 : (int64_t)granted != (int64_t)recalled + there &&
                                       (granted != 0 || (int64_t)recalled + there > 0))
        fail_msg("%s grants %lu of %lu frames; %ld are there, %lu are recalled", arbiter->name,
                 (unsigned long)granted, (unsigned long)wanted, (long)there,
                 (unsigned long)recalled);
    if (granted == 0 && there < 0 && recalled != least((uint64_t)-there, can))
        fail_msg("%s recalls %lu frames of %ld that must come back", arbiter->name,
                 (unsigned long)recalled, (long)there);
}

static void what_there_is_is_granted(void **state)
{
    (void)state;
    in_any_world(grants_what_there_is);
}

/* What a task may plan with is what it would have if it asked; at a step of a price, the least. */
static void plans_with_what_it_would_get(const struct sandbox *sandbox,
                                         struct random_source *random)
{
    const struct sp_arbiter *arbiter = sandbox->choice.arbiter;
    struct sandbox copy = *sandbox;
    struct sp_arbiter_request request = {.event = SP_ARBITER_EXTRA,
                                         .task = random_below(random, sandbox->count),
                                         .spare = (int32_t)random_below(random, 100)};
    struct sp_arbiter_task *task = &copy.task[request.task];
    bool has_steps = arbiter == &arbiter_auction || arbiter == &arbiter_market;
    uint32_t takes[SANDBOX_TASKS], grant, available, gets;

    if (arbiter->available == NULL || arbiter == &arbiter_viengoos)
        return;
    for (uint32_t i = 0; i < copy.count; i++)
        copy.task[i].own = copy.own[i];
    task->wanted += 50;
    request.frames = task->wanted;
    /* Once, so that all are known. */
    (void)arbiter->decide(copy.self, copy.now, copy.task, copy.count, &request,
                          memset(takes, 0, sizeof(takes)));
    available = arbiter->available(copy.self, copy.now, copy.task, copy.count, &request);
    grant = ask(&copy, &request, takes);
    gets = task->held - task->owed + grant - takes[request.task];
    if (available > gets + 1 || (!has_steps && available + 1 < gets))
        fail_msg("%s: %u frames are available to a task that has %u, would be granted %u and give "
                 "%u",
                 arbiter->name, available, task->held - task->owed, grant, takes[request.task]);
}

static void a_task_plans_with_what_it_would_get(void **state)
{
    (void)state;
    in_any_world(plans_with_what_it_would_get);
}

/* An arbiter that was asked while there was nobody does as if it had not been. */
static void nobody_leaves_no_trace(void **state)
{
    static const uint32_t demand[] = {1400, 1400};
    const struct sp_arbiter *arbiter;

    (void)state;
    for (size_t i = 0; (arbiter = arbiter_registry_builtin(i)) != NULL; i++) {
        struct sandbox asked, fresh;

        sandbox_init(&asked, arbiter->name, FRAMES, 2);
        sandbox_init(&fresh, arbiter->name, FRAMES, 2);
        asked.count = 0;
        sandbox_decide(&asked, SP_ARBITER_TICK, 0, 0);
        sandbox_decide(&asked, SP_ARBITER_SHORT, 0, 10);
        asked.count = 2;
        sandbox_pass(&asked, 20 * SECOND, demand);
        sandbox_pass(&fresh, 20 * SECOND, demand);
        for (uint32_t t = 0; t < 2; t++)
            assert_int_equal(asked.task[t].held, fresh.task[t].held);
        sandbox_fini(&asked);
        sandbox_fini(&fresh);
    }
}

/* ---- Karma, a frame at a time ---- */

struct plain_karma {
    double credits[TASKS];
    double allotted[TASKS];
};

/* The task with most (or least) credits among those that have frames left to borrow (or lend). */
static uint32_t pick(const struct plain_karma *karma, const uint32_t *left, uint32_t count,
                     bool most)
{
    uint32_t best = count;

    for (uint32_t i = 0; i < count; i++)
        if (left[i] > 0 && (best == count || (most ? karma->credits[i] > karma->credits[best]
                                                   : karma->credits[i] < karma->credits[best])))
            best = i;
    return best;
}

static void plain_quantum(struct plain_karma *karma, const uint32_t *demand, uint32_t count,
                          uint32_t frames, uint32_t fair)
{
    uint32_t borrows[TASKS], lends[TASKS], shared = frames - count * fair, lent = 0, who;

    for (uint32_t i = 0; i < count; i++) {
        karma->credits[i] += shared / count;
        borrows[i] = demand[i] > fair ? demand[i] - fair : 0;
        lends[i] = demand[i] < fair ? fair - demand[i] : 0;
        karma->allotted[i] = demand[i] < fair ? demand[i] : fair;
        lent += lends[i];
    }
    for (uint32_t supply = shared + lent, borrowed = 0; supply > 0; supply--, borrowed++) {
        who = pick(karma, borrows, count, true);
        if (who == count || karma->credits[who] < 1) {
            lent = lent < borrowed ? lent : borrowed;
            break;
        }
        karma->credits[who]--;
        karma->allotted[who]++;
        borrows[who]--;
    }
    for (; lent > 0; lent--) {
        who = pick(karma, lends, count, false);
        karma->credits[who]++;
        lends[who]--;
    }
}

/* Borrowers pay before lenders are paid, in both: nobody is both. */
static void karma_allots_as_frame_by_frame(void **state)
{
    struct random_source random = random_seeded(23);

    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        uint32_t count = 2 + random_below(&random, TASKS - 1), demand[TASKS];
        uint32_t fair = 0.5 * 300 / count;
        struct plain_karma plain = {0};
        struct sandbox sandbox;

        sandbox_init(&sandbox, "karma:guaranteed-fraction=0.5,credits=200", 300, count);
        for (uint32_t i = 0; i < count; i++)
            plain.credits[i] = 200;
        for (unsigned quantum = 0; quantum < 20; quantum++) {
            for (uint32_t i = 0; i < count; i++)
                demand[i] = sandbox.task[i].demand = random_below(&random, 150);
            sandbox.now += SECOND;
            sandbox_decide(&sandbox, SP_ARBITER_TICK, 0, 0);
            plain_quantum(&plain, demand, count, 300, fair);
            for (uint32_t i = 0; i < count; i++) {
                const struct karma_task *own = sandbox.task[i].own;

                if (own->credits != plain.credits[i] || own->target.frames != plain.allotted[i])
                    fail_msg("quantum %u, task %u of %u: %g credits, %g frames, should be %g, %g",
                             quantum, i, count, own->credits, own->target.frames, plain.credits[i],
                             plain.allotted[i]);
            }
        }
        sandbox_fini(&sandbox);
    }
}

/* ---- The auction's charges ---- */

/* The most that the tasks but one can value `frames` frames at. */
static uint64_t most_without(const struct sandbox *sandbox, const uint32_t *demand, uint32_t one,
                             uint32_t frames)
{
    uint64_t value = 0;
    bool done[TASKS] = {false};

    for (uint32_t round = 0; round < sandbox->count; round++) {
        uint32_t best = TASKS, part;

        for (uint32_t i = 0; i < sandbox->count; i++)
            if (i != one && !done[i] &&
                (best == TASKS || sandbox->task[i].bid > sandbox->task[best].bid))
                best = i;
        if (best == TASKS)
            break;
        done[best] = true;
        part = demand[best] < frames ? demand[best] : frames;
        value += part * sandbox->task[best].bid;
        frames -= part;
    }
    return value;
}

static void a_winner_pays_what_the_others_lose(void **state)
{
    struct random_source random = random_seeded(29);

    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        uint32_t demand[TASKS], count = 2 + random_below(&random, TASKS - 1);
        struct sandbox sandbox;

        sandbox_init(&sandbox, "auction", 100, count);
        for (uint32_t i = 0; i < count; i++) {
            demand[i] = random_below(&random, 60);
            sandbox.task[i].bid = random_below(&random, 6); /* often the same */
        }
        sandbox_pass(&sandbox, 13 * SECOND, demand);
        for (uint32_t i = 0; i < count; i++) {
            uint64_t others = 0;

            for (uint32_t j = 0; j < count; j++)
                others += j != i ? sandbox.task[j].held * sandbox.task[j].bid : 0;
            assert_int_equal((uint64_t)(((struct auction_task *)sandbox.task[i].own)->charge + 0.5),
                             most_without(&sandbox, demand, i, 100) - others);
        }
        sandbox_fini(&sandbox);
    }
}

/* Leased frames, too, are not for sale before their time. */
static void the_lowest_bidder_keeps_what_is_promised(void **state)
{
    struct sandbox sandbox;

    (void)state;
    sandbox_init(&sandbox, "auction", 100, 2);
    sandbox.task[0].bid = 9;
    sandbox.task[0].demand = 50;
    sandbox.task[1].bid = 1;
    sandbox.task[1].demand = 50;
    sandbox.task[1].guaranteed = 10;
    sandbox.task[1].leased = 20;
    sandbox_decide(&sandbox, SP_ARBITER_TICK, 0, 0);
    sandbox.task[0].held = sandbox.task[1].held = 50;
    for (uint32_t i = 0; i < 2; i++)
        sandbox.task[i].recallable = 50;
    {
        struct sp_arbiter_request request = {.event = SP_ARBITER_SHORT, .frames = 30};
        uint32_t takes[SANDBOX_TASKS];

        (void)ask(&sandbox, &request, takes);
        assert_int_equal(takes[0], 10);
        assert_int_equal(takes[1], 20);
    }
    sandbox_fini(&sandbox);
}

/* ---- The market ---- */

#define INCOME  1000.0
#define LEASE   10.0
#define SAVINGS 60.0

/* All want more than there is, and have no bids. */
static void the_market_reckons_as_it_says(void **state)
{
    static const uint32_t guaranteed[] = {100, 0, 50}, weight[] = {1, 2, 1};
    static const uint32_t all[] = {2000, 2000, 2000}, some[] = {2000, 2000, 0};
    double balance[3] = {0, 0, 0}, price = 0;
    struct sandbox sandbox;

    (void)state;
    sandbox_init(&sandbox, "market", FRAMES, 3);
    for (uint32_t i = 0; i < 3; i++) {
        sandbox.task[i].guaranteed = guaranteed[i];
        sandbox.task[i].weight = weight[i];
    }
    for (unsigned round = 0; round < 40; round++) {
        const uint32_t *demand = round % 8 < 5 ? some : all;
        double worth[3], sum = 0, left = FRAMES, level;
        uint64_t ns = round % 3 == 0 ? SECOND / 2 : SECOND;

        for (uint32_t i = 0; i < 3; i++) {
            uint32_t held = least(sandbox.task[i].held, demand[i]);
            double beyond = held > guaranteed[i] ? held - guaranteed[i] : 0;

            balance[i] += (INCOME * weight[i] - price * beyond) * (double)ns / 1e9;
            balance[i] = fmax(0, fmin(balance[i], INCOME * weight[i] * SAVINGS));
            worth[i] = INCOME * weight[i] + balance[i] / LEASE;
            if (demand[i] == 0)
                continue;
            sum += worth[i];
            left -= guaranteed[i];
        }
        level = left / sum;
        price = 1 / level;
        sandbox_pass(&sandbox, ns, demand);
        for (uint32_t i = 0; i < 3; i++) {
            double expected = demand[i] > 0 ? guaranteed[i] + level * worth[i] : 0;

            if (fabs(sandbox.task[i].held - expected) > 2)
                fail_msg("round %u, task %u: %u frames, should be %g", round, i,
                         sandbox.task[i].held, expected);
        }
    }
    sandbox_fini(&sandbox);
}

/* ---- Those that follow ghost hits ---- */

static void who_climbs_leaves_others_what_is_promised(const char *name, uint32_t step)
{
    static const uint32_t demand[] = {2000, 2000};
    struct sandbox sandbox;

    sandbox_init(&sandbox, name, FRAMES, 2);
    sandbox.task[0].guaranteed = 100;
    for (unsigned i = 0; i < 300; i++) {
        sandbox.task[1].ghost_hits += 5;
        sandbox_pass(&sandbox, SECOND, demand);
        assert_true(((struct target_task *)sandbox.task[0].own)->target.frames >= 100);
    }
    /* From 1000, step by step. */
    assert_true(((struct target_task *)sandbox.task[0].own)->target.frames == 100 + 900 % step);
    sandbox_fini(&sandbox);
}

static void nobody_shrinks_below_its_guarantee(void **state)
{
    (void)state;
    who_climbs_leaves_others_what_is_promised("cliffhanger", 4);
    who_climbs_leaves_others_what_is_promised("midas", 8);
    who_climbs_leaves_others_what_is_promised("midas:step=7", 7);
    who_climbs_leaves_others_what_is_promised("cliffhanger:step=7", 7);
}

/* ---- Trees ---- */

static void expect_tree(const uint32_t *priority, const uint32_t *parent, const uint32_t *held,
                        uint32_t count)
{
    static const uint32_t demand[] = {2000, 2000, 2000, 2000};
    struct sandbox sandbox;

    sandbox_init(&sandbox, "viengoos", FRAMES, count);
    for (uint32_t i = 0; i < count; i++) {
        sandbox.task[i].parent = parent[i];
        sandbox.task[i].priority = priority[i];
    }
    sandbox_settle(&sandbox, demand);
    for (uint32_t i = 0; i < count; i++)
        assert_in_range(sandbox.task[i].held, held[i], held[i] + 1);
    sandbox_fini(&sandbox);
}

static void a_tree_is_divided_at_each_of_its_forks(void **state)
{
    static const uint32_t none[4] = {0};

    (void)state;
    expect_tree(none, (const uint32_t[]){0, 0, 2, 3}, (const uint32_t[]){1000, 500, 250, 250}, 4);
    /* A parent of a lower priority than its child gives first, and one of a higher priority last. */
    expect_tree((const uint32_t[]){0, 0, 5}, (const uint32_t[]){0, 0, 2},
                (const uint32_t[]){1000, 0, 1000}, 3);
    expect_tree((const uint32_t[]){0, 0, 0}, (const uint32_t[]){0, 0, 9},
                (const uint32_t[]){666, 666, 666}, 3); /* whose parent is gone */
}

/* What is available to a child is found by way of all above it: three floors, and all is given out. */
static void a_grandchild_sees_what_its_floor_has(void **state)
{
    static const uint32_t available[] = {1000, 500, 250, 250};
    struct sandbox sandbox;

    (void)state;
    sandbox_init(&sandbox, "viengoos", FRAMES, 4);
    for (uint32_t i = 0; i < 4; i++) {
        sandbox.task[i].held = available[i];
        sandbox.task[i].parent = i > 1 ? i : 0;
    }
    for (uint32_t i = 0; i < 4; i++) {
        const struct sp_arbiter_request request = {SP_ARBITER_EXTRA, i, 2000, 0, 0};

        assert_int_equal(arbiter_viengoos.available(NULL, 0, sandbox.task, 4, &request),
                         available[i]);
    }
    sandbox_fini(&sandbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_missing_is_recalled),
        cmocka_unit_test(what_there_is_is_granted),
        cmocka_unit_test(a_task_plans_with_what_it_would_get),
        cmocka_unit_test(nobody_leaves_no_trace),
        cmocka_unit_test(karma_allots_as_frame_by_frame),
        cmocka_unit_test(a_winner_pays_what_the_others_lose),
        cmocka_unit_test(the_lowest_bidder_keeps_what_is_promised),
        cmocka_unit_test(the_market_reckons_as_it_says),
        cmocka_unit_test(nobody_shrinks_below_its_guarantee),
        cmocka_unit_test(a_tree_is_divided_at_each_of_its_forks),
        cmocka_unit_test(a_grandchild_sees_what_its_floor_has),
    };

    return cmocka_run_group_tests_name("arbiter_rules", tests, NULL, NULL);
}
