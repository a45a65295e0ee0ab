#include "arbiter/level.h"

#include <string.h>

/* Halvings: enough to tell apart any two levels that differ in a frame. */
#define STEPS 100

/* What is cut from each task at a level is a portion that falls as the level rises. */
struct cut {
    const struct level_rule *rule;
    bool wanted; /* demands count */
};

static double cut_at(const struct sp_arbiter_task *task, double level, const void *context)
{
    const struct cut *cut = context;
    uint32_t wanted = cut->wanted ? task->wanted : 0;
    double has = (double)task->held - task->owed + wanted;
    double keep = cut->rule->keep(task, level, cut->rule->context);

    return level_clamp(has - keep, 0, (double)task->recallable + wanted);
}

static double portion_sum(const struct level_portion *rule, const struct sp_arbiter_task *tasks,
                          size_t count, double level)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += rule->portion(&tasks[i], level, rule->context);
    return sum;
}

/* Narrow [*lowp, *highp] down: at the low end there are at least `units`, at the high end fewer. */
static void narrow(const struct level_portion *rule, const struct sp_arbiter_task *tasks,
                   size_t count, double units, double *lowp, double *highp)
{
    *lowp = rule->low;
    *highp = rule->high;
    for (int i = 0; i < STEPS; i++) {
        double middle = *lowp + (*highp - *lowp) / 2;

        if (middle <= *lowp || middle >= *highp)
            return;
        if (portion_sum(rule, tasks, count, middle) >= units)
            *lowp = middle;
        else
            *highp = middle;
    }
}

/* Whole units in a portion. What lacks less than a millionth is rounding of the level. */
static uint32_t whole(double portion)
{
    return (uint32_t)(portion + 1e-6);
}

void level_divide(const struct level_portion *rule, const struct sp_arbiter_task *tasks,
                  size_t count, uint64_t units, uint32_t *shares)
{
    double low, high;
    uint64_t left = units;

    narrow(rule, tasks, count, (double)units, &low, &high);
    for (size_t i = 0; i < count; i++) {
        shares[i] = whole(rule->portion(&tasks[i], high, rule->context));
        if (shares[i] > left)
            shares[i] = (uint32_t)left;
        left -= shares[i];
    }
    /* Fractions first, so that nobody is more than one unit off; then steps of the rule. */
    for (int step = 0; step < 2; step++) {
        for (size_t i = 0; i < count && left > 0; i++) {
            double more = rule->portion(&tasks[i], low, rule->context) - shares[i];
            uint32_t most = more <= 1e-6 ? 0 : whole(more) > 0 ? whole(more) : 1;

            if (step == 0 && most > 1)
                most = 1;
            if (most > left)
                most = (uint32_t)left;
            shares[i] += most;
            left -= most;
        }
    }
}

double level_keep_target(const struct sp_arbiter_task *task, double level, const void *context)
{
    const struct level_target *target = task->own;

    (void)context;
    return target->frames + level;
}

double level_at(const struct level_rule *rule, const struct sp_arbiter_task *tasks, size_t count,
                uint64_t frames)
{
    const struct cut cut = {rule, true};
    const struct level_portion portion = {cut_at, &cut, rule->low, rule->high};
    double demand = 0;
    double low, high;

    for (size_t i = 0; i < count; i++)
        demand += level_demand(&tasks[i]);
    if (demand <= (double)frames)
        return rule->high;
    narrow(&portion, tasks, count, demand - (double)frames, &low, &high);
    return low;
}

uint32_t level_decide(const struct level_rule *rule, const struct sp_arbiter_task *tasks,
                      size_t count, const struct sp_arbiter_request *request, uint32_t *takes)
{
    const struct cut cut = {rule, request->event != SP_ARBITER_SHORT};
    const struct level_portion portion = {cut_at, &cut, rule->low, rule->high};
    int64_t missing = request->frames;
    uint32_t grant = request->frames;

    if (cut.wanted) {
        missing = -(int64_t)request->spare - request->coming;
        for (size_t i = 0; i < count; i++)
            missing += tasks[i].wanted;
    }
    memset(takes, 0, count * sizeof(*takes));
    if (missing <= 0)
        return grant;
    level_divide(&portion, tasks, count, (uint64_t)missing, takes);
    for (size_t i = 0; i < count && cut.wanted; i++) {
        uint32_t refused = takes[i] < tasks[i].wanted ? takes[i] : tasks[i].wanted;

        takes[i] -= refused;
        if (request->event == SP_ARBITER_EXTRA && i == request->task)
            grant = tasks[i].wanted - refused;
    }
    return grant;
}
