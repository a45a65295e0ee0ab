/* Marginal benefit: in each period a step of frames goes from the task that would lose least by it to the task that
 * would gain most.
 *
 * What one frame more is worth to a task is estimated from its ghost hits, faults that twice its frames would have
 * spared: their number in a period, smoothed, by the frames that the task has, times its weight. The weight says what a
 * miss costs, compared with those of the others: memory that is expensive to make again is kept.
 *
 * After Y. Qiao et al., "Harvesting Idle Memory for Application-managed Soft State with Midas", NSDI 2024, where a
 * coordinator measures by how much each application would be faster; here the tasks say it. Nobody shrinks below its
 * guarantee. Needs ghost hits and weights that are honest. */
#include "arbiter/registry.h"
#include "arbiter/target.h"

/* Weight of the newest period in the average. */
#define NEW 0.2

static const struct sp_policy_param midas_params[] = {
    {"step", 8, 1, 65536, "frames that move in a period"},
    {"period", 0.1, 0.001, 3600, "seconds from one move to the next"},
    {NULL},
};

struct midas {
    double step;
    uint64_t period;
    uint64_t next;
    uint32_t frames;
};

struct midas_task {
    struct target_task target;
    double hits; /* in a period, on average */
};

static size_t midas_size(const struct sp_arbiter_config *config)
{
    (void)config;
    return sizeof(struct midas);
}

static size_t midas_task_size(const struct sp_arbiter_config *config)
{
    (void)config;
    return sizeof(struct midas_task);
}

static void midas_init(void *self, const struct sp_arbiter_config *config)
{
    struct midas *midas = self;

    midas->frames = config->frames;
    midas->step = config->params[0];
    midas->period = (uint64_t)(config->params[1] * 1e9);
}

static uint64_t midas_due(const void *self)
{
    const struct midas *midas = self;

    return midas->next;
}

/* What one frame more is worth to a task. */
static double benefit(const struct sp_arbiter_task *task)
{
    const struct midas_task *own = task->own;
    double frames = own->target.target.frames;

    return own->hits * task->weight / (frames > 1 ? frames : 1);
}

static bool can_give(const struct midas *midas, const struct sp_arbiter_task *task)
{
    const struct midas_task *own = task->own;

    return own->target.target.frames >= task->guaranteed + midas->step;
}

/* Move a step, if there is one that pays. */
static void move(const struct midas *midas, const struct sp_arbiter_task *tasks, size_t count)
{
    const struct sp_arbiter_task *from = NULL, *to = NULL;

    for (size_t i = 0; i < count; i++) {
        struct midas_task *own = tasks[i].own;

        own->hits += NEW * ((double)target_hits(&tasks[i]) - own->hits);
        if (to == NULL || benefit(&tasks[i]) > benefit(to))
            to = &tasks[i];
        if (can_give(midas, &tasks[i]) && (from == NULL || benefit(&tasks[i]) < benefit(from)))
            from = &tasks[i];
    }
    if (from == NULL || benefit(to) <= benefit(from))
        return;
    ((struct midas_task *)from->own)->target.target.frames -= midas->step;
    ((struct midas_task *)to->own)->target.target.frames += midas->step;
}

static uint32_t midas_decide(void *self, uint64_t now, const struct sp_arbiter_task *tasks,
                             size_t count, const struct sp_arbiter_request *request,
                             uint32_t *takes)
{
    struct midas *midas = self;

    target_include(midas->frames, tasks, count);
    if (now >= midas->next) {
        move(midas, tasks, count);
        midas->next = now + midas->period;
    }
    return level_decide(&level_rule_target, tasks, count, request, takes);
}

const struct sp_arbiter arbiter_midas = {
    .abi = SP_ARBITER_ABI,
    .flags = SP_ARBITER_GRANTS | SP_ARBITER_NO_BIDS,
    .name = "midas",
    .summary = "frames go where one more is worth most",
    .source = "Qiao et al. 2024",
    .params = midas_params,
    .size = midas_size,
    .task_size = midas_task_size,
    .init = midas_init,
    .decide = midas_decide,
    .available = level_available_target,
    .due = midas_due,
};
