#include "selfpage/top/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

void view_fini(struct view *view)
{
    free(view->tasks);
    *view = (struct view){.tasks = NULL};
}

uint32_t view_entitled(const struct observed_task *task)
{
    uint64_t all = (uint64_t)task->guaranteed + task->leased + task->extra;

    return all < UINT32_MAX ? (uint32_t)all : UINT32_MAX;
}

static void remember(struct view_history *history, double value)
{
    memmove(&history->value[1], &history->value[0], (VIEW_SAMPLES - 1) * sizeof(history->value[0]));
    history->value[0] = (float)value;
    if (history->count < VIEW_SAMPLES)
        history->count++;
    ensure(history->count > 0);
}

static double rate(uint64_t now, uint64_t before, double seconds)
{
    return now > before && seconds > 0 ? (double)(now - before) / seconds : 0;
}

/* A task ends with its contracts, and physmem lists it for ever. */
static bool has_ended(const struct observed_task *task)
{
    return task->breached || (task->contracts == 0 && task->held == 0);
}

static void sample_task(struct view_task *task, const struct observed_task *now, bool first,
                        double seconds)
{
    const struct observed_task before = task->now;

    check(first || before.id == now->id);
    task->now = *now;
    task->ended = has_ended(now);
    task->rates = (struct view_rates){.known = !first};
    if (!first) {
        task->rates.faults = rate(now->faults, before.faults, seconds);
        task->rates.swapped_in = rate(now->swapped_in, before.swapped_in, seconds);
        task->rates.swapped_out = rate(now->swapped_out, before.swapped_out, seconds);
        task->rates.recalls = rate(now->recalls, before.recalls, seconds);
        remember(&task->faults, task->rates.faults);
        remember(&task->swapping, task->rates.swapped_in + task->rates.swapped_out);
    }
    remember(&task->held, now->held);
}

/* Room for one more task. */
static int grow(struct view *view)
{
    size_t room = view->room == 0 ? 16 : 2 * view->room;
    struct view_task *tasks;

    if (view->count < view->room)
        return 0;
    tasks = reallocarray(view->tasks, room, sizeof(*tasks));
    if (tasks == NULL)
        return -ENOMEM;
    view->tasks = tasks;
    view->room = room;
    return 0;
}

/* Both lists are in the order of ids, and physmem's only grows; if it does not begin with the tasks
 * that are known, it is that of another server. */
static int sample_tasks(struct view *view, const struct observer *physmem, double seconds)
{
    for (size_t i = 0; i < view->count; i++)
        if (i >= physmem->task_count || physmem->tasks[i].id != view->tasks[i].now.id) {
            view->count = 0;
            view->samples = 0;
        }
    for (size_t i = 0; i < physmem->task_count; i++) {
        bool first = i >= view->count;

        if (first && grow(view) != 0)
            return -ENOMEM;
        if (first)
            view->tasks[view->count++] = (struct view_task){.ended = false};
        sample_task(&view->tasks[i], &physmem->tasks[i], first, seconds);
    }
    return 0;
}

/* What swap did a second. Its server counts pages of tasks that ended, too. */
static void sample_swap(struct view *view, const struct observed_swap *now, bool first,
                        double seconds)
{
    if (!first) {
        view->rates.swapped_out = rate(now->stores, view->swap.stores, seconds);
        view->rates.swapped_in = rate(now->loads, view->swap.loads, seconds);
        remember(&view->swapping, view->rates.swapped_in + view->rates.swapped_out);
    }
    view->swap = *now;
    view->has_swap = true;
}

int view_sample(struct view *view, const struct observer *physmem, const struct observer *swap,
                double seconds)
{
    int result = sample_tasks(view, physmem, seconds);
    bool first = view->samples == 0;

    if (result != 0)
        return result;
    view->rates = (struct view_rates){.known = !first};
    view->live = 0;
    for (size_t i = 0; i < view->count; i++) {
        view->live += !view->tasks[i].ended;
        view->rates.faults += view->tasks[i].rates.faults;
    }
    view->rates.recalls = rate(physmem->physmem.recalls, view->physmem.recalls, seconds);
    if (swap != NULL && swap->known)
        sample_swap(view, &swap->swap, first || !view->has_swap, seconds);
    view->physmem = physmem->physmem;
    remember(&view->held, (double)view->physmem.frames - view->physmem.free - view->physmem.soft);
    if (!first)
        remember(&view->faults, view->rates.faults);
    view->samples++;
    return 0;
}

void view_files(struct view *view, const struct observed_files *now)
{
    view->files = *now;
    view->has_files = true;
}

void view_detail(struct view *view, const struct observed_detail *now)
{
    if (now != NULL)
        view->detail = *now;
    else
        view->detail.task = 0;
}

const struct view_task *view_find(const struct view *view, const char *name)
{
    for (size_t i = view->count; i > 0; i--)
        if (strcmp(view->tasks[i - 1].now.name, name) == 0)
            return &view->tasks[i - 1];
    return NULL;
}
