/* Running what `selfpage replay` was asked for. */
#include "selfpage/replay/replay.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "replay/pass.h"
#include "selfpage/replay/progress.h"

/* What a replay needs while it runs. */
struct replay {
    const struct replay_options *options;
    struct trace trace;
    struct page_table table;
    struct future future;
    struct pass pass;
    struct replay_progress progress;
    struct engine *engines; /* as many as results */
    struct pool_job *jobs;
    uint32_t flags; /* of all policies together */
    bool wants_future;
    bool shares; /* sizes in shares of the pages */
};

unsigned replay_threads(const struct replay_options *options)
{
    cpu_set_t set;

    if (options->threads > 0)
        return options->threads;
    CPU_ZERO(&set);
    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static void look_at_options(struct replay *replay)
{
    const struct replay_options *options = replay->options;

    for (size_t i = 0; i < options->policy_count; i++)
        replay->flags |= options->policies[i].choice.policy->flags;
    for (size_t i = 0; i < options->size_count; i++)
        if (options->sizes[i].share > 0)
            replay->shares = true;
}

/* ---- Before the pass that counts ---- */

/* One pass to number the pages, and to see the future where the trace does not carry it. */
static int scan(struct replay *replay, struct sp_error *error)
{
    int result;

    progress_begin(&replay->progress, replay->options->quiet, "reading");
    result = pass_scan(&replay->pass, error);
    progress_end(&replay->progress);
    page_table_close(&replay->table); /* a writer to the file meanwhile gets an error */
    return result == 0 ? trace_rewind(&replay->trace, error) : result;
}

/* What must be known of the trace before it is replayed. A future that the trace carries spares a
 * pass, unless it is found to be wrong: then `trust` is off. */
static int prepare(struct replay *replay, bool trust, struct sp_error *error)
{
    struct trace *trace = &replay->trace;
    bool carried = trust && trace->carries_future && !trace_splits(trace);
    bool must_know = (replay->flags & SP_POLICY_NEEDS_FUTURE) != 0;
    bool must_scan = (replay->shares && trace->told_pages == 0) || (must_know && !carried);
    uint32_t most = pass_pages_most(trace, replay->options->pages_most);
    int result = 0;

    if (must_scan && !trace->source.seekable)
        return error_set(error, ESPIPE, "%s can be read only once, but %s", trace->source.name,
                         must_know && !carried
                             ? "a policy must know its future"
                             : "sizes are shares of its pages, which must be counted first");
    if (page_table_init(&replay->table, most) != 0)
        return error_set(error, ENOMEM, "no memory for the table of pages");
    replay->pass = (struct pass){.trace = trace,
                                 .table = &replay->table,
                                 .progress = progress_step,
                                 .context = &replay->progress};
    if ((replay->flags & SP_POLICY_WANTS_IDS) != 0 && page_table_keep_ids(&replay->table) != 0)
        return error_set(error, ENOMEM, "no memory for the ids of pages");
    replay->wants_future = must_know || ((replay->flags & SP_POLICY_TAKES_FUTURE) != 0 && carried);
    if (replay->wants_future) {
        result = future_init(&replay->future, carried, most, error);
        replay->pass.future = &replay->future;
    }
    if (result == 0 && must_scan)
        result = scan(replay, error);
    return result;
}

static uint32_t frames_of(const struct replay *replay, const struct replay_size *size)
{
    uint64_t pages = replay->table.count > 0 ? replay->table.count : replay->trace.told_pages;
    uint64_t frames;

    if (size->share == 0)
        return size->frames;
    frames = (uint64_t)(size->share * (double)pages);
    if (frames > UINT32_MAX - 1)
        return UINT32_MAX - 1;
    return frames > 0 ? (uint32_t)frames : 1;
}

/* ---- The pass ---- */

static void run_engine(void *context, const struct batch *batch)
{
    engine_run(context, batch->references, batch->next, batch->count);
}

static int start_engines(struct replay *replay, struct replay_results *results,
                         struct sp_error *error)
{
    const struct replay_options *options = replay->options;
    uint32_t most = replay->table.count > 0 ? replay->table.count
                                            : pass_pages_most(&replay->trace, options->pages_most);

    for (size_t i = 0; i < results->count; i++) {
        struct replay_result *r = &results->results[i];
        int result;

        r->policy = &options->policies[i % options->policy_count];
        r->size = &options->sizes[i / options->policy_count];
        r->frames = frames_of(replay, r->size);
        result = engine_init(&replay->engines[i], &r->policy->choice, r->frames, most,
                             options->seed, replay->wants_future, error);
        if (result != 0)
            return result;
        engine_give_ids(&replay->engines[i], replay->table.ids);
        replay->jobs[i] = (struct pool_job){.run = run_engine, .context = &replay->engines[i]};
    }
    return 0;
}

static int run(struct replay *replay, struct replay_results *results, struct sp_error *error)
{
    unsigned threads = replay_threads(replay->options);
    double before = replay->pass.seconds;
    int result;

    results->count = replay->options->policy_count * replay->options->size_count;
    results->results = calloc(results->count + 1, sizeof(*results->results));
    replay->engines = calloc(results->count + 1, sizeof(*replay->engines));
    replay->jobs = calloc(results->count + 1, sizeof(*replay->jobs));
    if (results->results == NULL || replay->engines == NULL || replay->jobs == NULL)
        return error_set(error, ENOMEM, "no memory for %zu simulations", results->count);
    result = start_engines(replay, results, error);
    if (result != 0)
        return result;
    progress_begin(&replay->progress, replay->options->quiet, "replaying");
    result = pass_run(&replay->pass, replay->jobs, results->count, threads, error);
    progress_end(&replay->progress);
    for (size_t i = 0; i < results->count; i++) {
        results->results[i].counts = replay->engines[i].counts;
        results->results[i].pages = replay->table.count;
        results->results[i].seconds = replay->jobs[i].seconds + replay->pass.seconds - before;
    }
    return result;
}

static void clear(struct replay *replay, size_t engines)
{
    for (size_t i = 0; i < engines && replay->engines != NULL; i++)
        engine_fini(&replay->engines[i]);
    free(replay->engines);
    free(replay->jobs);
    future_fini(&replay->future);
    page_table_fini(&replay->table);
    replay->engines = NULL;
    replay->jobs = NULL;
}

static void say_notes(const struct replay *replay)
{
    const struct trace *trace = &replay->trace;

    if (!replay->options->quiet && trace->hashed > 0)
        fprintf(stderr,
                "selfpage: note: %llu of %llu ids are no decimal numbers below 2^64; their 64-bit "
                "hashes stand for them\n",
                (unsigned long long)trace->hashed, (unsigned long long)trace->records);
}

int replay_run(const struct replay_options *options, struct replay_results *results,
               struct sp_error *error)
{
    struct replay replay = {.options = options};
    int result = trace_open(&replay.trace, options->path, &options->trace, error);

    *results = (struct replay_results){NULL, 0};
    look_at_options(&replay);
    for (bool trust = true; result == 0; trust = false) {
        result = prepare(&replay, trust, error);
        if (result == 0)
            result = run(&replay, results, error);
        if (result != -EILSEQ || !trust || !replay.future.carried || !replay.trace.source.seekable)
            break;
        if (!options->quiet)
            fprintf(stderr, "selfpage: note: %s; taking the future from the references instead\n",
                    error->text);
        clear(&replay, results->count);
        replay_results_fini(results);
        result = trace_rewind(&replay.trace, error);
    }
    if (result == 0)
        say_notes(&replay);
    clear(&replay, results->count);
    trace_fini(&replay.trace);
    return result;
}

void replay_results_fini(struct replay_results *results)
{
    free(results->results);
    *results = (struct replay_results){NULL, 0};
}
