/* Proportional share with an idle tax, taken by min-funding revocation: a task's shares S pay for
 * its frames n, and a frame that lies idle costs k times as much as one that is used,
 *
 *     rho = S / (n (f + k (1 - f))),    k = 1 / (1 - tax),    f: fraction in use
 *
 * and the task that pays least per frame gives first, until all pay the same: n ~ S/(f + k(1-f)).
 * C. Waldspurger, "Memory resource management in VMware ESX Server", OSDI 2002. tax=0 is shares
 * alone; near 1 it is a working-set policy. Weights are shares; the minimum is the guarantee. */
#include "arbiter/level.h"
#include "arbiter/registry.h"

static const struct sp_policy_param esx_params[] = {
    {"tax", 0.75, 0, 0.999, "part of an idle frame's worth that is taxed away"},
    {NULL},
};

struct esx {
    double k;
};

static size_t esx_size(const struct sp_arbiter_config *config)
{
    (void)config;
    return sizeof(struct esx);
}

static void esx_init(void *self, const struct sp_arbiter_config *config)
{
    struct esx *esx = self;

    esx->k = 1 / (1 - config->params[0]);
}

/* The level is the inverse of rho. */
static double esx_keep(const struct sp_arbiter_task *task, double level, const void *context)
{
    const struct esx *esx = context;
    double idle = (double)task->idle / SP_ARBITER_WHOLE;

    return level * task->weight / (1 - idle + esx->k * idle);
}

static struct level_rule rule_of(const void *self)
{
    return (struct level_rule){.keep = esx_keep, .context = self, .low = 0, .high = 1e14};
}

static uint32_t esx_decide(void *self, uint64_t now, const struct sp_arbiter_task *tasks,
                           size_t count, const struct sp_arbiter_request *request, uint32_t *takes)
{
    const struct level_rule rule = rule_of(self);

    (void)now;
    return level_decide(&rule, tasks, count, request, takes);
}

static uint32_t esx_available(const void *self, uint64_t now, const struct sp_arbiter_task *tasks,
                              size_t count, const struct sp_arbiter_request *request)
{
    const struct level_rule rule = rule_of(self);

    (void)now;
    return level_available(&rule, tasks, count, request);
}

const struct sp_arbiter arbiter_esx = {
    .abi = SP_ARBITER_ABI,
    .flags = SP_ARBITER_GRANTS | SP_ARBITER_IDLE | SP_ARBITER_NO_BIDS,
    .name = "esx",
    .summary = "proportional share with idle tax and min-funding revocation",
    .source = "Waldspurger 2002",
    .params = esx_params,
    .size = esx_size,
    .init = esx_init,
    .decide = esx_decide,
    .available = esx_available,
};
