#include "selfpage/scenario/copies.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A copy of *text, unless it is NULL. */
static bool copy_text(char **text)
{
    if (*text != NULL)
        *text = strdup(*text);
    return *text != NULL;
}

/* `task` is a copy of another, byte by byte: give it texts of its own. A copy keeps the text of its workload and
 * not the parsed form. */
static bool own_texts(struct scenario_task *task, const char *name, uint32_t number)
{
    char **const texts[] = {&task->program, &task->policy,     &task->bandwidth,   &task->contract,
                            &task->start,   &task->stop_after, &task->expect_exit, &task->load,
                            &task->physmem, &task->part_of};
    char **arguments = task->arguments;
    bool good = true;

    task->workload = NULL;
    task->arguments = NULL;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (*texts[i] != NULL)
            good = copy_text(texts[i]) && good;
    if (asprintf(&task->name, "%s_%u", name, number) < 0) {
        task->name = NULL;
        good = false;
    }
    if (task->arguments_count > 0)
        task->arguments = calloc(task->arguments_count, sizeof *arguments);
    if (task->arguments == NULL)
        task->arguments_count = 0;
    else
        for (uint32_t i = 0; i < task->arguments_count; i++)
            good = (task->arguments[i] = strdup(arguments[i])) != NULL && good;
    return good && (task->arguments != NULL || arguments == NULL);
}

/* The first copy is the task itself, with another name. */
static bool rename_first(struct scenario_task *task)
{
    char *name = NULL;

    if (asprintf(&name, "%s_1", task->name) < 0)
        return false;
    free(task->name);
    task->name = name;
    return true;
}

int copies_expand(struct scenario *scenario)
{
    uint32_t total = 0, made = 0;
    struct scenario_task *tasks;
    bool good = true;

    for (uint32_t i = 0; i < scenario->tasks_count; i++)
        total += scenario->tasks[i].copies > 0 ? scenario->tasks[i].copies : 1;
    tasks = calloc(total, sizeof *tasks);
    if (tasks == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < scenario->tasks_count; i++) {
        struct scenario_task *task = &scenario->tasks[i];
        struct scenario_task *first = &tasks[made++];

        *first = *task;
        for (uint32_t n = 2; n <= task->copies; n++) {
            tasks[made] = *task;
            good = own_texts(&tasks[made++], task->name, n) && good;
        }
        if (task->copies > 0)
            good = rename_first(first) && good;
    }
    free(scenario->tasks);
    scenario->tasks = tasks;
    scenario->tasks_count = total;
    return good ? 0 : -ENOMEM;
}
