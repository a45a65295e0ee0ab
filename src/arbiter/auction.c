/* An auction in rounds: memory goes where it is valued most, and the winner pays what its winning
 * costs the others, so that bidding one's true value is best.
 *
 * Each round finds the quantities q that maximise
 *
 *     sum p_i q_i - exchange * sum |q_i - held_i|,    0 <= q_i <= demand
 *
 * (the penalty keeps frames from changing hands for little), and charges task i the value that the
 * others would have had of q_i frames. Memory Progressive Second Price of Ginseng: O. Agmon
 * Ben-Yehuda et al., "Ginseng: market-driven memory allocation", VEE 2014. Values are linear here: a
 * contract has one bid; then the greedy solution, by marginal value, is the optimum. Forbidden
 * ranges are not modelled. */
#include "arbiter/auction.h"

#include "arbiter/level.h"
#include "arbiter/registry.h"

static const struct sp_policy_param auction_params[] = {
    {"round", 12, 0.001, 3600, "seconds from one auction to the next"},
    {"exchange", 0, 0, 1e12, "penalty for each frame that changes hands"},
    {NULL},
};

struct auction {
    uint64_t round;
    uint64_t next;
    uint32_t frames;
    double exchange;
};

static size_t auction_size(const struct sp_arbiter_config *config)
{
    (void)config;
    return sizeof(struct auction);
}

static size_t auction_task_size(const struct sp_arbiter_config *config)
{
    (void)config;
    return sizeof(struct auction_task);
}

static void auction_init(void *self, const struct sp_arbiter_config *config)
{
    struct auction *auction = self;

    auction->frames = config->frames;
    auction->round = (uint64_t)(config->params[0] * 1e9);
    auction->exchange = config->params[1];
}

static uint64_t auction_due(const void *self)
{
    const struct auction *auction = self;

    return auction->next;
}

/* What a task takes at a price: frames that it has are worth `exchange` more to it than its bid,
 * and others as much less. The level is the price. */
static double quantity(const struct sp_arbiter_task *task, double level, const void *context)
{
    const struct auction *auction = context;
    double demand = level_demand(task);
    double has = (double)task->held - task->owed;

    if (level > (double)task->bid + auction->exchange)
        return 0;
    return level > (double)task->bid - auction->exchange ? has : demand;
}

/* The value that the others lose by task `winner` having its frames: of what they did not get, the
 * most valuable of as many frames. */
static double charge(const struct sp_arbiter_task *tasks, size_t count, size_t winner)
{
    const struct auction_task *won = tasks[winner].own;
    double left = won->target.frames;
    double below = 1e30;
    double sum = 0;

    while (left > 0) {
        double best = -1;
        double unmet = 0;

        for (size_t i = 0; i < count; i++) {
            const struct auction_task *own = tasks[i].own;
            double more = level_demand(&tasks[i]) - own->target.frames;
            double bid = (double)tasks[i].bid;

            if (i == winner || more <= 0 || bid >= below || bid < best)
                continue;
            unmet = bid > best ? more : unmet + more;
            best = bid;
        }
        if (best < 0)
            break;
        sum += best * level_clamp(unmet, 0, left);
        left -= unmet;
        below = best;
    }
    return sum;
}

static void auction_hold(const struct auction *auction, const struct sp_arbiter_task *tasks,
                         size_t count, uint32_t *takes)
{
    const struct level_portion rule = {quantity, auction, -2 * auction->exchange - 1, 1e20};

    level_divide(&rule, tasks, count, auction->frames, takes);
    for (size_t i = 0; i < count; i++) {
        struct auction_task *own = tasks[i].own;

        own->target.frames = takes[i];
    }
    for (size_t i = 0; i < count; i++) {
        struct auction_task *own = tasks[i].own;

        own->charge = charge(tasks, count, i);
        own->paid += own->charge;
    }
}

static uint32_t auction_decide(void *self, uint64_t now, const struct sp_arbiter_task *tasks,
                               size_t count, const struct sp_arbiter_request *request,
                               uint32_t *takes)
{
    const struct level_rule rule = {.keep = level_keep_target, .low = -1e10, .high = 1e10};
    struct auction *auction = self;

    if (now >= auction->next) {
        auction_hold(auction, tasks, count, takes);
        auction->next = now + auction->round;
    }
    return level_decide(&rule, tasks, count, request, takes);
}

const struct sp_arbiter arbiter_auction = {
    .abi = SP_ARBITER_ABI,
    .flags = SP_ARBITER_GRANTS,
    .name = "auction",
    .summary = "second-price auction in rounds",
    .source = "Agmon Ben-Yehuda et al. 2014 (Ginseng)",
    .params = auction_params,
    .size = auction_size,
    .task_size = auction_task_size,
    .init = auction_init,
    .decide = auction_decide,
    .available = level_available_target,
    .due = auction_due,
};
