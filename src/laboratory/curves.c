/* Finding curves: exact for LRU, sampled for the others. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "laboratory/survey.h"
#include "policy/registry.h"
#include "replay/shards.h"
#include "replay/stack_distance.h"

/* Sizes of a sampled curve, and of an exact one, where none are given. */
#define POINTS       32u
#define EXACT_POINTS 1000u

struct found_curve {
    struct sp_curve_point *points;
    size_t count;
    bool sampled;
    /* While it is found. */
    bool exact; /* LRU: by stack distances */
    struct shard *shards;
    size_t shard_count;
};

struct sp_curves {
    struct found_curve *curves;
    size_t count;
    uint64_t references;
    uint32_t pages;
};

/* What finding takes beside the survey. */
struct finding {
    struct survey survey;
    struct sp_curves *curves;
    struct stack_distance distances;
    struct pool_job *jobs;
    size_t job_count;
    bool sampled, exact; /* there is such a curve */
};

/* ---- Sizes ---- */

static int compare_sizes(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

/* From 1 to the number of pages, evenly on a logarithmic scale. */
static size_t spread_sizes(uint32_t *sizes, size_t most, uint32_t pages)
{
    size_t count = 0;

    for (size_t i = 0; i < most && pages > 0; i++) {
        uint32_t size = (uint32_t)lround(pow(pages, (double)i / (double)(most - 1)));

        if (count == 0 || size > sizes[count - 1])
            sizes[count++] = size;
    }
    return count;
}

/* The sizes of curves of `most` points, or those that were asked for, each once, rising. NULL: no
 * memory. */
static uint32_t *make_sizes(const struct finding *f, size_t most, size_t *countp)
{
    const struct sp_replay_options *options = f->survey.options;
    uint32_t pages = f->survey.table.count;
    size_t given = options->size_count, count = 0;
    uint32_t *sizes = calloc((given > most ? given : most) + 1, sizeof(*sizes));

    if (sizes == NULL || given == 0) {
        *countp = sizes != NULL ? spread_sizes(sizes, most, pages) : 0;
        return sizes;
    }
    for (size_t i = 0; i < given; i++)
        sizes[i] = survey_frames(&options->sizes[i], pages);
    qsort(sizes, given, sizeof(*sizes), compare_sizes);
    for (size_t i = 0; i < given; i++)
        if (count == 0 || sizes[i] > sizes[count - 1])
            sizes[count++] = sizes[i];
    *countp = count;
    return sizes;
}

/* ---- Before the pass ---- */

static bool is_lru(const struct sp_policy *policy)
{
    return strcmp(policy->name, "lru") == 0 && policy_registry_find("lru", 3) == policy;
}

static int choose(struct finding *f, struct sp_error *error)
{
    const struct choices *choices = &f->survey.choices;
    const struct trace *trace = &f->survey.opened->trace;

    f->curves->curves = calloc(choices->count, sizeof(*f->curves->curves));
    if (f->curves->curves == NULL)
        return error_set(error, ENOMEM, "no memory for the curves");
    f->curves->count = choices->count;
    for (size_t i = 0; i < choices->count; i++) {
        struct found_curve *curve = &f->curves->curves[i];

        curve->exact = is_lru(choices->handles[i].choice.policy);
        f->exact |= curve->exact;
        f->sampled |= !curve->exact;
    }
    if (f->sampled && !trace->source.seekable)
        return error_set(error, ESPIPE,
                         "%s can be read only once: of policies other than lru, a curve needs to "
                         "know first how many pages there are",
                         trace->source.name);
    return 0;
}

static void run_distances(void *context, const struct batch *batch)
{
    stack_distance_run(context, batch->references, batch->count);
}

static void add_job(struct finding *f, void (*run)(void *, const struct batch *), void *context)
{
    f->jobs[f->job_count++] = (struct pool_job){.run = run, .context = context};
}

static int start_curve(struct finding *f, size_t i, const uint32_t *sizes, size_t count,
                       struct sp_error *error)
{
    struct survey *s = &f->survey;
    struct found_curve *curve = &f->curves->curves[i];
    unsigned samples = shards_rate(s->table.count) < 1 ? SHARDS_SAMPLES : 1;

    curve->shards = calloc(samples, sizeof(*curve->shards));
    if (curve->shards == NULL)
        return error_set(error, ENOMEM, "no memory for samples");
    for (unsigned k = 0; k < samples; k++) {
        int result;

        curve->shard_count++;
        result = shards_init(&curve->shards[k], &s->choices.handles[i].choice, sizes, count,
                             s->table.count, k, s->options->seed, s->wants_future, error);
        if (result != 0)
            return result;
        add_job(f, shards_run, &curve->shards[k]);
    }
    return 0;
}

static int start_sampled(struct finding *f, struct sp_error *error)
{
    size_t count;
    uint32_t *sizes = make_sizes(f, POINTS, &count);
    int result = sizes != NULL ? 0 : error_set(error, ENOMEM, "no memory for the curves");

    for (size_t i = 0; i < f->curves->count && result == 0; i++)
        if (!f->curves->curves[i].exact)
            result = start_curve(f, i, sizes, count, error);
    free(sizes);
    return result;
}

static int start(struct finding *f, struct sp_error *error)
{
    uint32_t most = survey_pages_most(&f->survey) + f->sampled;

    f->jobs = calloc(f->curves->count * SHARDS_SAMPLES + 1, sizeof(*f->jobs));
    if (f->jobs == NULL)
        return error_set(error, ENOMEM, "no memory for the curves");
    if (f->exact) {
        if (stack_distance_init(&f->distances, most) != 0)
            return error_set(error, ENOMEM, "no memory for stack distances");
        add_job(f, run_distances, &f->distances);
    }
    return f->sampled ? start_sampled(f, error) : 0;
}

/* ---- What came out ---- */

static int collect_exact(const struct finding *f, struct found_curve *curve)
{
    uint32_t *sizes = make_sizes(f, EXACT_POINTS, &curve->count);
    uint64_t misses = f->distances.references;
    uint32_t frames = 0, pages = f->survey.table.count;

    curve->points = calloc(curve->count + 1, sizeof(*curve->points));
    for (size_t i = 0; i < curve->count && curve->points != NULL; i++) {
        while (frames < sizes[i] && frames < pages)
            misses -= f->distances.hits[frames++];
        curve->points[i] = (struct sp_curve_point){
            .frames = sizes[i],
            .miss_ratio = misses > 0 ? (double)misses / (double)f->distances.references : 0};
    }
    free(sizes);
    return sizes != NULL && curve->points != NULL ? 0 : -ENOMEM;
}

static int collect_sampled(struct found_curve *curve)
{
    curve->sampled = !curve->shards[0].everything;
    curve->count = curve->shards[0].engine_count;
    curve->points = calloc(curve->count + 1, sizeof(*curve->points));
    if (curve->points == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < curve->count; i++) {
        struct sp_curve_point *point = &curve->points[i];

        point->frames = curve->shards[0].frames[i];
        point->miss_ratio = shards_miss_ratio(curve->shards, curve->shard_count, i, &point->error);
    }
    return 0;
}

static int collect(struct finding *f)
{
    f->curves->references = f->survey.pass.references;
    f->curves->pages = f->survey.table.count;
    for (size_t i = 0; i < f->curves->count; i++) {
        struct found_curve *curve = &f->curves->curves[i];
        int result = curve->exact ? collect_exact(f, curve) : collect_sampled(curve);

        if (result != 0)
            return result;
    }
    return 0;
}

static int find(struct finding *f, struct sp_error *error)
{
    struct survey *survey = &f->survey;
    int result = choose(f, error);

    if (result == 0)
        result = survey_prepare(survey, survey->choices.needs_future, false, error);
    if (result == 0 && f->sampled)
        result = survey_scan(survey, error);
    if (result == 0)
        result = start(f, error);
    if (result == 0)
        result = survey_run(survey, f->jobs, f->job_count, error);
    if (result == 0 && (f->distances.failed != 0 || collect(f) != 0))
        return error_set(error, ENOMEM, "no memory for the curves");
    return result;
}

/* Give back what only finding needed; engines end before the policies that they run. */
static void finish(struct finding *f)
{
    for (size_t i = 0; f->curves != NULL && i < f->curves->count; i++) {
        struct found_curve *curve = &f->curves->curves[i];

        for (size_t k = 0; k < curve->shard_count; k++)
            shards_fini(&curve->shards[k]);
        free(curve->shards);
        curve->shards = NULL;
    }
    free(f->jobs);
    stack_distance_fini(&f->distances);
    survey_fini(&f->survey);
}

int sp_curves_run(struct sp_curves **curvesp, struct sp_trace *trace,
                  const struct sp_replay_options *options, struct sp_error *error)
{
    struct finding f = {.sampled = false};
    int result;

    *curvesp = f.curves = calloc(1, sizeof(*f.curves));
    if (f.curves == NULL)
        return error_set(error, ENOMEM, "no memory for the curves");
    result = survey_init(&f.survey, trace, options, error);
    if (result == 0)
        result = find(&f, error);
    finish(&f);
    if (result != 0)
        sp_curves_free(curvesp);
    return result;
}

size_t sp_curves_count(const struct sp_curves *curves)
{
    return curves->count;
}

uint64_t sp_curves_references(const struct sp_curves *curves)
{
    return curves->references;
}

uint32_t sp_curves_pages(const struct sp_curves *curves)
{
    return curves->pages;
}

const struct sp_curve_point *sp_curves_points(const struct sp_curves *curves, size_t i,
                                              size_t *countp)
{
    ensure(i < curves->count);
    *countp = curves->curves[i].count;
    return curves->curves[i].points;
}

bool sp_curves_sampled(const struct sp_curves *curves, size_t i)
{
    ensure(i < curves->count);
    return curves->curves[i].sampled;
}

void sp_curves_free(struct sp_curves **curvesp)
{
    struct sp_curves *curves = *curvesp;

    *curvesp = NULL;
    if (curves == NULL)
        return;
    for (size_t i = 0; i < curves->count; i++)
        free(curves->curves[i].points);
    free(curves->curves);
    free(curves);
}
