/* The curves of `selfpage replay`, by the library of selfpage/replay.h. */
#include "selfpage/replay/curve.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <selfpage/replay.h>

#include "base/error.h"
#include "selfpage/replay/asking.h"

/* The floor that the curves are drawn with. */
#define FLOOR "belady"

static bool knows_future(const struct replay_options *options)
{
    for (size_t i = 0; i < options->policy_count; i++)
        if ((options->policies[i].choice.policy->flags & SP_POLICY_NEEDS_FUTURE) != 0)
            return true;
    return false;
}

static int take_curve(const struct sp_curves *found, size_t i, struct curve *curve)
{
    const struct sp_curve_point *points = sp_curves_points(found, i, &curve->count);

    curve->sampled = sp_curves_sampled(found, i);
    curve->points = calloc(curve->count + 1, sizeof(*curve->points));
    if (curve->points == NULL)
        return -ENOMEM;
    for (size_t k = 0; k < curve->count; k++)
        curve->points[k] = (struct curve_point){.frames = points[k].frames,
                                                .miss_ratio = points[k].miss_ratio,
                                                .error = points[k].error};
    return 0;
}

static int take_curves(const struct sp_curves *found, const struct replay_options *options,
                       struct curves *curves, struct sp_error *error)
{
    size_t count = sp_curves_count(found);

    curves->references = sp_curves_references(found);
    curves->pages = sp_curves_pages(found);
    curves->curves = calloc(count, sizeof(*curves->curves));
    if (curves->curves == NULL)
        return error_set(error, ENOMEM, "no memory for the curves");
    for (size_t i = 0; i < count; i++) {
        struct curve *curve = &curves->curves[curves->count++];

        curve->label = i < options->policy_count ? options->policies[i].label : FLOOR;
        if (take_curve(found, i, curve) != 0)
            return error_set(error, ENOMEM, "no memory for the curves");
    }
    return 0;
}

/* ---- Differences ---- */

static const struct curve *find_curve(const struct curves *curves, const char *label)
{
    for (size_t i = 0; i < curves->count; i++)
        if (strcmp(curves->curves[i].label, label) == 0)
            return &curves->curves[i];
    return NULL;
}

/* The value of a curve at a number of frames: between two points, on a straight line over the logarithm of the
 * frames. */
static struct curve_point value_at(const struct curve *curve, uint32_t frames)
{
    struct curve_point left = curve->points[0], right = left;
    double part;

    for (size_t i = 0; i < curve->count; i++) {
        right = curve->points[i];
        if (right.frames >= frames)
            break;
        left = right;
    }
    if (right.frames <= frames || left.frames >= frames)
        return left.frames >= frames ? left : right;
    part = log((double)frames / left.frames) / log((double)right.frames / left.frames);
    return (struct curve_point){.frames = frames,
                                .miss_ratio =
                                    left.miss_ratio + part * (right.miss_ratio - left.miss_ratio),
                                .error = left.error > right.error ? left.error : right.error};
}

/* Make all curves differences to that of `label`. */
static int subtract(struct curves *curves, const char *label, struct sp_error *error)
{
    const struct curve *baseline = find_curve(curves, label);
    struct curve kept;

    if (baseline == NULL || baseline->count == 0)
        return error_set(error, EINVAL, "--baseline: there is no curve of '%.60s'", label);
    kept = *baseline;
    kept.points = malloc(kept.count * sizeof(*kept.points));
    if (kept.points == NULL)
        return error_set(error, ENOMEM, "no memory for the curves");
    memcpy(kept.points, baseline->points, kept.count * sizeof(*kept.points));
    for (size_t i = 0; i < curves->count; i++)
        for (size_t k = 0; k < curves->curves[i].count; k++) {
            struct curve_point *point = &curves->curves[i].points[k];
            struct curve_point from = value_at(&kept, point->frames);

            point->miss_ratio -= from.miss_ratio;
            point->error = &curves->curves[i] == baseline ? 0 : hypot(point->error, from.error);
        }
    free(kept.points);
    curves->baseline = label;
    return 0;
}

int curve_run(const struct replay_options *options, struct curves *curves, struct sp_error *error)
{
    struct asking asking;
    struct sp_trace *trace = NULL;
    struct sp_curves *found = NULL;
    int result = asking_init(&asking, options, error);

    *curves = (struct curves){NULL};
    if (result == 0)
        result = asking_open(&asking, &trace, error);
    if (result == 0) {
        asking.options.size_count = 0;
        if (!options->no_floor && sp_trace_rereadable(trace) && !knows_future(options))
            asking_add(&asking, FLOOR);
        result = sp_curves_run(&found, trace, &asking.options, error);
    }
    asking_fini(&asking);
    if (result == 0)
        result = take_curves(found, options, curves, error);
    if (result == 0 && options->baseline != NULL)
        result = subtract(curves, options->baseline, error);
    sp_curves_free(&found);
    sp_trace_close(&trace);
    return result;
}

void curve_fini(struct curves *curves)
{
    for (size_t i = 0; i < curves->count; i++)
        free(curves->curves[i].points);
    free(curves->curves);
    *curves = (struct curves){NULL};
}
