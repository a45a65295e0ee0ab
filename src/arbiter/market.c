/* A market: each task has an income, saves what it does not spend, and leases frames at a price that
 * clears the market.
 *
 *     b_i += w_i * income * dt - p * n_i * dt,    0 <= b_i <= w_i * income * savings
 *
 * n_i: frames beyond its guarantee. A task may have as many as it could pay for over the length of
 * a lease from income and savings, p * k * lease <= b_i + w_i * income * lease, and none while the
 * price is above its bid (a bid of 0: at any price). The price is the one at which demand fits the
 * frames there are; with no shortage, frames are free. This way a task can save, run large for a
 * while, and save again. K. Harty and D. Cheriton, "Application-controlled physical memory using
 * external page-cache management", ASPLOS 1992, and "A market approach to operating system memory
 * allocation", 1996. The price is found at once rather than by their steps; charging for I/O is not
 * modelled: physmem sees none. */
#include "arbiter/level.h"
#include "arbiter/registry.h"

static const struct sp_policy_param market_params[] = {
    {"income", 1000, 0.001, 1e9, "drams a second for each unit of weight"},
    {"lease", 10, 0.001, 3600, "seconds that a task must be able to pay for"},
    {"savings", 60, 0, 86400, "the most that can be saved, in seconds of income"},
    {"period", 1, 0.001, 3600, "seconds from one reckoning to the next"},
    {NULL},
};

struct market {
    double income;
    double lease;
    double savings;
    uint64_t period;
    uint32_t frames;
    uint64_t last; /* reckoning */
    double price;  /* drams per frame and second, since then */
};

struct market_task {
    double balance;
};

static size_t market_size(const struct sp_arbiter_config *config)
{
    (void)config;
    return sizeof(struct market);
}

static size_t market_task_size(const struct sp_arbiter_config *config)
{
    (void)config;
    return sizeof(struct market_task);
}

static void market_init(void *self, const struct sp_arbiter_config *config)
{
    struct market *market = self;

    market->frames = config->frames;
    market->income = config->params[0];
    market->lease = config->params[1];
    market->savings = config->params[2];
    market->period = (uint64_t)(config->params[3] * 1e9);
}

static uint64_t market_due(const void *self)
{
    const struct market *market = self;

    return market->last + market->period;
}

/* The level is the inverse of the price. */
static double market_keep(const struct sp_arbiter_task *task, double level, const void *context)
{
    const struct market *market = context;
    const struct market_task *own = task->own;

    if (task->bid > 0 && level * (double)task->bid < 1)
        return task->guaranteed;
    return task->guaranteed +
           level * (market->income * task->weight + own->balance / market->lease);
}

static void reckon(struct market *market, double seconds, const struct sp_arbiter_task *tasks,
                   size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct market_task *own = tasks[i].own;
        double income = market->income * tasks[i].weight;
        double beyond = level_clamp((double)tasks[i].held - tasks[i].guaranteed, 0, UINT32_MAX);

        own->balance = level_clamp(own->balance + (income - market->price * beyond) * seconds, 0,
                                   income * market->savings);
    }
}

static struct level_rule rule_of(const struct market *market)
{
    return (struct level_rule){.keep = market_keep, .context = market, .low = 0, .high = 1e14};
}

static uint32_t market_decide(void *self, uint64_t now, const struct sp_arbiter_task *tasks,
                              size_t count, const struct sp_arbiter_request *request,
                              uint32_t *takes)
{
    struct market *market = self;
    const struct level_rule rule = rule_of(market);
    double level;

    if (now > market->last) {
        reckon(market, (double)(now - market->last) / 1e9, tasks, count);
        market->last = now;
        level = level_at(&rule, tasks, count, market->frames);
        market->price = level < rule.high && level > 0 ? 1 / level : 0;
    }
    return level_decide(&rule, tasks, count, request, takes);
}

static uint32_t market_available(const void *self, uint64_t now,
                                 const struct sp_arbiter_task *tasks, size_t count,
                                 const struct sp_arbiter_request *request)
{
    const struct level_rule rule = rule_of(self);

    (void)now;
    return level_available(&rule, tasks, count, request);
}

const struct sp_arbiter arbiter_market = {
    .abi = SP_ARBITER_ABI,
    .flags = SP_ARBITER_GRANTS,
    .name = "market",
    .summary = "income, savings and a price that clears the market",
    .source = "Harty and Cheriton 1992",
    .params = market_params,
    .size = market_size,
    .task_size = market_task_size,
    .init = market_init,
    .decide = market_decide,
    .available = market_available,
    .due = market_due,
};
