#include "selfpage/top/print.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "os/stdio.h"
#include "selfpage/command/counters.h"
#include "selfpage/command/counters_json.h"
#include "selfpage/command/json_out.h"
#include "selfpage/top/detail.h"

/* ---- For people ---- */

static void print_servers(FILE *out, const struct view *view, double seconds)
{
    const struct observed_physmem *physmem = &view->physmem;

    fprintf(
        out,
        "after %.1f s: physmem: %u frames, %u free, %u soft, %u guaranteed; %zu tasks; recalls: "
        "%llu met, %llu missed\n",
        seconds, physmem->frames, physmem->free, physmem->soft, physmem->guaranteed, view->live,
        (unsigned long long)physmem->recalls_met, (unsigned long long)physmem->recalls_missed);
    if (view->has_swap)
        fprintf(
            out,
            "swap: %u slots, %u used, %u reserved; %llu pages stored, %llu loaded; %u requests wait\n",
            view->swap.slots, view->swap.used, view->swap.reserved,
            (unsigned long long)view->swap.stores, (unsigned long long)view->swap.loads,
            view->swap.queued + view->swap.in_flight);
}

static void print_files(FILE *out, const struct observed_files *files)
{
    fprintf(out,
            "fileserver: %u clients, %u files open; %llu reads, %llu from the cache of %u pages, "
            "%llu refused\n",
            files->clients, files->files, (unsigned long long)files->reads,
            (unsigned long long)files->hits, files->cached, (unsigned long long)files->refused);
}

static void print_row(FILE *out, const struct view_task *task, int names)
{
    const struct top_column *column;
    char text[COLUMN_TEXT];

    for (size_t i = 0; (column = columns_at(i)) != NULL; i++) {
        columns_text(column, task, names, text);
        fprintf(out, "%s%s", i > 0 ? " " : "", text);
    }
    fprintf(out, "%s\n", task->now.breached ? "  breached" : task->ended ? "  ended" : "");
}

static void print_task(FILE *out, const struct view *view, const struct view_task *task)
{
    fprintf(out, "task %s: process %u of user %u%s\n", task->now.name, task->now.pid, task->now.uid,
            task->now.breached ? ", lost everything"
            : task->ended      ? ", ended"
                               : "");
    detail_print(out, view, task, 0);
}

static int print_rows(FILE *out, const struct view *view, const struct selection *selection)
{
    const struct view_task **shown = calloc(view->count + 1, sizeof(const struct view_task *));
    const struct top_column *column;
    size_t count;
    int names;

    if (shown == NULL)
        return -ENOMEM;
    count = columns_select(view, selection, shown, view->count);
    names = columns_names(shown, count, COLUMN_TEXT);
    for (size_t i = 0; (column = columns_at(i)) != NULL; i++)
        fprintf(out, "%s%*s", i > 0 ? " " : "", columns_width(column, names), column->title);
    fputc('\n', out);
    for (size_t i = 0; i < count; i++)
        print_row(out, shown[i], names);
    free(shown);
    return 0;
}

int print_table(FILE *out, const struct view *view, const struct top_options *options,
                double seconds)
{
    const struct view_task *task = options->task != NULL ? view_find(view, options->task) : NULL;
    int result = 0;

    print_servers(out, view, seconds);
    if (view->has_files)
        print_files(out, &view->files);
    if (options->task == NULL)
        result = print_rows(out, view, &options->selection);
    else if (task != NULL)
        print_task(out, view, task);
    else
        fprintf(out, "task %s: not there\n", options->task);
    fputc('\n', out);
    return result != 0 ? result : stdio_finish(out);
}

/* ---- For programs ---- */

static json_t *rate_json(const struct view_rates *rates, double rate)
{
    return rates->known ? json_real(rate) : json_null();
}

static json_t *task_json(const struct view *view, const struct view_task *task, bool alone,
                         bool *failed)
{
    json_t *object = json_object();
    const struct view_rates *rates = &task->rates;

    counters_json_put(object, "name", json_string(task->now.name), failed);
    counters_json_put(object, "ended", json_boolean(task->ended), failed);
    counters_json_table(object, &counters_task_status, &task->now, failed);
    counters_json_put(object, "faults_per_second", rate_json(rates, rates->faults), failed);
    counters_json_put(object, "swapped_in_per_second", rate_json(rates, rates->swapped_in), failed);
    counters_json_put(object, "swapped_out_per_second", rate_json(rates, rates->swapped_out),
                      failed);
    counters_json_put(object, "recalls_per_second", rate_json(rates, rates->recalls), failed);
    if (alone)
        counters_json_put(object, "detail", detail_json(view, task, failed), failed);
    return object;
}

static json_t *server_json(const struct counter_table *table, const void *from, bool *failed)
{
    json_t *object = json_object();

    counters_json_table(object, table, from, failed);
    return object;
}

/* The tasks that are selected, in order. */
static json_t *tasks_json(const struct view *view, const struct top_options *options, bool *failed)
{
    const struct view_task **shown = calloc(view->count + 1, sizeof(const struct view_task *));
    json_t *tasks = json_array();
    size_t count =
        shown != NULL ? columns_select(view, &options->selection, shown, view->count) : 0;

    if (shown == NULL || tasks == NULL)
        *failed = true;
    for (size_t i = 0; i < count; i++)
        if ((options->task == NULL || strcmp(options->task, shown[i]->now.name) == 0) &&
            json_array_append_new(tasks,
                                  task_json(view, shown[i], options->task != NULL, failed)) != 0)
            *failed = true;
    free(shown);
    return tasks;
}

int print_json(FILE *out, const struct view *view, const struct top_options *options,
               double seconds)
{
    json_t *object = json_object();
    bool failed = object == NULL;
    int result = 0;

    counters_json_put(object, "seconds", json_real(seconds), &failed);
    counters_json_put(object, "physmem", server_json(&counters_physmem, &view->physmem, &failed),
                      &failed);
    counters_json_put(
        object, "swap",
        view->has_swap ? server_json(&counters_swap, &view->swap, &failed) : json_null(), &failed);
    counters_json_put(object, "fileserver",
                      view->has_files ? server_json(&counters_fileserver, &view->files, &failed)
                                      : json_null(),
                      &failed);
    counters_json_put(object, "tasks", tasks_json(view, options, &failed), &failed);
    if (failed)
        result = -ENOMEM;
    else
        result = json_out_print(out, object, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(object);
    return result;
}
