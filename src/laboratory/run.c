/* Running policies at sizes, and their results. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "laboratory/survey.h"
#include "policy/registry.h"
#include "replay/engine.h"

/* One policy at one size, while it runs. */
struct simulation {
    struct engine engine;
    uint64_t warm_up; /* references left that are not counted */
    uint64_t interval;
    struct sp_replay_moment *moments; /* that have ended */
    size_t moment_count, moment_room;
    struct engine_counts counted; /* when the last one ended */
    uint64_t bytes;               /* of the references that were counted */
    bool failed;                  /* there was no memory for another */
};

struct sp_replay {
    struct sp_replay_result *results;
    char **labels; /* what results[].policy point to */
    size_t count, label_count;
    /* While it runs. */
    struct simulation *simulations;
    struct pool_job *jobs;
    size_t started;
};

int sp_replay_version(void)
{
    return SP_REPLAY_VERSION;
}

const struct sp_policy *sp_replay_policy(size_t i)
{
    return policy_registry_builtin(i);
}

/* ---- Before the pass that counts ---- */

static bool has_shares(const struct sp_replay_options *options)
{
    for (size_t i = 0; i < options->size_count; i++)
        if (options->sizes[i].frames == 0)
            return true;
    return false;
}

/* Find out what a replay must know of the trace first. If the trace carries the future, this takes no pass of its
 * own, unless that future was found to be wrong: then `trust` is off. */
static int prepare(struct survey *survey, bool trust, struct sp_error *error)
{
    const struct trace *trace = &survey->opened->trace;
    const struct sp_replay_options *options = survey->options;
    uint32_t flags = survey->choices.flags;
    bool carried = trust && trace->carries_future && !trace_splits(trace);
    bool must_know = survey->choices.needs_future;
    bool counts_pages = has_shares(options) && (trace->told_pages == 0 || options->limit != 0);
    bool must_scan = counts_pages || (must_know && !carried);
    int result;

    if (must_scan && !trace->source.seekable)
        return error_set(error, ESPIPE, "%s can be read only once, but %s", trace->source.name,
                         must_know && !carried
                             ? "a policy must know its future"
                             : "sizes are shares of its pages, which must be counted first");
    result = survey_prepare(survey, must_know || ((flags & SP_POLICY_TAKES_FUTURE) != 0 && carried),
                            carried, error);
    if (result == 0 && (flags & SP_POLICY_WANTS_IDS) != 0 &&
        page_table_keep_ids(&survey->table) != 0)
        return error_set(error, ENOMEM, "no memory for the ids of pages");
    return result == 0 && must_scan ? survey_scan(survey, error) : result;
}

/* ---- The pass ---- */

/* Note what has been counted since the last moment, if anything. */
static void end_moment(struct simulation *s)
{
    const struct engine_counts *now = &s->engine.counts;
    size_t room = s->moment_room > 0 ? 2 * s->moment_room : 64;
    struct sp_replay_moment *grown;

    if (s->failed || now->references == s->counted.references)
        return;
    if (s->moment_count == s->moment_room) {
        grown = reallocarray(s->moments, room, sizeof(*grown));
        s->failed = grown == NULL;
        if (grown == NULL)
            return;
        s->moments = grown;
        s->moment_room = room;
    }
    s->moments[s->moment_count++] =
        (struct sp_replay_moment){.references = now->references - s->counted.references,
                                  .misses = now->misses - s->counted.misses};
    s->counted = *now;
}

static uint64_t sum_of(const uint32_t *sizes, size_t count)
{
    uint64_t sum = 0;

    for (size_t i = 0; sizes != NULL && i < count; i++)
        sum += sizes[i];
    return sum;
}

/* Run references that count. */
static void run_counted(struct simulation *s, const uint32_t *references, const uint64_t *next,
                        const uint32_t *sizes, size_t count)
{
    s->bytes += sum_of(sizes, count);
    while (count > 0) {
        uint64_t done = s->engine.counts.references - s->counted.references;
        size_t some = count;

        if (s->interval > 0 && s->interval - done < count)
            some = (size_t)(s->interval - done);
        s->engine.sizes = sizes;
        engine_run(&s->engine, references, next, some);
        if (s->interval > 0 && done + some == s->interval)
            end_moment(s);
        references += some;
        next = next != NULL ? next + some : NULL;
        sizes = sizes != NULL ? sizes + some : NULL;
        count -= some;
    }
}

static void simulate(void *context, const struct batch *batch)
{
    struct simulation *s = context;
    size_t first = batch->count < s->warm_up ? batch->count : (size_t)s->warm_up;

    if (first > 0) {
        engine_run(&s->engine, batch->references, batch->next, first);
        s->warm_up -= first;
        if (s->warm_up == 0)
            s->engine.counts = (struct engine_counts){.references = 0};
    }
    run_counted(s, batch->references + first, batch->next != NULL ? batch->next + first : NULL,
                batch->sizes != NULL ? batch->sizes + first : NULL, batch->count - first);
}

static int start(struct sp_replay *replay, struct survey *survey, struct sp_error *error)
{
    const struct sp_replay_options *options = survey->options;
    uint32_t most = survey_pages_most(survey);
    uint64_t pages =
        survey->table.count > 0 ? survey->table.count : survey->opened->trace.told_pages;

    for (size_t i = 0; i < replay->count; i++) {
        struct sp_replay_result *r = &replay->results[i];
        struct simulation *s = &replay->simulations[i];
        const struct policy_choice *choice;
        int result;

        r->policy_index = i % options->policy_count;
        r->size_index = i / options->policy_count;
        r->policy = survey->choices.labels[r->policy_index];
        r->frames = survey_frames(&options->sizes[r->size_index], pages);
        s->warm_up = options->warm_up;
        s->interval = options->interval;
        replay->started++;
        choice = &survey->choices.handles[r->policy_index].choice;
        if (engine_is_optimum(choice->policy))
            result = engine_init_optimum(&s->engine, choice, r->frames, most, error);
        else
            result = engine_init(&s->engine, choice, r->frames, most, options->seed,
                                 survey->wants_future, error);
        if (result != 0)
            return result;
        engine_give_ids(&s->engine, survey->table.ids);
        replay->jobs[i] = (struct pool_job){.run = simulate, .context = s};
    }
    return 0;
}

/* Engines end before the policies that they run. */
static void stop(struct sp_replay *replay)
{
    for (size_t i = 0; i < replay->started; i++)
        engine_fini(&replay->simulations[i].engine);
    replay->started = 0;
}

static void take_results(struct sp_replay *replay, const struct survey *survey, double before)
{
    for (size_t i = 0; i < replay->count; i++) {
        struct sp_replay_result *r = &replay->results[i];
        struct engine_counts counts;

        engine_end(&replay->simulations[i].engine);
        counts = replay->simulations[i].engine.counts;

        if (replay->simulations[i].warm_up > 0) /* all of the trace */
            counts = (struct engine_counts){.references = 0};
        r->pages = survey->table.count;
        r->references = counts.references;
        r->writes = counts.writes;
        r->misses = counts.misses;
        r->evictions = counts.evictions;
        r->dirty_evictions = counts.dirty_evictions;
        r->policy_errors = counts.policy_errors;
        r->bytes = replay->simulations[i].bytes;
        r->missed_bytes = counts.missed_bytes;
        r->seconds = replay->jobs[i].seconds + survey->pass.seconds - before;
        check(r->misses <= r->references);
    }
}

/* The last parts end. -ENOMEM: some part is missing. */
static int end_moments(struct sp_replay *replay, struct sp_error *error)
{
    for (size_t i = 0; i < replay->count; i++) {
        struct simulation *s = &replay->simulations[i];

        if (s->interval > 0 && s->warm_up == 0)
            end_moment(s);
        if (s->failed)
            return error_set(error, ENOMEM, "no memory for intervals of %llu references",
                             (unsigned long long)s->interval);
    }
    return 0;
}

/* Begin anew: nothing has been noted. */
static void forget_moments(struct sp_replay *replay)
{
    for (size_t i = 0; i < replay->count; i++) {
        free(replay->simulations[i].moments);
        replay->simulations[i] = (struct simulation){.warm_up = 0};
    }
}

static int run_once(struct sp_replay *replay, struct survey *survey, bool trust,
                    struct sp_error *error)
{
    int result = prepare(survey, trust, error);
    double before = survey->pass.seconds;

    if (result == 0)
        result = start(replay, survey, error);
    if (result == 0)
        result = survey_run(survey, replay->jobs, replay->count, error);
    if (result == 0)
        result = end_moments(replay, error);
    if (result == 0)
        take_results(replay, survey, before);
    return result;
}

static void say_notes(const struct survey *survey)
{
    const struct trace *trace = &survey->opened->trace;
    char text[TRACE_COLUMNS + 20];

    if (trace->columns[0] != '\0') {
        snprintf(text, sizeof(text), "by its header: %s", trace->columns);
        survey_note(survey, text);
    }
    if (trace->hashed == 0)
        return;
    snprintf(text, sizeof(text),
             "%llu of %llu ids are not decimal numbers below 2^64; their 64-bit "
             "hashes stand for them",
             (unsigned long long)trace->hashed, (unsigned long long)trace->records);
    survey_note(survey, text);
}

/* A future in the trace that is wrong is not used: then the references themselves say it. */
static int run_all(struct sp_replay *replay, struct survey *survey, struct sp_error *error)
{
    struct sp_error why = {0};
    int result = run_once(replay, survey, true, &why);
    char text[SP_ERROR_TEXT + 64];

    if (result == -EILSEQ && survey->future.carried && survey->opened->trace.source.seekable) {
        snprintf(text, sizeof(text), "%s; taking the future from the references instead", why.text);
        survey_note(survey, text);
        stop(replay);
        forget_moments(replay);
        survey_forget(survey);
        result = trace_rewind(&survey->opened->trace, &why);
        if (result == 0)
            result = run_once(replay, survey, false, &why);
    }
    if (result == 0)
        say_notes(survey);
    else if (error != NULL)
        *error = why;
    return result;
}

static int make(struct sp_replay **replayp, const struct sp_replay_options *options,
                struct sp_error *error)
{
    struct sp_replay *replay = calloc(1, sizeof(*replay));
    size_t count = options->policy_count * options->size_count;

    *replayp = replay;
    if (replay == NULL)
        return error_set(error, ENOMEM, "no memory for the results");
    if (options->size_count == 0)
        return error_set(error, EINVAL, "there is no size to run policies at");
    replay->count = count;
    replay->results = calloc(count, sizeof(*replay->results));
    replay->simulations = calloc(count, sizeof(*replay->simulations));
    replay->jobs = calloc(count, sizeof(*replay->jobs));
    if (replay->results == NULL || replay->simulations == NULL || replay->jobs == NULL)
        return error_set(error, ENOMEM, "no memory for %zu simulations", count);
    return 0;
}

/* The results take the labels with them. */
static void keep_labels(struct sp_replay *replay, struct choices *choices)
{
    replay->labels = choices->labels;
    replay->label_count = choices->count;
    choices->labels = NULL;
}

int sp_replay_run(struct sp_replay **replayp, struct sp_trace *trace,
                  const struct sp_replay_options *options, struct sp_error *error)
{
    struct survey survey;
    int result;

    *replayp = NULL;
    result = survey_init(&survey, trace, options, error);
    if (result == 0)
        result = make(replayp, options, error);
    if (result == 0)
        result = run_all(*replayp, &survey, error);
    if (*replayp != NULL) {
        stop(*replayp);
        keep_labels(*replayp, &survey.choices);
    }
    survey_fini(&survey);
    if (result != 0)
        sp_replay_free(replayp);
    return result;
}

size_t sp_replay_count(const struct sp_replay *replay)
{
    return replay->count;
}

const struct sp_replay_result *sp_replay_result(const struct sp_replay *replay, size_t i)
{
    ensure(i < replay->count);
    return &replay->results[i];
}

const struct sp_replay_moment *sp_replay_over_time(const struct sp_replay *replay, size_t i,
                                                   size_t *countp)
{
    ensure(i < replay->count);
    *countp = replay->simulations[i].moment_count;
    return replay->simulations[i].moments;
}

void sp_replay_free(struct sp_replay **replayp)
{
    struct sp_replay *replay = *replayp;

    *replayp = NULL;
    if (replay == NULL)
        return;
    for (size_t i = 0; i < replay->label_count; i++)
        free(replay->labels[i]);
    free(replay->labels);
    free(replay->results);
    for (size_t i = 0; i < replay->count && replay->simulations != NULL; i++)
        free(replay->simulations[i].moments);
    free(replay->simulations);
    free(replay->jobs);
    free(replay);
}
