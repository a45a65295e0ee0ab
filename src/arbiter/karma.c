/* Credits: who asks for less than its fair share today gets more than it another day.
 *
 * Each quantum, each of n tasks is entitled to f = guaranteed_fraction * M / n frames; the rest is
 * shared, and everybody is given credits for his part of it. Who needs less than f donates the
 * difference. Who needs more borrows, first those with most credits, one credit a frame; donors are
 * credited, poorest first, one credit for each frame that is really lent. A newcomer starts with the
 * mean of all credits. M. Vuppalapati et al., "Karma: resource allocation for dynamic demands", OSDI
 * 2023: Pareto-efficient, proof against lying about demand, and as fair as can be in the long run.
 * So credits are conserved whenever demand is as high as supply.
 *
 * Within a quantum frames are recalled from who holds most beyond what it was allotted. */
#include "arbiter/karma.h"
#include "arbiter/registry.h"

static const struct sp_policy_param karma_params[] = {
    {"quantum", 1, 0.001, 3600, "seconds from one allotment to the next"},
    {"guaranteed-fraction", 0.5, 0, 1, "part of the fair share that is always there"},
    {"credits", 1000000, 0, 1e12, "of the first tasks to come"},
    {NULL},
};

struct karma {
    uint64_t quantum;
    uint64_t next;
    uint32_t frames;
    uint32_t fair; /* of this quantum, per task */
    double fraction;
    double credits;
};

static size_t karma_size(const struct sp_arbiter_config *config)
{
    (void)config;
    return sizeof(struct karma);
}

static size_t karma_task_size(const struct sp_arbiter_config *config)
{
    (void)config;
    return sizeof(struct karma_task);
}

static void karma_init(void *self, const struct sp_arbiter_config *config)
{
    struct karma *karma = self;

    karma->frames = config->frames;
    karma->quantum = (uint64_t)(config->params[0] * 1e9);
    karma->fraction = config->params[1];
    karma->credits = config->params[2];
}

static uint64_t karma_due(const void *self)
{
    const struct karma *karma = self;

    return karma->next;
}

static double borrows(const struct sp_arbiter_task *task, double level, const void *context)
{
    const struct karma *karma = context;
    const struct karma_task *own = task->own;
    double most = level_clamp(level_demand(task) - karma->fair, 0, own->credits);

    return level_clamp(own->credits - level, 0, most);
}

static double lends(const struct sp_arbiter_task *task, double level, const void *context)
{
    const struct karma *karma = context;
    const struct karma_task *own = task->own;
    double most = level_clamp(karma->fair - level_demand(task), 0, karma->fair);

    return level_clamp(-level - own->credits, 0, most);
}

/* Greet newcomers, and give everybody the credits for his part of what is shared. */
static void issue_credits(const struct karma *karma, const struct sp_arbiter_task *tasks,
                          size_t count, double issue)
{
    double sum = 0;
    size_t known = 0;

    for (size_t i = 0; i < count; i++) {
        const struct karma_task *own = tasks[i].own;

        known += own->known;
        sum += own->credits;
    }
    for (size_t i = 0; i < count; i++) {
        struct karma_task *own = tasks[i].own;

        if (!own->known)
            own->credits = known > 0 ? (double)(uint64_t)(sum / (double)known) : karma->credits;
        own->known = true;
        own->credits += issue;
    }
}

/* A new quantum; takes[] serves as scratch. */
static void karma_allot(struct karma *karma, const struct sp_arbiter_task *tasks, size_t count,
                        uint32_t *takes)
{
    const struct level_portion borrowing = {borrows, karma, -1, 1e15};
    const struct level_portion lending = {lends, karma, -1e15, 1};
    uint64_t shared, donated = 0, borrowed = 0;

    karma->fair = (uint32_t)(karma->fraction * karma->frames / (double)count);
    shared = karma->frames - (uint64_t)karma->fair * count;
    issue_credits(karma, tasks, count, (double)(shared / count));
    for (size_t i = 0; i < count; i++)
        donated += (uint64_t)level_clamp(karma->fair - level_demand(&tasks[i]), 0, karma->fair);
    level_divide(&borrowing, tasks, count, shared + donated, takes);
    for (size_t i = 0; i < count; i++) {
        struct karma_task *own = tasks[i].own;

        own->target.frames = level_clamp(level_demand(&tasks[i]), 0, karma->fair) + takes[i];
        borrowed += takes[i];
    }
    for (size_t i = 0; i < count; i++) {
        struct karma_task *own = tasks[i].own;

        own->credits -= takes[i];
    }
    level_divide(&lending, tasks, count, borrowed < donated ? borrowed : donated, takes);
    for (size_t i = 0; i < count; i++) {
        struct karma_task *own = tasks[i].own;

        own->credits += takes[i];
    }
}

static uint32_t karma_decide(void *self, uint64_t now, const struct sp_arbiter_task *tasks,
                             size_t count, const struct sp_arbiter_request *request,
                             uint32_t *takes)
{
    const struct level_rule rule = {.keep = level_keep_target, .low = -1e10, .high = 1e10};
    struct karma *karma = self;

    if (now >= karma->next) {
        if (count > 0)
            karma_allot(karma, tasks, count, takes);
        karma->next = now + karma->quantum;
    }
    return level_decide(&rule, tasks, count, request, takes);
}

const struct sp_arbiter arbiter_karma = {
    .abi = SP_ARBITER_ABI,
    .flags = SP_ARBITER_GRANTS,
    .name = "karma",
    .summary = "credits for what was not used pay for what is borrowed later",
    .source = "Vuppalapati et al. 2023",
    .params = karma_params,
    .size = karma_size,
    .task_size = karma_task_size,
    .init = karma_init,
    .decide = karma_decide,
    .available = level_available_target,
    .due = karma_due,
};
