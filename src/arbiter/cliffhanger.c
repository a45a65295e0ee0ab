/* Hit-rate climbing: a fault on a page that was evicted only lately says that a few frames more
 * would have been a hit; so that task gets `step` frames more, and another gives them.
 *
 * A. Cidon et al., "Cliffhanger: scaling performance cliffs in web memory caches", NSDI 2016: the
 * queue whose shadow was hit grows, a random other one shrinks, and the slopes of the hit-rate
 * curves become equal. The one that shrinks is the next in turn here, which makes the outcome a
 * function of its input. Nobody shrinks below its guarantee. The search for cliffs (two pointers
 * per queue) is the task's business. Needs ghost hits that are reported honestly; while there are
 * none everybody is meant to have the same. */
#include "arbiter/registry.h"
#include "arbiter/target.h"

/* Ghost hits of a task that count in one period: the rest is the same news again. */
#define HITS_MAX 64u

static const struct sp_policy_param cliffhanger_params[] = {
    {"step", 4, 1, 65536, "frames that move for each ghost hit"},
    {"period", 0.1, 0.001, 3600, "seconds from one look at ghost hits to the next"},
    {NULL},
};

struct cliffhanger {
    double step;
    uint64_t period;
    uint64_t next;
    uint32_t frames;
    uint32_t turn; /* the task that gives next: index in the list of tasks */
};

static size_t cliffhanger_size(const struct sp_arbiter_config *config)
{
    (void)config;
    return sizeof(struct cliffhanger);
}

static size_t cliffhanger_task_size(const struct sp_arbiter_config *config)
{
    (void)config;
    return sizeof(struct target_task);
}

static void cliffhanger_init(void *self, const struct sp_arbiter_config *config)
{
    struct cliffhanger *cliffhanger = self;

    cliffhanger->frames = config->frames;
    cliffhanger->step = config->params[0];
    cliffhanger->period = (uint64_t)(config->params[1] * 1e9);
}

static uint64_t cliffhanger_due(const void *self)
{
    const struct cliffhanger *cliffhanger = self;

    return cliffhanger->next;
}

/* Take a step from the next in turn that can give one. Returns the frames. */
static double give_step(struct cliffhanger *cliffhanger, const struct sp_arbiter_task *tasks,
                        size_t count, size_t to)
{
    for (size_t tries = 0; tries < count; tries++) {
        size_t i = cliffhanger->turn++ % count;
        struct target_task *own = tasks[i].own;

        if (i == to || own->target.frames < tasks[i].guaranteed + cliffhanger->step)
            continue;
        own->target.frames -= cliffhanger->step;
        return cliffhanger->step;
    }
    return 0;
}

static void climb(struct cliffhanger *cliffhanger, const struct sp_arbiter_task *tasks,
                  size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct target_task *own = tasks[i].own;
        uint64_t hits = target_hits(&tasks[i]);

        for (uint64_t h = 0; h < hits && h < HITS_MAX; h++) {
            double step = give_step(cliffhanger, tasks, count, i);

            if (step == 0)
                break;
            own->target.frames += step;
        }
    }
}

static uint32_t cliffhanger_decide(void *self, uint64_t now, const struct sp_arbiter_task *tasks,
                                   size_t count, const struct sp_arbiter_request *request,
                                   uint32_t *takes)
{
    struct cliffhanger *cliffhanger = self;

    target_include(cliffhanger->frames, tasks, count);
    if (now >= cliffhanger->next) {
        climb(cliffhanger, tasks, count);
        cliffhanger->next = now + cliffhanger->period;
    }
    return level_decide(&level_rule_target, tasks, count, request, takes);
}

const struct sp_arbiter arbiter_cliffhanger = {
    .abi = SP_ARBITER_ABI,
    .flags = SP_ARBITER_GRANTS | SP_ARBITER_NO_WEIGHTS | SP_ARBITER_NO_BIDS,
    .name = "cliffhanger",
    .summary = "frames follow ghost hits",
    .source = "Cidon et al. 2016",
    .params = cliffhanger_params,
    .size = cliffhanger_size,
    .task_size = cliffhanger_task_size,
    .init = cliffhanger_init,
    .decide = cliffhanger_decide,
    .available = level_available_target,
    .due = cliffhanger_due,
};
