#include "selfpage/compare/times.h"

#include <stdlib.h>

void times_add(struct times *times, const json_t *run)
{
    const json_t *tasks = json_object_get(run, "tasks"), *task;
    double *grown =
        reallocarray(times->us, times->count + json_array_size(tasks) + 1, sizeof *grown);
    size_t i;

    if (grown == NULL)
        return;
    times->us = grown;
    json_array_foreach(tasks, i, task)
    {
        double us = json_number_value(json_object_get(task, "microseconds"));

        if (us > 0)
            times->us[times->count++] = us;
    }
}

void times_fini(struct times *times)
{
    free(times->us);
    *times = (struct times){NULL};
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static double find(struct times *times, double quantile)
{
    size_t at = (size_t)(quantile * (double)times->count);

    if (times->count == 0)
        return 0;
    qsort(times->us, times->count, sizeof *times->us, by_value);
    return times->us[at < times->count ? at : times->count - 1];
}

bool times_show(FILE *out, const char *name, double quantile, struct times *live,
                struct times *simulated, double per_cent, json_t **objects)
{
    double ran = find(live, quantile), played = find(simulated, quantile);
    double off = ran > 0 ? 100 * (played / ran - 1) : 0;

    fprintf(out, "%-16s %-16s %21.3f ms %9.3f ms  %+.1f %%\n", "all tasks", name, ran / 1000,
            played / 1000, off);
    if (*objects != NULL)
        json_array_append_new(*objects, json_pack("{s:s,s:f,s:f,s:f}", "time", name, "live_us", ran,
                                                  "simulated_us", played, "off_per_cent", off));
    return per_cent < 0 || (off <= per_cent && off >= -per_cent);
}
