#include "selfpage/compare/counted.h"

#include <stdio.h>

const char *const counted_names[] = {"exit_status", "faults",     "soft_faults", "evictions",
                                     "swapped_out", "swapped_in", "dropped",     "refilled",
                                     "zeroed",      "ghost_hits", "recalls_met", "recalls_missed",
                                     "repossessed", NULL};

uint64_t counted_value(json_t *run, size_t task, const char *counter)
{
    json_t *object = json_array_get(json_object_get(run, "tasks"), task);

    return (uint64_t)json_integer_value(json_object_get(object, counter));
}

enum counted_verdict counted_judge(const struct counted *counted)
{
    if (counted->least == counted->most && counted->simulated == counted->least)
        return COUNTED_EQUAL;
    return counted->simulated >= counted->least && counted->simulated <= counted->most
               ? COUNTED_WITHIN
               : COUNTED_OUTSIDE;
}

static uint64_t nearest(const struct counted *counted)
{
    return counted->simulated < counted->least ? counted->least : counted->most;
}

/* How far the simulated figure lies outside the range of the live runs. */
static double per_cent_off(const struct counted *counted)
{
    return 100 * ((double)counted->simulated / (double)nearest(counted) - 1);
}

bool counted_is_far(const struct counted *counted, double per_cent)
{
    double off;

    if (counted_judge(counted) != COUNTED_OUTSIDE)
        return false;
    off = per_cent_off(counted);
    return nearest(counted) == 0 || off > per_cent || off < -per_cent;
}

void counted_verdict_text(const struct counted *counted, char *text, size_t size)
{
    switch (counted_judge(counted)) {
    case COUNTED_EQUAL:
        snprintf(text, size, "equal");
        break;
    case COUNTED_WITHIN:
        snprintf(text, size, "within");
        break;
    case COUNTED_OUTSIDE:
        if (nearest(counted) == 0)
            snprintf(text, size, "outside");
        else
            snprintf(text, size, "%+.1f %%", per_cent_off(counted));
        break;
    }
}
