/* What most arbiters have in common: there is one number, the level (of water, of a price, of what
 * a share is worth), and each task may keep a number of frames at that level. The rule finds the
 * level at which what the tasks may not keep is exactly what is missing. A demand that shows
 * (`wanted`) counts like frames that are held: it is cut first, which is a refusal, and then what
 * is held, which is a recall. This way the outcome depends on demands alone, and not on which task
 * asked first. */
#ifndef ARBITER_LEVEL_H
#define ARBITER_LEVEL_H

#include <selfpage/arbiter.h>

/* Frames that a task may keep at a level; it never falls as the level rises, and may have steps. */
struct level_rule {
    double (*keep)(const struct sp_arbiter_task *task, double level, const void *context);
    const void *context;
    double low;  /* here every task keeps as little as it can */
    double high; /* and here, as much as it can get */
};

/* Decide by a rule: arguments and result of sp_arbiter.decide; takes[] need not be 0. A TICK recalls
 * what is due to those whose demand shows. Tasks at a step of the rule give as much as one another. */
uint32_t level_decide(const struct level_rule *rule, const struct sp_arbiter_task *tasks,
                      size_t count, const struct sp_arbiter_request *request, uint32_t *takes);

/* The level at which these tasks keep `frames` frames between them, of what each would use. */
double level_at(const struct level_rule *rule, const struct sp_arbiter_task *tasks, size_t count,
                uint64_t frames);

/* What the asking task would end up with by a rule: arguments and result of sp_arbiter.available.
 * Where the rule has steps or fractions, the least. */
uint32_t level_available(const struct level_rule *rule, const struct sp_arbiter_task *tasks,
                         size_t count, const struct sp_arbiter_request *request);

/* Divide `units` by a function that falls as the level rises, from `low` on: set shares[i], whose
 * sum is `units`, or less if even `low` gives less. Fractions go to lower ids; tasks at
 * a step of the rule get as much as one another, or all they can. */
struct level_portion {
    double (*portion)(const struct sp_arbiter_task *task, double level, const void *context);
    const void *context;
    double low;
    double high; /* here all portions are 0 */
};
void level_divide(const struct level_portion *rule, const struct sp_arbiter_task *tasks,
                  size_t count, uint64_t units, uint32_t *shares);

/* A rule for arbiters whose state of a task begins with the frames it is meant to have. Where there are
 * fewer frames than these in all, each task keeps the same part of its own; where there are more, each
 * may keep as many more as any other. */
struct level_target {
    double frames;
};
extern const struct level_rule level_rule_target;

/* sp_arbiter.available by such a rule. */
uint32_t level_available_target(const void *self, uint64_t now, const struct sp_arbiter_task *tasks,
                                size_t count, const struct sp_arbiter_request *request);

/* Frames a task has and is not about to return, and those it asks for. */
static inline double level_asked(const struct sp_arbiter_task *task)
{
    return (double)task->held - task->owed + task->wanted;
}

/* Frames a task would use: at least those. */
static inline double level_demand(const struct sp_arbiter_task *task)
{
    double asked = level_asked(task);

    return task->demand > asked ? task->demand : asked;
}

static inline double level_clamp(double value, double least, double most)
{
    return value < least ? least : value > most ? most : value;
}

#endif
