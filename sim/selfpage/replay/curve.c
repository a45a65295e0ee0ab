/* Finding curves: exact for LRU, sampled for the others. */
#include "selfpage/replay/curve.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "policy/registry.h"
#include "selfpage/replay/replay.h"
#include "replay/pass.h"
#include "replay/shards.h"
#include "replay/stack_distance.h"
#include "selfpage/replay/progress.h"

/* Sizes of a sampled curve, and of an exact one. */
#define POINTS       32u
#define EXACT_POINTS 1000u

/* Sizes from 1 to the number of pages, evenly on a logarithmic scale. */
static size_t make_sizes(uint32_t *sizes, size_t most, uint32_t pages)
{
    size_t count = 0;

    for (size_t i = 0; i < most && pages > 0; i++) {
        uint32_t size = (uint32_t)lround(pow(pages, (double)i / (double)(most - 1)));

        if (count == 0 || size > sizes[count - 1])
            sizes[count++] = size;
    }
    return count;
}

/* What one policy's curve takes while it is found. */
struct curve_work {
    const char *label;
    struct policy_choice choice;
    bool exact; /* LRU: by stack distances */
    struct shard *shards;
    size_t shard_count;
};

struct finding {
    const struct replay_options *options;
    struct trace trace;
    struct page_table table;
    struct future future;
    struct pass pass;
    struct replay_progress progress;
    struct stack_distance distances;
    struct curve_work *works;
    size_t work_count;
    struct pool_job *jobs;
    size_t job_count;
    bool sampled, exact, wants_future;
};

static bool is_lru(const struct sp_policy *policy)
{
    return strcmp(policy->name, "lru") == 0 && policy_registry_find("lru", 3) == policy;
}

static void add_work(struct finding *f, const char *label, const struct policy_choice *choice)
{
    struct curve_work *work = &f->works[f->work_count++];

    *work = (struct curve_work){.label = label, .choice = *choice, .exact = is_lru(choice->policy)};
    f->exact |= work->exact;
    f->sampled |= !work->exact;
    f->wants_future |= (choice->policy->flags & SP_POLICY_NEEDS_FUTURE) != 0;
}

static int choose_works(struct finding *f, struct sp_error *error)
{
    struct policy_choice floor;

    f->works = calloc(f->options->policy_count + 1, sizeof(*f->works));
    if (f->works == NULL)
        return error_set(error, ENOMEM, "no memory for the curves");
    for (size_t i = 0; i < f->options->policy_count; i++)
        add_work(f, f->options->policies[i].label, &f->options->policies[i].choice);
    if (f->trace.source.seekable && !f->wants_future &&
        policy_params_choose(&floor, "belady", NULL) == 0)
        add_work(f, "belady", &floor);
    if (f->sampled && !f->trace.source.seekable)
        return error_set(error, ESPIPE,
                         "%s can be read only once: of policies other than lru, a curve needs to "
                         "know first how many pages there are",
                         f->trace.source.name);
    return 0;
}

static int scan(struct finding *f, struct sp_error *error)
{
    int result;

    progress_begin(&f->progress, f->options->quiet, "reading");
    result = pass_scan(&f->pass, error);
    progress_end(&f->progress);
    page_table_close(&f->table);
    return result == 0 ? trace_rewind(&f->trace, error) : result;
}

static int prepare(struct finding *f, struct sp_error *error)
{
    uint32_t most = pass_pages_most(&f->trace, f->options->pages_most);
    int result = 0;

    if (page_table_init(&f->table, most) != 0)
        return error_set(error, ENOMEM, "no memory for the table of pages");
    f->pass = (struct pass){
        .trace = &f->trace, .table = &f->table, .progress = progress_step, .context = &f->progress};
    if (f->wants_future) {
        result = future_init(&f->future, false, most, error);
        f->pass.future = &f->future;
    }
    if (result == 0 && f->sampled)
        result = scan(f, error);
    return result;
}

static void run_distances(void *context, const struct batch *batch)
{
    stack_distance_run(context, batch->references, batch->count);
}

static void add_job(struct finding *f, void (*run)(void *, const struct batch *), void *context)
{
    f->jobs[f->job_count++] = (struct pool_job){.run = run, .context = context};
}

static int start_work(struct finding *f, struct curve_work *work, const uint32_t *sizes,
                      size_t count, struct sp_error *error)
{
    unsigned samples = shards_rate(f->table.count) < 1 ? SHARDS_SAMPLES : 1;

    work->shards = calloc(samples, sizeof(*work->shards));
    if (work->shards == NULL)
        return error_set(error, ENOMEM, "no memory for samples");
    for (unsigned i = 0; i < samples; i++) {
        int result;

        work->shard_count++;
        result = shards_init(&work->shards[i], &work->choice, sizes, count, f->table.count, i,
                             f->options->seed, f->wants_future, error);
        if (result != 0)
            return result;
        add_job(f, shards_run, &work->shards[i]);
    }
    return 0;
}

static int start(struct finding *f, struct sp_error *error)
{
    uint32_t sizes[POINTS];
    size_t count = make_sizes(sizes, POINTS, f->table.count);
    int result = 0;

    f->jobs = calloc(f->work_count * SHARDS_SAMPLES + 1, sizeof(*f->jobs));
    if (f->jobs == NULL)
        return error_set(error, ENOMEM, "no memory for the curves");
    if (f->exact) {
        if (stack_distance_init(&f->distances,
                                f->sampled
                                    ? f->table.count + 1
                                    : pass_pages_most(&f->trace, f->options->pages_most)) != 0)
            return error_set(error, ENOMEM, "no memory for stack distances");
        add_job(f, run_distances, &f->distances);
    }
    for (size_t i = 0; i < f->work_count && result == 0; i++)
        if (!f->works[i].exact)
            result = start_work(f, &f->works[i], sizes, count, error);
    return result;
}

/* ---- What came out ---- */

static int collect_exact(const struct finding *f, struct curve *curve)
{
    uint32_t sizes[EXACT_POINTS];
    uint64_t misses = f->distances.references;
    uint32_t frames = 0;

    curve->count = make_sizes(sizes, EXACT_POINTS, f->table.count);
    curve->points = calloc(curve->count + 1, sizeof(*curve->points));
    if (curve->points == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < curve->count; i++) {
        while (frames < sizes[i])
            misses -= f->distances.hits[frames++];
        curve->points[i] = (struct curve_point){
            .frames = frames, .miss_ratio = (double)misses / (double)f->distances.references};
    }
    return 0;
}

static int collect_sampled(const struct curve_work *work, struct curve *curve)
{
    curve->sampled = !work->shards[0].everything;
    curve->count = work->shards[0].engine_count;
    curve->points = calloc(curve->count + 1, sizeof(*curve->points));
    if (curve->points == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < curve->count; i++) {
        struct curve_point *point = &curve->points[i];

        point->frames = work->shards[0].frames[i];
        point->miss_ratio = shards_miss_ratio(work->shards, work->shard_count, i, &point->error);
    }
    return 0;
}

static int collect(const struct finding *f, struct curves *curves)
{
    curves->references = f->pass.references;
    curves->pages = f->table.count;
    curves->curves = calloc(f->work_count, sizeof(*curves->curves));
    if (curves->curves == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < f->work_count; i++) {
        const struct curve_work *work = &f->works[i];
        struct curve *curve = &curves->curves[curves->count++];
        int result;

        curve->label = work->label;
        result = work->exact ? collect_exact(f, curve) : collect_sampled(work, curve);
        if (result != 0)
            return result;
    }
    return 0;
}

static int find(struct finding *f, struct curves *curves, struct sp_error *error)
{
    unsigned threads = replay_threads(f->options);
    int result = choose_works(f, error);

    if (result == 0)
        result = prepare(f, error);
    if (result == 0)
        result = start(f, error);
    if (result != 0)
        return result;
    progress_begin(&f->progress, f->options->quiet, "finding curves");
    result = pass_run(&f->pass, f->jobs, f->job_count, threads, error);
    progress_end(&f->progress);
    if (result == 0 && (f->distances.failed != 0 || collect(f, curves) != 0))
        return error_set(error, ENOMEM, "no memory for the curves");
    return result;
}

int curve_run(const struct replay_options *options, struct curves *curves, struct sp_error *error)
{
    struct finding f = {.options = options};
    int result = trace_open(&f.trace, options->path, &options->trace, error);

    *curves = (struct curves){NULL};
    if (result == 0)
        result = find(&f, curves, error);
    for (size_t i = 0; i < f.work_count; i++) {
        for (size_t k = 0; k < f.works[i].shard_count; k++)
            shards_fini(&f.works[i].shards[k]);
        free(f.works[i].shards);
    }
    free(f.works);
    free(f.jobs);
    stack_distance_fini(&f.distances);
    future_fini(&f.future);
    page_table_fini(&f.table);
    trace_fini(&f.trace);
    return result;
}

void curve_fini(struct curves *curves)
{
    for (size_t i = 0; i < curves->count; i++)
        free(curves->curves[i].points);
    free(curves->curves);
    *curves = (struct curves){NULL};
}
