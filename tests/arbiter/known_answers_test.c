/* What the authors of each arbiter claim, or what follows from its formula. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "arbiter/auction.h"
#include "arbiter/karma.h"
#include "sandbox.h"
#include "base/random.h"

#define SECOND UINT64_C(1000000000)

static void expect_held(const struct sandbox *sandbox, const uint32_t *held, uint32_t tolerance)
{
    for (uint32_t i = 0; i < sandbox->count; i++)
        assert_in_range(sandbox->task[i].held, held[i] > tolerance ? held[i] - tolerance : 0,
                        held[i] + tolerance);
}

/* ESX: equal shares, one task idle. */
static void test_esx_taxes_idle_memory(void **state)
{
    static const struct {
        const char *arbiter;
        uint32_t held[2];
    } cases[] = {
        {"esx", {200, 800}}, /* tax 0.75: 1 to 4 */
        {"esx:tax=0", {500, 500}},
        {"esx:tax=0.5", {333, 667}},
    };
    static const uint32_t demand[] = {1000, 1000};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sandbox sandbox;

        sandbox_init(&sandbox, cases[i].arbiter, 1000, 2);
        sandbox.task[0].idle = SP_ARBITER_WHOLE;
        sandbox_settle(&sandbox, demand);
        expect_held(&sandbox, cases[i].held, 1);
        sandbox_fini(&sandbox);
    }
}

/* Max-min against water-filling frame by frame: each frame goes to the task that has least for its
 * weight. */
static void fill(const uint32_t *demand, const uint32_t *weight, uint32_t count, uint32_t frames,
                 uint32_t *held)
{
    memset(held, 0, count * sizeof(*held));
    for (; frames > 0; frames--) {
        uint32_t poorest = count;

        for (uint32_t i = 0; i < count; i++)
            if (held[i] < demand[i] &&
                (poorest == count ||
                 (uint64_t)held[i] * weight[poorest] < (uint64_t)held[poorest] * weight[i]))
                poorest = i;
        if (poorest == count)
            return;
        held[poorest]++;
    }
}

static void test_maxmin_is_water_filling(void **state)
{
    struct random_source random = random_seeded(5);

    (void)state;
    for (int round = 0; round < 200; round++) {
        uint32_t demand[8], weight[8], held[8];
        struct sandbox sandbox;

        sandbox_init(&sandbox, "maxmin", 1000, 8);
        for (uint32_t i = 0; i < 8; i++) {
            demand[i] = random_below(&random, 400);
            weight[i] = 1 + random_below(&random, 4);
            sandbox.task[i].weight = weight[i];
        }
        fill(demand, weight, 8, 1000, held);
        sandbox_settle(&sandbox, demand);
        expect_held(&sandbox, held, 2);
        sandbox_fini(&sandbox);
    }
}

static void test_viengoos_weights(void **state)
{
    static const uint32_t demand[] = {1000, 1000, 1000, 1000}, held[] = {100, 200, 300, 400};
    struct sandbox sandbox;

    (void)state;
    sandbox_init(&sandbox, "viengoos", 1000, 4);
    for (uint32_t i = 0; i < 4; i++)
        sandbox.task[i].weight = i + 1;
    sandbox_settle(&sandbox, demand);
    expect_held(&sandbox, held, 0);
    sandbox_fini(&sandbox);
}

/* By hand, from the formula. */
static void test_viengoos_availability(void **state)
{
    static const struct {
        const char *what;
        uint32_t held[4], weight[4], priority[4], parent[4], available[4];
        int32_t spare;
    } cases[] = {
        {"all have their shares",
         {100, 200, 300, 400},
         {1, 2, 3, 4},
         .available = {100, 200, 300, 400}},
        {"nobody has anything", .weight = {1, 1, 1, 1}, .spare = 1000,
         .available = {1000, 1000, 1000, 1000}},
        /* Shares of 500: the first may take back the excess of the second, and no more. */
        {"one has more than its share", {100, 900}, {1, 1}, .available = {500, 900}},
        /* Shares of 333: the excess is 567, more than a share, and the third leaves 333 unused; of
         * 667 unused the second has 567 already. */
        {"one of three has nearly all",
         {0, 900, 0},
         {1, 1, 1},
         .spare = 99,
         .available = {900, 999, 900}},
        /* Shares of 250, 250, 500; the third's excess is 100, and 200 and 250 lie unused. */
        {"weights", {50, 0, 600}, {1, 1, 2}, .spare = 350, .available = {500, 450, 950}},
        /* The higher priority keeps what it has, and sees nothing of the lower. */
        {"priorities",
         {300, 300, 200},
         {1, 1, 1},
         {0, 0, 1},
         .spare = 200,
         .available = {500, 500, 1000}},
        /* The second and its child have 600 of shares of 500 each; below it, its own frames and its
         * child's have shares of 300. */
        {"a tree", {400, 200, 400}, {1, 1, 1}, .parent = {0, 0, 2}, .available = {500, 300, 400}},
    };

    (void)state;
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        struct sandbox sandbox;
        uint32_t count = 0;

        while (count < 4 && cases[c].weight[count] > 0)
            count++;
        sandbox_init(&sandbox, "viengoos", 1000, count);
        for (uint32_t i = 0; i < count; i++) {
            sandbox.task[i].held = cases[c].held[i];
            sandbox.task[i].weight = cases[c].weight[i];
            sandbox.task[i].priority = cases[c].priority[i];
            sandbox.task[i].parent = cases[c].parent[i];
        }
        for (uint32_t i = 0; i < count; i++) {
            const struct sp_arbiter_request request = {SP_ARBITER_EXTRA, i, 1000, cases[c].spare,
                                                       0};
            uint32_t available = arbiter_viengoos.available(NULL, 0, sandbox.task, count, &request);

            if (available != cases[c].available[i])
                fail_msg("%s: %u frames are available to task %u, should be %u", cases[c].what,
                         available, i + 1, cases[c].available[i]);
        }
        sandbox_fini(&sandbox);
    }
}

static void test_viengoos_priorities_and_tree(void **state)
{
    static const uint32_t demand[] = {600, 600, 600, 600};
    static const uint32_t by_priority[] = {0, 400, 600, 0}, in_tree[] = {500, 250, 250, 0};
    struct sandbox sandbox;

    (void)state;
    sandbox_init(&sandbox, "viengoos", 1000, 3);
    sandbox.task[1].priority = 1;
    sandbox.task[2].priority = 2;
    sandbox_settle(&sandbox, demand);
    expect_held(&sandbox, by_priority, 0);
    sandbox_fini(&sandbox);

    /* Two activities; the second has a child: it counts once against the first. */
    sandbox_init(&sandbox, "viengoos", 1000, 3);
    sandbox.task[2].parent = 2;
    sandbox_settle(&sandbox, demand);
    expect_held(&sandbox, in_tree, 0);
    sandbox_fini(&sandbox);
}

/* Frames that were of use: held, as far as really needed. */
static void karma_run(struct sandbox *sandbox, bool selfish, uint64_t *useful)
{
    struct random_source random = random_seeded(11);

    for (int quantum = 0; quantum < 400; quantum++) {
        uint32_t truth[4], said[4];

        for (uint32_t i = 0; i < 4; i++)
            said[i] = truth[i] = random_below(&random, 200);
        if (selfish && said[0] < 150)
            said[0] = 150; /* keeps what it does not need */
        sandbox_pass(sandbox, SECOND, said);
        for (uint32_t i = 0; i < 4; i++)
            useful[i] += sandbox->task[i].held < truth[i] ? sandbox->task[i].held : truth[i];
    }
}

static void test_karma_selfishness_gains_nothing(void **state)
{
    uint64_t honest[4] = {0}, selfish[4] = {0};
    struct sandbox sandbox;

    (void)state;
    sandbox_init(&sandbox, "karma:guaranteed-fraction=0.5", 200, 4);
    karma_run(&sandbox, false, honest);
    sandbox_fini(&sandbox);
    sandbox_init(&sandbox, "karma:guaranteed-fraction=0.5", 200, 4);
    karma_run(&sandbox, true, selfish);
    sandbox_fini(&sandbox);
    print_message("karma: useful frames of an honest task %llu, selfish %llu\n",
                  (unsigned long long)honest[0], (unsigned long long)selfish[0]);
    assert_true(selfish[0] <= honest[0]);
}

/* What is shared is issued as credits, and paid for: the sum stays while all frames are used. */
static void test_karma_conserves_credits(void **state)
{
    struct random_source random = random_seeded(13);
    struct sandbox sandbox;

    (void)state;
    sandbox_init(&sandbox, "karma:guaranteed-fraction=0.5,credits=1000", 200, 4);
    for (int quantum = 0; quantum < 200; quantum++) {
        uint32_t demand[4] = {200, 200, 0, 0};
        double sum = 0;

        demand[2] = random_below(&random, 200);
        demand[3] = random_below(&random, 200);
        sandbox_pass(&sandbox, SECOND, demand);
        for (uint32_t i = 0; i < 4; i++)
            sum += ((struct karma_task *)sandbox.task[i].own)->credits;
        assert_true(sum == 4000);
    }
    sandbox_fini(&sandbox);
}

/* The optimum of the auction by dynamic programming over tasks and frames. */
static uint64_t optimum(const struct sandbox *sandbox, const uint32_t *demand, uint32_t frames)
{
    static uint64_t best[101];

    memset(best, 0, sizeof(best));
    for (uint32_t i = 0; i < sandbox->count; i++)
        for (uint32_t f = frames; f > 0; f--)
            for (uint32_t q = 1; q <= f && q <= demand[i]; q++)
                if (best[f - q] + q * sandbox->task[i].bid > best[f])
                    best[f] = best[f - q] + q * sandbox->task[i].bid;
    return best[frames];
}

static void test_auction_is_optimal(void **state)
{
    struct random_source random = random_seeded(7);

    (void)state;
    for (int round = 0; round < 200; round++) {
        uint32_t demand[5];
        uint64_t value = 0;
        struct sandbox sandbox;

        sandbox_init(&sandbox, "auction", 100, 5);
        for (uint32_t i = 0; i < 5; i++) {
            demand[i] = random_below(&random, 60);
            sandbox.task[i].bid = random_below(&random, 20);
        }
        sandbox_pass(&sandbox, 13 * SECOND, demand);
        for (uint32_t i = 0; i < 5; i++)
            value += sandbox.task[i].held * sandbox.task[i].bid;
        assert_int_equal(value, optimum(&sandbox, demand, 100));
        sandbox_fini(&sandbox);
    }
}

static void test_auction_charges_what_others_lose(void **state)
{
    static const uint32_t demand[] = {60, 60, 60}, held[] = {60, 40, 0};
    struct sandbox sandbox;

    (void)state;
    sandbox_init(&sandbox, "auction", 100, 3);
    sandbox.task[0].bid = 10;
    sandbox.task[1].bid = 5;
    sandbox.task[2].bid = 3;
    sandbox_pass(&sandbox, 13 * SECOND, demand);
    expect_held(&sandbox, held, 0);
    /* Without the first, the second would have 20 more at 5, and the third 40 at 3. */
    assert_true(((struct auction_task *)sandbox.task[0].own)->charge == 20 * 5 + 40 * 3);
    assert_true(((struct auction_task *)sandbox.task[1].own)->charge == 40 * 3);
    assert_true(((struct auction_task *)sandbox.task[2].own)->charge == 0);
    sandbox_fini(&sandbox);
}

/* What a task has of an auction: the true value of what it gets, less what it is charged. */
static double auction_profit(const uint32_t *demand, const uint32_t *bid, uint32_t value)
{
    struct sandbox sandbox;
    double profit;

    sandbox_init(&sandbox, "auction", 100, 5);
    for (uint32_t i = 0; i < 5; i++)
        sandbox.task[i].bid = bid[i];
    sandbox_pass(&sandbox, 13 * SECOND, demand);
    profit =
        (double)sandbox.task[0].held * value - ((struct auction_task *)sandbox.task[0].own)->charge;
    sandbox_fini(&sandbox);
    return profit;
}

/* Second price: no bid does better than the truth. */
static void test_auction_rewards_the_truth(void **state)
{
    struct random_source random = random_seeded(17);

    (void)state;
    for (int round = 0; round < 20; round++) {
        uint32_t demand[5], bid[5];
        uint32_t value = 1 + random_below(&random, 20);
        double truthful;

        for (uint32_t i = 0; i < 5; i++) {
            demand[i] = random_below(&random, 60);
            bid[i] = random_below(&random, 20);
        }
        bid[0] = value;
        truthful = auction_profit(demand, bid, value);
        for (bid[0] = 0; bid[0] <= 25; bid[0]++)
            assert_true(auction_profit(demand, bid, value) <= truthful);
    }
}

/* Equal bids: each task gets as much as another, or all it asks for, whichever came first. */
static void test_auction_divides_among_equals(void **state)
{
    static const uint32_t demand[] = {1000, 1000, 1000, 100}, held[] = {300, 300, 300, 100};
    struct sandbox sandbox;

    (void)state;
    sandbox_init(&sandbox, "auction", 1000, 4);
    for (uint32_t i = 0; i < 4; i++)
        sandbox.task[i].bid = 7;
    sandbox_pass(&sandbox, 13 * SECOND, demand);
    sandbox_settle(&sandbox, demand);
    expect_held(&sandbox, held, 1);
    sandbox_fini(&sandbox);
}

/* A live task asks for its next batch, whatever it would use: one hoarder holds all there is, another
 * task has only what it is guaranteed, and wants 8 frames more. It is allotted what it states, or, if it
 * does not say, its fair share; a starved task lends nothing. */
static void test_karma_starves_nobody(void **state)
{
    static const struct {
        uint32_t states;
        double allotted; /* fair share: 200 of 800 */
    } cases[] = {{360, 360}, {0, 200}, {150, 150}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sandbox sandbox;
        struct karma_task *starved;

        sandbox_init(&sandbox, "karma", 800, 2);
        sandbox.task[0].guaranteed = sandbox.task[1].guaranteed = 20;
        sandbox.task[0].held = 776;
        sandbox.task[0].demand = 820;
        sandbox.task[1].held = 24;
        sandbox.task[1].wanted = 8;
        sandbox.task[1].demand = cases[i].states;
        sandbox_decide(&sandbox, SP_ARBITER_TICK, 0, 0);
        starved = sandbox.task[1].own;
        assert_true(starved->target.frames == cases[i].allotted);
        if (cases[i].states != 150)
            assert_true(starved->credits <= 1000000 + 200);
        assert_int_equal(sandbox.task[0].held, 776 - 8); /* as many as are asked for */
        sandbox_fini(&sandbox);
    }
}

/* A task that comes within a quantum does not wait for the next one to have its fair share. */
static void test_karma_receives_newcomers(void **state)
{
    struct sandbox sandbox;

    (void)state;
    sandbox_init(&sandbox, "karma", 800, 2);
    sandbox.count = 1;
    sandbox.task[0].held = 800;
    sandbox_decide(&sandbox, SP_ARBITER_TICK, 0, 0);
    sandbox.count = 2;
    sandbox.now += SECOND / 2;
    for (int ask = 0; ask < 100; ask++)
        sandbox_ask(&sandbox, 1, 8);
    assert_in_range(sandbox.task[1].held, 150, 200);
    sandbox_fini(&sandbox);
}

/* Frames that are guaranteed are not shared, and not borrowed: they cost no credits. */
static void test_karma_charges_nothing_for_guarantees(void **state)
{
    static const uint32_t demand[] = {700, 700};
    struct sandbox sandbox;

    (void)state;
    sandbox_init(&sandbox, "karma:guaranteed-fraction=1,credits=0", 1000, 2);
    sandbox.task[0].guaranteed = 700;
    sandbox_pass(&sandbox, SECOND, demand);
    assert_int_equal(sandbox.task[0].held, 700);
    assert_int_equal(sandbox.task[1].held, 300);
    assert_true(((struct karma_task *)sandbox.task[0].own)->credits == 0);
    sandbox_fini(&sandbox);
}

/* A bids 10 and holds 600; B bids 5, holds 300 and asks for 700; C bids 1, and is guaranteed 100. */
static void three_bidders(struct sandbox *sandbox)
{
    sandbox_init(sandbox, "auction", 1000, 3);
    sandbox->task[0].bid = 10;
    sandbox->task[0].held = 600;
    sandbox->task[1].bid = 5;
    sandbox->task[1].held = 300;
    sandbox->task[1].wanted = 400;
    sandbox->task[2].bid = 1;
    sandbox->task[2].guaranteed = 100;
    sandbox->task[2].held = 100;
}

/* What is guaranteed is set aside first; the highest bidder keeps what it has. */
static void test_auction_cuts_the_lowest_bidder(void **state)
{
    static const uint32_t in_all[] = {600, 300, 100}, short_of_fifty[] = {600, 250, 100},
                          short_of_more[] = {550, 0, 100};
    struct sandbox sandbox;

    (void)state;
    three_bidders(&sandbox);
    sandbox_decide(&sandbox, SP_ARBITER_TICK, 0, 0);
    expect_held(&sandbox, in_all, 0);
    sandbox_decide(&sandbox, SP_ARBITER_SHORT, 0, 50);
    expect_held(&sandbox, short_of_fifty, 0);
    sandbox_decide(&sandbox, SP_ARBITER_SHORT, 0, 300);
    expect_held(&sandbox, short_of_more, 0);
    sandbox_fini(&sandbox);
}

/* What is guaranteed to C is not sold to B, though C does not hold it yet. */
static void test_auction_does_not_sell_guarantees(void **state)
{
    struct sandbox sandbox;

    (void)state;
    three_bidders(&sandbox);
    sandbox.task[2].held = 0;
    sandbox.task[2].demand = 100;
    sandbox_decide(&sandbox, SP_ARBITER_TICK, 0, 0);
    assert_true(((struct auction_task *)sandbox.task[0].own)->target.frames == 600);
    assert_true(((struct auction_task *)sandbox.task[1].own)->target.frames == 300);
    assert_true(((struct auction_task *)sandbox.task[2].own)->target.frames == 100);
    assert_true(((struct auction_task *)sandbox.task[2].own)->charge == 0);
    sandbox_fini(&sandbox);
}

static void test_market_savings_buy_a_burst(void **state)
{
    static const uint32_t both[] = {1000, 1000}, one[] = {1000, 0};
    struct sandbox sandbox;

    (void)state;
    sandbox_init(&sandbox, "market", 1000, 2);
    for (int i = 0; i < 30; i++)
        sandbox_pass(&sandbox, SECOND, one); /* the second saves; frames cost nothing now */
    sandbox_pass(&sandbox, SECOND, both);
    assert_in_range(sandbox.task[1].held, 400, 600); /* so the first saved, too */
    sandbox.task[0].bid = 1;                         /* not ready to pay the price */
    sandbox_pass(&sandbox, SECOND, both);
    sandbox_pass(&sandbox, SECOND, both);
    assert_int_equal(sandbox.task[0].held, 0);
    sandbox_fini(&sandbox);
}

static void test_cliffhanger_follows_ghost_hits(void **state)
{
    static const uint32_t demand[] = {1000, 1000, 1000, 1000};
    struct sandbox sandbox;

    (void)state;
    sandbox_init(&sandbox, "cliffhanger", 1000, 4);
    sandbox_pass(&sandbox, SECOND, demand);
    assert_in_range(sandbox.task[2].held, 248, 252);
    for (int i = 0; i < 10; i++) {
        sandbox.task[2].ghost_hits += 3;
        sandbox_pass(&sandbox, SECOND, demand);
    }
    assert_in_range(sandbox.task[2].held, 250 + 30 * 4 - 2, 250 + 30 * 4 + 2);
    assert_in_range(sandbox.task[0].held, 208, 212);
    sandbox_fini(&sandbox);
}

/* A miss of the third costs eight times as much: with as many ghost hits it has the frames of the others. */
static void test_midas_weighs_what_a_miss_costs(void **state)
{
    static const uint32_t demand[] = {1000, 1000, 1000, 1000};
    struct sandbox sandbox;

    (void)state;
    sandbox_init(&sandbox, "midas", 1000, 4);
    sandbox.task[2].weight = 8;
    for (int i = 0; i < 200; i++) {
        for (uint32_t t = 0; t < 3; t++)
            sandbox.task[t].ghost_hits += 8;
        sandbox_pass(&sandbox, SECOND, demand);
    }
    /* The fourth has none, and gives all; the others are in balance where weight / frames is the same. */
    assert_int_equal(sandbox.task[3].held / 16, 0);
    assert_in_range(sandbox.task[2].held, 770, 830);
    assert_in_range(sandbox.task[0].held, 84, 116);
    sandbox_fini(&sandbox);
}

/* Without ghost hits all have the same, though they came one after the other. */
static void test_cliffhanger_treats_newcomers_alike(void **state)
{
    static const uint32_t demand[] = {1000, 1000, 1000, 1000};
    struct sandbox sandbox;

    (void)state;
    sandbox_init(&sandbox, "cliffhanger", 1000, 4);
    for (sandbox.count = 1; sandbox.count < 4; sandbox.count++)
        sandbox_pass(&sandbox, SECOND, demand);
    sandbox_pass(&sandbox, SECOND, demand);
    for (uint32_t i = 0; i < 4; i++)
        assert_in_range(sandbox.task[i].held, 248, 252);
    sandbox_fini(&sandbox);
}

/* Both want everything, and one is there first: FCFS leaves it all it has, and so does `excess`, as
 * Nemesis does: extra frames come only while there are any. All others divide. */
static void test_the_hoarder(void **state)
{
    static const uint32_t alone[] = {1000, 0}, both[] = {1000, 1000};
    const struct sp_arbiter *arbiter;

    (void)state;
    for (size_t i = 0; (arbiter = arbiter_registry_builtin(i)) != NULL; i++) {
        struct sandbox sandbox;

        sandbox_init(&sandbox, arbiter->name, 1000, 2);
        sandbox_pass(&sandbox, SECOND, alone);
        assert_int_equal(sandbox.task[0].held, 1000);
        for (int round = 0; round < 30; round++)
            sandbox_pass(&sandbox, SECOND, both);
        if (arbiter == &arbiter_fcfs || arbiter == &arbiter_excess)
            assert_int_equal(sandbox.task[1].held, 0);
        else
            assert_in_range(sandbox.task[1].held, 490, 510);
        sandbox_fini(&sandbox);
    }
}

/* Whoever calls at the time that is due is asked again later, not at once. */
static void test_what_is_due_is_done(void **state)
{
    static const uint32_t demand[] = {700, 700};
    const struct sp_arbiter *arbiter;
    unsigned timed = 0;

    (void)state;
    for (size_t i = 0; (arbiter = arbiter_registry_builtin(i)) != NULL; i++) {
        struct sandbox sandbox;

        if (arbiter->due == NULL)
            continue;
        timed++;
        sandbox_init(&sandbox, arbiter->name, 1000, 2);
        sandbox_pass(&sandbox, SECOND, demand);
        for (int round = 0; round < 5; round++) {
            uint64_t due = arbiter->due(sandbox.self);

            assert_true(due > sandbox.now);
            sandbox_pass(&sandbox, due - sandbox.now, demand);
        }
        assert_true(arbiter->due(sandbox.self) > sandbox.now);
        sandbox_fini(&sandbox);
    }
    assert_true(timed >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_esx_taxes_idle_memory),
        cmocka_unit_test(test_maxmin_is_water_filling),
        cmocka_unit_test(test_viengoos_weights),
        cmocka_unit_test(test_viengoos_availability),
        cmocka_unit_test(test_viengoos_priorities_and_tree),
        cmocka_unit_test(test_karma_selfishness_gains_nothing),
        cmocka_unit_test(test_karma_conserves_credits),
        cmocka_unit_test(test_auction_is_optimal),
        cmocka_unit_test(test_auction_charges_what_others_lose),
        cmocka_unit_test(test_auction_rewards_the_truth),
        cmocka_unit_test(test_auction_divides_among_equals),
        cmocka_unit_test(test_karma_starves_nobody),
        cmocka_unit_test(test_karma_receives_newcomers),
        cmocka_unit_test(test_karma_charges_nothing_for_guarantees),
        cmocka_unit_test(test_auction_cuts_the_lowest_bidder),
        cmocka_unit_test(test_auction_does_not_sell_guarantees),
        cmocka_unit_test(test_market_savings_buy_a_burst),
        cmocka_unit_test(test_cliffhanger_follows_ghost_hits),
        cmocka_unit_test(test_midas_weighs_what_a_miss_costs),
        cmocka_unit_test(test_cliffhanger_treats_newcomers_alike),
        cmocka_unit_test(test_the_hoarder),
        cmocka_unit_test(test_what_is_due_is_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
