#include "arbiter/level.h"

#include <string.h>

/* Halvings: enough to tell apart any two levels that differ in a frame. */
#define STEPS 100

/* What a cut starts from. */
enum from {
    FROM_HELD,   /* what each task has */
    FROM_ASKED,  /* and asks for */
    FROM_DEMAND, /* and would use */
};

/* The portion that is cut from each task falls as the level rises. */
struct cut {
    const struct level_rule *rule;
    enum from from;
};

/* Frames beyond those that a task has. */
static double beyond_held(const struct sp_arbiter_task *task, enum from from)
{
    if (from == FROM_HELD)
        return 0;
    return from == FROM_ASKED ? task->wanted
                              : level_demand(task) - ((double)task->held - task->owed);
}

static double cut_at(const struct sp_arbiter_task *task, double level, const void *context)
{
    const struct cut *cut = context;
    double beyond = beyond_held(task, cut->from);
    double has = (double)task->held - task->owed + beyond;
    double keep = cut->rule->keep(task, level, cut->rule->context);

    return level_clamp(has - keep, 0, (double)task->recallable + beyond);
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

/* Whole units in a portion. A unit that lacks less than a millionth counts: the difference comes from rounding the
 * level. */
static uint32_t whole(double portion)
{
    return (uint32_t)(portion + 1e-6);
}

/* Give `more` units to task i, as far as there are any. */
static void give(uint32_t *shares, size_t i, uint64_t *left, uint32_t more)
{
    if (more > *left)
        more = (uint32_t)*left;
    shares[i] += more;
    *left -= more;
}

/* What a task at a step of the rule lacks, and at most `cap`. */
static uint32_t lacking(const struct level_portion *rule, const struct sp_arbiter_task *task,
                        double low, uint32_t share, uint32_t cap)
{
    double more = rule->portion(task, low, rule->context) - share;
    uint32_t lacks = more <= 1e-6 ? 0 : whole(more);

    return lacks < cap ? lacks : cap;
}

/* Divide what is left among those at a step of the rule: to each as much as to any other, or all it
 * lacks. */
static void divide_step(const struct level_portion *rule, const struct sp_arbiter_task *tasks,
                        size_t count, double low, uint64_t *left, uint32_t *shares)
{
    uint32_t cap = 0;

    for (uint32_t bit = UINT32_C(1) << 31; bit > 0; bit /= 2) {
        uint64_t sum = 0;

        for (size_t i = 0; i < count; i++)
            sum += lacking(rule, &tasks[i], low, shares[i], cap + bit);
        if (sum <= *left)
            cap += bit;
    }
    for (size_t i = 0; i<count && * left> 0; i++) {
        uint32_t lacks = lacking(rule, &tasks[i], low, shares[i], UINT32_MAX);

        give(shares, i, left, lacks < cap ? lacks : cap);
    }
    for (size_t i = 0; i<count && * left> 0; i++) /* less than one frame each */
        give(shares, i, left, lacking(rule, &tasks[i], low, shares[i], 1));
}

void level_divide(const struct level_portion *rule, const struct sp_arbiter_task *tasks,
                  size_t count, uint64_t units, uint32_t *shares)
{
    double low, high;
    uint64_t left = units;

    narrow(rule, tasks, count, (double)units, &low, &high);
    for (size_t i = 0; i < count; i++) {
        shares[i] = 0;
        give(shares, i, &left, whole(rule->portion(&tasks[i], high, rule->context)));
    }
    /* Fractions first, so that nobody is more than one unit off; then steps of the rule. */
    for (size_t i = 0; i < count && left > 0; i++)
        if (rule->portion(&tasks[i], low, rule->context) - shares[i] > 1e-6)
            give(shares, i, &left, 1);
    if (left > 0)
        divide_step(rule, tasks, count, low, &left, shares);
}

static double keep_target(const struct sp_arbiter_task *task, double level, const void *context)
{
    const struct level_target *target = task->own;

    (void)context;
    return level < 0 ? target->frames * (1 + level) : target->frames + level;
}

const struct level_rule level_rule_target = {.keep = keep_target, .low = -1, .high = 1e10};

double level_at(const struct level_rule *rule, const struct sp_arbiter_task *tasks, size_t count,
                uint64_t frames)
{
    const struct cut cut = {rule, FROM_DEMAND};
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

/* Frames lacking for all that is asked for. */
static int64_t level_missing(const struct sp_arbiter_task *tasks, size_t count,
                             const struct sp_arbiter_request *request)
{
    int64_t missing = -(int64_t)request->spare - request->coming;

    for (size_t i = 0; i < count; i++)
        missing += tasks[i].wanted;
    return missing;
}

uint32_t level_available(const struct level_rule *rule, const struct sp_arbiter_task *tasks,
                         size_t count, const struct sp_arbiter_request *request)
{
    const struct cut cut = {rule, FROM_ASKED};
    const struct level_portion portion = {cut_at, &cut, rule->low, rule->high};
    const struct sp_arbiter_task *task = &tasks[request->task];
    int64_t missing = level_missing(tasks, count, request);
    double asked = level_asked(task);
    double low, high, left;

    if (missing <= 0)
        return (uint32_t)asked;
    narrow(&portion, tasks, count, (double)missing, &low, &high);
    left = asked - cut_at(task, low, &cut);
    return left > 0 ? whole(left) : 0;
}

uint32_t level_available_target(const void *self, uint64_t now, const struct sp_arbiter_task *tasks,
                                size_t count, const struct sp_arbiter_request *request)
{
    (void)self;
    (void)now;
    return level_available(&level_rule_target, tasks, count, request);
}

uint32_t level_decide(const struct level_rule *rule, const struct sp_arbiter_task *tasks,
                      size_t count, const struct sp_arbiter_request *request, uint32_t *takes)
{
    const bool asked = request->event != SP_ARBITER_SHORT;
    const struct cut cut = {rule, asked ? FROM_ASKED : FROM_HELD};
    const struct level_portion portion = {cut_at, &cut, rule->low, rule->high};
    int64_t missing = asked ? level_missing(tasks, count, request) : request->frames;
    uint32_t grant = request->frames;

    for (size_t i = 0; i < count; i++)
        takes[i] = 0;
    if (missing <= 0)
        return grant;
    level_divide(&portion, tasks, count, (uint64_t)missing, takes);
    for (size_t i = 0; i < count && asked; i++) {
        uint32_t refused = takes[i] < tasks[i].wanted ? takes[i] : tasks[i].wanted;

        takes[i] -= refused;
        if (request->event == SP_ARBITER_EXTRA && i == request->task)
            grant = tasks[i].wanted - refused;
    }
    return grant;
}
