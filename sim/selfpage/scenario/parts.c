#include "selfpage/scenario/parts.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "core/contracts/contract.h"
#include "core/contracts/terms_text.h"

uint32_t parts_next(const struct scenario *scenario, uint32_t above, uint32_t from)
{
    const char *name = scenario->tasks[above].name;

    while (from < scenario->tasks_count && (scenario->tasks[from].part_of == NULL ||
                                            strcmp(scenario->tasks[from].part_of, name) != 0))
        from++;
    return from;
}

/* The index of a task; the number of tasks if there is none of that name. */
static uint32_t find_task(const struct scenario *scenario, const char *name)
{
    uint32_t index = 0;

    while (index < scenario->tasks_count && strcmp(scenario->tasks[index].name, name) != 0)
        index++;
    return index;
}

/* The only contract of a task that lives from a part: a kind and frames. */
static int own_terms(const struct scenario_task *task, struct sp_terms *terms,
                     struct sp_error *error)
{
    struct wanted_contract wanted[TERMS_MAX];
    int count = terms_text_parse(task->contract, wanted, error);

    if (count < 0)
        return count;
    if (count != 1 || strpbrk(task->contract, ",;") != NULL || wanted[0].token != 0)
        return error_set(error, EINVAL,
                         "with part_of a contract is KIND=FRAMES alone: its other terms are those "
                         "of the contract above");
    *terms = wanted[0].terms;
    return 0;
}

/* Follow part_of to the task that has contracts of its own. */
static int find_root(const struct scenario *scenario, uint32_t index, uint32_t *rootp,
                     struct sp_error *error)
{
    uint32_t at = index;

    for (unsigned depth = 0; scenario->tasks[at].part_of != NULL; depth++) {
        const char *name = scenario->tasks[at].part_of;

        if (depth == PART_DEPTH_MAX)
            return error_set(error, EINVAL,
                             "parts of parts go %u deep, and never round in a circle",
                             PART_DEPTH_MAX);
        at = find_task(scenario, name);
        if (at == scenario->tasks_count)
            return error_set(error, EINVAL, "there is no task \"%.60s\"", name);
        if (scenario->tasks[at].server != scenario->tasks[index].server)
            return error_set(error, EINVAL,
                             "task %.60s has another physmem, and a part is of the same", name);
    }
    *rootp = at;
    return 0;
}

/* The first contract of a kind that a task has by itself. */
static int find_contract(const struct scenario_task *task, uint8_t kind, struct sp_terms *terms,
                         struct sp_error *error)
{
    struct wanted_contract wanted[TERMS_MAX];
    int count = terms_text_parse(task->contract, wanted, error);

    for (int i = 0; i < count; i++) {
        if (wanted[i].token != 0 || wanted[i].terms.kind != kind)
            continue;
        *terms = wanted[i].terms;
        if (terms->order > 0)
            return error_set(error, EINVAL,
                             "task %.60s has larger pages (order=%u): parts are for base pages",
                             task->name, terms->order);
        return 0;
    }
    return count < 0 ? count
                     : error_set(error, EINVAL, "task %.60s has no %s contract to split",
                                 task->name, terms_text_kind(kind));
}

/* Whether all parts of a task's contract leave it a frame. */
static int check_sum(const struct scenario *scenario, uint32_t above, uint8_t kind, uint32_t frames,
                     struct sp_error *error)
{
    const struct scenario_task *task = &scenario->tasks[above];
    uint64_t sum = 0;
    uint32_t count = 0;

    for (uint32_t i = parts_next(scenario, above, 0); i < scenario->tasks_count;
         i = parts_next(scenario, above, i + 1)) {
        struct sp_terms terms = {.frames = 0};

        count++;
        if (own_terms(&scenario->tasks[i], &terms, error) == 0 && terms.kind == kind)
            sum += terms.frames;
    }
    if (count > PARTS_PER_TASK)
        return error_set(error, EINVAL,
                         "%u tasks live from parts of task %.60s: a task has at "
                         "most %u parts",
                         count, task->name, PARTS_PER_TASK);
    if (sum >= frames)
        return error_set(error, EINVAL,
                         "parts of %llu frames in all leave task %.60s, which has %s=%u, no frame "
                         "of its own",
                         (unsigned long long)sum, task->name, terms_text_kind(kind), frames);
    return 0;
}

int parts_find(const struct scenario *scenario, uint32_t index, struct scenario_part *part,
               const char **fieldp, struct sp_error *error)
{
    const struct scenario_task *task = &scenario->tasks[index];
    struct sp_terms own, above;
    uint32_t root = 0;
    int result;

    *fieldp = "contract";
    result = own_terms(task, &own, error);
    if (result != 0)
        return result;
    *fieldp = "part_of";
    result = find_root(scenario, index, &root, error);
    if (result == 0)
        result = find_contract(&scenario->tasks[root], own.kind, &part->terms, error);
    if (result != 0)
        return result;
    part->above = find_task(scenario, task->part_of);
    above = part->terms;
    if (part->above != root)
        result = own_terms(&scenario->tasks[part->above], &above, error);
    if (result == 0 && above.kind != own.kind)
        result = error_set(error, EINVAL, "task %.60s has no %s contract to split", task->part_of,
                           terms_text_kind(own.kind));
    if (result == 0) {
        *fieldp = "contract";
        result = check_sum(scenario, part->above, own.kind, above.frames, error);
    }
    part->terms.frames = part->terms.min = own.frames;
    return result;
}
