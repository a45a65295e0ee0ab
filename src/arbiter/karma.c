/* Credits: a task that needs less than its fair share today gets more than it another day.
 *
 * Each quantum, each of n tasks is entitled to f = guaranteed_fraction * M / n frames; the rest is
 * shared, and each task is given credits for its part of it. A task that needs less than f donates the
 * difference. A task that needs more borrows: first the tasks with most credits, one credit a frame.
 * Donors are credited, the poorest first, one credit for each frame that is really lent. A newcomer
 * starts with the mean of all credits. M. Vuppalapati et al., "Karma: resource allocation for dynamic
 * demands", OSDI 2023: Pareto-efficient, no gain from lies about demand, and as fair as can be in the
 * long run. Credits are conserved whenever demand is as high as supply.
 *
 * What a task needs is what it states (sp_arbiter_task.demand), not the batch that it asks for. What
 * contracts guarantee beyond f costs no credits, and is not shared. Within a quantum frames are
 * recalled from the tasks that hold more than they were allotted. */
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

/* What a task needs. One that was refused frames and does not state its demand is starved: it has use
 * for its fair share, and is no donor. */
static double needs(const struct karma *karma, const struct sp_arbiter_task *task)
{
    double demand = level_demand(task);
    bool starved = task->wanted > 0 && demand <= level_asked(task);

    return starved && demand < karma->fair ? karma->fair : demand;
}

/* What a task gets of this without credits: what it needs up to its fair share, or up to what its
 * contracts guarantee. A lease guarantees nothing: its frames are borrowed like others, or it would be renewed for ever. */
static double free_of_charge(const struct karma *karma, const struct sp_arbiter_task *task)
{
    double promised = task->guaranteed;

    return level_clamp(needs(karma, task), 0, promised > karma->fair ? promised : karma->fair);
}

static double borrows(const struct sp_arbiter_task *task, double level, const void *context)
{
    const struct karma *karma = context;
    const struct karma_task *own = task->own;
    double most = level_clamp(needs(karma, task) - free_of_charge(karma, task), 0, own->credits);

    return level_clamp(own->credits - level, 0, most);
}

/* Frames of its fair share that a task has no use for. */
static double donates(const struct karma *karma, const struct sp_arbiter_task *task)
{
    return level_clamp(karma->fair - needs(karma, task), 0, karma->fair);
}

static double lends(const struct sp_arbiter_task *task, double level, const void *context)
{
    const struct karma *karma = context;
    const struct karma_task *own = task->own;

    return level_clamp(-level - own->credits, 0, donates(karma, task));
}

/* Greet newcomers, and give each task the credits for its part of what is shared. */
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

/* The frames that are set aside if each task has this fair share or, where that is more, the frames that it is
 * promised and has use for. */
static double set_aside(const struct sp_arbiter_task *tasks, size_t count, uint32_t fair)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++) {
        double promised = level_clamp(level_demand(&tasks[i]), 0, tasks[i].guaranteed);

        sum += promised > fair ? promised : fair;
    }
    return sum;
}

/* The fair share of each task that is always there: less where promises to others leave less. */
static uint32_t fair_share(const struct karma *karma, const struct sp_arbiter_task *tasks,
                           size_t count)
{
    uint32_t most = (uint32_t)(karma->fraction * karma->frames / (double)count);
    uint32_t fair = 0;

    if (set_aside(tasks, count, most) <= karma->frames)
        return most;
    for (uint32_t bit = UINT32_C(1) << 31; bit > 0; bit /= 2)
        if (fair + bit <= most && set_aside(tasks, count, fair + bit) <= karma->frames)
            fair += bit;
    return fair;
}

/* A new quantum; takes[] serves as scratch. */
static void karma_allot(struct karma *karma, const struct sp_arbiter_task *tasks, size_t count,
                        uint32_t *takes)
{
    const struct level_portion borrowing = {borrows, karma, -1, 1e15};
    const struct level_portion lending = {lends, karma, -1e15, 1};
    uint64_t donated = 0, borrowed = 0;
    double left;
    uint64_t shared;

    karma->fair = fair_share(karma, tasks, count);
    left = karma->frames - set_aside(tasks, count, karma->fair);
    shared = left > 0 ? (uint64_t)left : 0;
    issue_credits(karma, tasks, count, (double)(shared / count));
    for (size_t i = 0; i < count; i++)
        donated += (uint64_t)donates(karma, &tasks[i]);
    level_divide(&borrowing, tasks, count, shared + donated, takes);
    for (size_t i = 0; i < count; i++) {
        struct karma_task *own = tasks[i].own;

        own->target.frames = free_of_charge(karma, &tasks[i]) + takes[i];
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

/* A task that has come within a quantum has its fair share at once, and borrows from the next on. */
static void receive_newcomers(struct karma *karma, const struct sp_arbiter_task *tasks,
                              size_t count)
{
    uint32_t fair = karma->fair;

    karma->fair = fair_share(karma, tasks, count);
    for (size_t i = 0; i < count; i++) {
        struct karma_task *own = tasks[i].own;

        if (!own->known)
            own->target.frames = free_of_charge(karma, &tasks[i]);
    }
    karma->fair = fair;
}

static uint32_t karma_decide(void *self, uint64_t now, const struct sp_arbiter_task *tasks,
                             size_t count, const struct sp_arbiter_request *request,
                             uint32_t *takes)
{
    struct karma *karma = self;

    if (now >= karma->next) {
        if (count > 0)
            karma_allot(karma, tasks, count, takes);
        karma->next = now + karma->quantum;
    }
    if (count > 0)
        receive_newcomers(karma, tasks, count);
    return level_decide(&level_rule_target, tasks, count, request, takes);
}

const struct sp_arbiter arbiter_karma = {
    .abi = SP_ARBITER_ABI,
    .flags = SP_ARBITER_GRANTS | SP_ARBITER_NO_WEIGHTS | SP_ARBITER_NO_BIDS,
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
