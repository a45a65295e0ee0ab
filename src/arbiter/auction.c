/* An auction in rounds: memory goes where it is valued most, and a winner pays what its winning costs
 * the others, so that to bid one's true value is best.
 *
 * Each round finds the quantities q that maximise
 *
 *     sum p_i q_i - exchange * sum |q_i - held_i|,    min(g_i, demand_i) <= q_i <= demand_i
 *
 * (the penalty keeps frames from changing hands for little; what contracts guarantee is not for sale),
 * and charges task i the value that the others would have had of the frames that it won. Memory
 * Progressive Second Price of Ginseng: O. Agmon Ben-Yehuda et al., "Ginseng: market-driven memory
 * allocation", VEE 2014. Values are linear here: a contract has one bid; then the greedy solution, by
 * marginal value, is the optimum. Forbidden ranges are not modelled.
 *
 * A task that comes between two rounds has what it is guaranteed and what nobody has won, and bids in
 * the next round. When frames are missing in between, the lowest bidders give first. */
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

/* The frames that the task's contracts promise and that it has use for: these are not for sale. */
static double base_of(const struct sp_arbiter_task *task)
{
    return level_clamp(level_demand(task), 0, (double)task->guaranteed + task->leased);
}

/* The frames that a task takes at a price. Frames that it has are worth `exchange` more to it than its bid, others
 * `exchange` less. The level is the price. */
static double quantity(const struct sp_arbiter_task *task, double level, const void *context)
{
    const struct auction *auction = context;
    double has = (double)task->held - task->owed;
    double base = base_of(task);

    if (level > (double)task->bid + auction->exchange)
        return base;
    if (level > (double)task->bid - auction->exchange)
        return has > base ? has : base;
    return level_demand(task);
}

/* The value that the others lose by task `winner` having the frames it won: of what they did not get,
 * the most valuable of as many frames. */
static double charge(const struct sp_arbiter_task *tasks, size_t count, size_t winner)
{
    const struct auction_task *won = tasks[winner].own;
    double left = won->target.frames - won->base;
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
        own->base = base_of(&tasks[i]);
    }
    for (size_t i = 0; i < count; i++) {
        struct auction_task *own = tasks[i].own;

        own->charge = charge(tasks, count, i);
        own->paid += own->charge;
    }
}

/* Between two auctions: where there are fewer frames than were sold, the lowest bidders do without
 * first; where there are more, each task may have as many more as any other. Below 0 the level is a
 * price, negated. */
static double keep_won(const struct sp_arbiter_task *task, double level, const void *context)
{
    const struct auction_task *own = task->own;
    double promised = (double)task->guaranteed + task->leased;

    (void)context;
    if (level >= 0)
        return own->target.frames + level;
    return -level > (double)task->bid ? level_clamp(own->target.frames, 0, promised)
                                      : own->target.frames;
}

static const struct level_rule rule_won = {.keep = keep_won, .low = -1e20, .high = 1e10};

static uint32_t auction_decide(void *self, uint64_t now, const struct sp_arbiter_task *tasks,
                               size_t count, const struct sp_arbiter_request *request,
                               uint32_t *takes)
{
    struct auction *auction = self;

    if (now >= auction->next) {
        auction_hold(auction, tasks, count, takes);
        auction->next = now + auction->round;
    }
    return level_decide(&rule_won, tasks, count, request, takes);
}

static uint32_t auction_available(const void *self, uint64_t now,
                                  const struct sp_arbiter_task *tasks, size_t count,
                                  const struct sp_arbiter_request *request)
{
    (void)self;
    (void)now;
    return level_available(&rule_won, tasks, count, request);
}

const struct sp_arbiter arbiter_auction = {
    .abi = SP_ARBITER_ABI,
    .flags = SP_ARBITER_GRANTS | SP_ARBITER_NO_WEIGHTS,
    .name = "auction",
    .summary = "second-price auction in rounds",
    .source = "Agmon Ben-Yehuda et al. 2014 (Ginseng)",
    .params = auction_params,
    .size = auction_size,
    .task_size = auction_task_size,
    .init = auction_init,
    .decide = auction_decide,
    .available = auction_available,
    .due = auction_due,
};
