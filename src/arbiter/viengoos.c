/* Priorities and weights in a tree. Among the children of one parent those of the lowest priority
 * give first, and among these the one that has most for its weight, until all have the same for it.
 * What falls to a child is divided in the same way between its own frames, which count as one more
 * child of the same weight and priority, and its children's.
 *
 * N. Walfield's Viengoos, 2009. Its victim search also spares frames in use, by more and more of an
 * activity's active frames; here idleness is left to esx. */
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

/* ---- Availability ---- */

/* One task among those that a number of frames is divided between. */
struct sibling {
    uint32_t parent; /* whose children they are, and its own frames; 0: the tasks at the top */
    size_t task;
};

static double member_has(const struct sp_arbiter_task *tasks, size_t i, uint32_t parent)
{
    const struct viengoos_task *own = tasks[i].own;

    if (parent != 0 && tasks[i].id == parent)
        return own->has;
    return own->parent == parent ? own->tree_has : -1;
}

/* What a member may plan with, of `frames`: what it has or, if more, its share by weight; or what
 * it has and the others have beyond their shares, if that comes to more; and, of what others have
 * not taken of their shares, what it does not use already. A member of higher priority keeps
 * what it has. */
static double member_available(const struct sp_arbiter_task *tasks, size_t count,
                               const struct sibling *member, double frames)
{
    uint32_t priority = tasks[member->task].priority;
    double has = member_has(tasks, member->task, member->parent);
    double weight = 0, excess = 0, unused = 0;
    double share, available;

    for (size_t i = 0; i < count; i++) {
        double other = member_has(tasks, i, member->parent);

        if (other >= 0 && tasks[i].priority > priority)
            frames -= other;
        else if (other >= 0 && tasks[i].priority == priority)
            weight += tasks[i].weight;
    }
    frames = frames > 0 ? frames : 0;
    for (size_t i = 0; i < count; i++) {
        double other = member_has(tasks, i, member->parent);
        double beyond = other - frames * tasks[i].weight / weight;

        if (i == member->task || other < 0 || tasks[i].priority != priority)
            continue;
        if (beyond > 0)
            excess += beyond;
        else
            unused -= beyond;
    }
    share = frames * tasks[member->task].weight / weight;
    available = share > has ? share : has;
    if (has + excess > share)
        available = has + excess;
    if (has > share)
        unused -= has - share;
    return unused > 0 ? available + unused : available;
}

/* The same for a task with all below it: from the top of the tree downwards. */
static double tree_available(const struct sp_arbiter_task *tasks, size_t count, size_t index,
                             double frames)
{
    const struct viengoos_task *own = tasks[index].own;
    const struct sibling member = {.parent = own->parent, .task = index};

    for (size_t i = 0; own->parent != 0 && i < index; i++)
        if (tasks[i].id == own->parent)
            frames = tree_available(tasks, count, i, frames);
    return member_available(tasks, count, &member, frames);
}

/* sp_arbiter.available. In a group (the tasks of one priority below one parent) of n frames, a task
 * of weight w that has a frames may plan with
 *
 *     share = n w / sum(w)
 *     max(share, a), or a + excess if that is more than its share,    excess: of the others
 *     + unused - max(0, a - share), if positive,                      unused: by the others
 *
 * where others have an excess beyond their shares, or leave some of them unused. n is what higher
 * priorities leave; below a parent, what is available to that. It is a figure to plan with, and no
 * promise: when others want their shares, too, decide gives less. (Viengoos, ager.c, 2009. It also
 * takes off for the last period's trend and for pressure, which physmem reports on its own.) */
static uint32_t viengoos_available(const void *self, uint64_t now,
                                   const struct sp_arbiter_task *tasks, size_t count,
                                   const struct sp_arbiter_request *request)
{
    const struct viengoos_task *own = tasks[request->task].own;
    const struct sibling itself = {.parent = tasks[request->task].id, .task = request->task};
    double frames = request->spare;

    (void)self;
    (void)now;
    sum_up(tasks, count, false);
    for (size_t i = 0; i < count; i++)
        frames += tasks[i].held;
    frames = tree_available(tasks, count, request->task, frames);
    if (own->children > 0)
        frames = member_available(tasks, count, &itself, frames);
    return (uint32_t)level_clamp(frames, 0, UINT32_MAX);
}

const struct sp_arbiter arbiter_viengoos = {
    .abi = SP_ARBITER_ABI,
    .flags = SP_ARBITER_GRANTS | SP_ARBITER_NO_BIDS,
    .name = "viengoos",
    .summary = "priorities and weights in a tree",
    .source = "Walfield 2009 (Viengoos)",
    .task_size = viengoos_task_size,
    .decide = viengoos_decide,
    .available = viengoos_available,
};
