/* Priorities and weights in a tree. Among the children of one parent those of the lowest priority
 * give first, and among these whoever has most for its weight, until all have the same for it. What
 * falls to a child is divided in the same way between its own frames, which count as one more child
 * of the same weight and priority, and its children's.
 *
 * N. Walfield's Viengoos, 2009. Its victim search also spares frames in use, by more and more of an
 * activity's active frames;
 * here idleness is left to esx. */
#include "arbiter/viengoos.h"

#include <string.h>

#include "arbiter/level.h"
#include "arbiter/registry.h"

struct viengoos_task {
    double has;      /* itself */
    double most;     /* of these, may be cut */
    double tree_has; /* with all below it */
    double tree_most;
    double cut;      /* falls to the tree */
    double mine_cut; /* falls to the task itself */
    uint32_t children;
    uint32_t parent; /* 0 if it is not there any more */
};

/* The members of one priority below one parent. */
struct group {
    uint32_t parent; /* 0: the tasks at the top */
    uint32_t priority;
};

static size_t viengoos_task_size(const struct sp_arbiter_config *config)
{
    (void)config;
    return sizeof(struct viengoos_task);
}

/* What a task can give as a member of a group. */
static double viengoos_portion(const struct sp_arbiter_task *task, double level,
                               const void *context)
{
    const struct group *group = context;
    const struct viengoos_task *own = task->own;

    if (task->priority != group->priority)
        return 0;
    if (group->parent != 0 && task->id == group->parent)
        return level_clamp(own->has - level * task->weight, 0, own->most);
    if (own->parent != group->parent)
        return 0;
    return level_clamp(own->tree_has - level * task->weight, 0, own->tree_most);
}

/* The lowest priority above `above` in the group of a parent; false if there is none. */
static bool next_priority(const struct sp_arbiter_task *tasks, size_t count, uint32_t parent,
                          int64_t above, uint32_t *priorityp)
{
    bool found = false;

    for (size_t i = 0; i < count; i++) {
        const struct viengoos_task *own = tasks[i].own;

        if (own->parent != parent && (parent == 0 || tasks[i].id != parent))
            continue;
        if ((int64_t)tasks[i].priority > above && (!found || tasks[i].priority < *priorityp)) {
            *priorityp = tasks[i].priority;
            found = true;
        }
    }
    return found;
}

/* Divide a cut of `units` frames among a parent and its children. */
static void divide_below(const struct sp_arbiter_task *tasks, size_t count, uint32_t parent,
                         uint64_t units, uint32_t *scratch)
{
    struct group group = {.parent = parent};
    const struct level_portion rule = {viengoos_portion, &group, 0, 1e10};
    int64_t above = -1;

    while (units > 0 && next_priority(tasks, count, parent, above, &group.priority)) {
        level_divide(&rule, tasks, count, units, scratch);
        for (size_t i = 0; i < count; i++) {
            struct viengoos_task *own = tasks[i].own;

            if (parent != 0 && tasks[i].id == parent)
                own->mine_cut += scratch[i];
            else
                own->cut += scratch[i];
            units -= scratch[i];
        }
        above = group.priority;
    }
}

/* Tasks come in order of id, and a child after its parent. */
static struct viengoos_task *parent_of(const struct sp_arbiter_task *tasks, size_t i)
{
    for (size_t j = 0; tasks[i].parent != 0 && j < i; j++)
        if (tasks[j].id == tasks[i].parent)
            return tasks[j].own;
    return NULL;
}

/* Add up what each tree has. */
static void sum_up(const struct sp_arbiter_task *tasks, size_t count, bool extra)
{
    for (size_t i = 0; i < count; i++) {
        struct viengoos_task *own = tasks[i].own;
        uint32_t wanted = extra ? tasks[i].wanted : 0;

        memset(own, 0, sizeof(*own));
        own->has = (double)tasks[i].held - tasks[i].owed + wanted;
        own->most = (double)tasks[i].recallable + wanted;
    }
    for (size_t i = count; i-- > 0;) {
        struct viengoos_task *own = tasks[i].own;
        struct viengoos_task *parent = parent_of(tasks, i);

        own->tree_has += own->has;
        own->tree_most += own->most;
        if (parent != NULL) {
            own->parent = tasks[i].parent;
            parent->tree_has += own->tree_has;
            parent->tree_most += own->tree_most;
            parent->children++;
        }
    }
}

static uint32_t viengoos_decide(void *self, uint64_t now, const struct sp_arbiter_task *tasks,
                                size_t count, const struct sp_arbiter_request *request,
                                uint32_t *takes)
{
    bool extra = request->event == SP_ARBITER_EXTRA;
    int64_t missing = extra ? -(int64_t)request->spare - request->coming : request->frames;
    uint32_t grant = request->frames;

    (void)self;
    (void)now;
    for (size_t i = 0; i < count && extra; i++)
        missing += tasks[i].wanted;
    if (missing <= 0)
        return grant;
    sum_up(tasks, count, extra);
    divide_below(tasks, count, 0, (uint64_t)missing, takes);
    for (size_t i = 0; i < count; i++) {
        struct viengoos_task *own = tasks[i].own;

        if (own->children > 0)
            divide_below(tasks, count, tasks[i].id, (uint64_t)own->cut, takes);
        else
            own->mine_cut = own->cut;
    }
    for (size_t i = 0; i < count; i++) {
        const struct viengoos_task *own = tasks[i].own;
        double refused = extra ? level_clamp(own->mine_cut, 0, tasks[i].wanted) : 0;

        takes[i] = (uint32_t)(own->mine_cut - refused);
        if (extra && i == request->task)
            grant = tasks[i].wanted - (uint32_t)refused;
    }
    return grant;
}

uint32_t viengoos_available(const struct sp_arbiter_task *tasks, size_t count, size_t index,
                            uint32_t frames, uint32_t unused)
{
    const struct sp_arbiter_task *task = &tasks[index];
    uint32_t has = task->held - task->owed;
    uint64_t weights = 0;
    uint64_t share;

    for (size_t i = 0; i < count; i++)
        if (tasks[i].parent == task->parent && tasks[i].priority == task->priority)
            weights += tasks[i].weight;
    share = (uint64_t)frames * task->weight / weights;
    if (share > has)
        return share > (uint64_t)has + unused ? (uint32_t)share : has + unused;
    return has + unused;
}

const struct sp_arbiter arbiter_viengoos = {
    .abi = SP_ARBITER_ABI,
    .flags = SP_ARBITER_GRANTS,
    .name = "viengoos",
    .summary = "priorities and weights in a tree",
    .source = "Walfield 2009 (Viengoos)",
    .task_size = viengoos_task_size,
    .decide = viengoos_decide,
};
