/* Weighted max-min fairness: water is poured into vessels as wide as the tasks' weights, until the
 * frames are used up. A task gets
 *
 *     a_i = min(d_i, max(g_i, w_i L)),    L such that sum a_i is all there is
 *
 * so that a task can get more only by taking from one that has less for its weight. Bertsekas and
 * Gallager, "Data Networks", 1992, section 6.5.2; dominant-resource fairness for one resource. With
 * demands that do not change it is Pareto-efficient and cannot be cheated; with demands that do, a
 * task that asks little today gains nothing for it tomorrow (compare karma). */
#include "arbiter/level.h"
#include "arbiter/registry.h"

static double maxmin_keep(const struct sp_arbiter_task *task, double level, const void *context)
{
    (void)context;
    return level * task->weight;
}

static const struct level_rule rule = {.keep = maxmin_keep, .low = 0, .high = 1e10};

static uint32_t maxmin_decide(void *self, uint64_t now, const struct sp_arbiter_task *tasks,
                              size_t count, const struct sp_arbiter_request *request,
                              uint32_t *takes)
{
    (void)self;
    (void)now;
    return level_decide(&rule, tasks, count, request, takes);
}

static uint32_t maxmin_available(const void *self, uint64_t now,
                                 const struct sp_arbiter_task *tasks, size_t count,
                                 const struct sp_arbiter_request *request)
{
    (void)self;
    (void)now;
    return level_available(&rule, tasks, count, request);
}

const struct sp_arbiter arbiter_maxmin = {
    .abi = SP_ARBITER_ABI,
    .flags = SP_ARBITER_GRANTS | SP_ARBITER_NO_BIDS,
    .name = "maxmin",
    .summary = "weighted max-min fairness",
    .source = "Bertsekas and Gallager 1992",
    .decide = maxmin_decide,
    .available = maxmin_available,
};
