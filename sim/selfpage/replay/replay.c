/* Running what `selfpage replay` was asked for, by the library of selfpage/replay.h. */
#include "selfpage/replay/replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <selfpage/replay.h>

#include "base/assert.h"
#include "base/error.h"
#include "selfpage/replay/asking.h"

/* Copy the parts of a run. */
static int take_moments(struct replay_result *result, const struct sp_replay *replay, size_t i)
{
    const struct sp_replay_moment *moments = sp_replay_over_time(replay, i, &result->moment_count);

    if (result->moment_count == 0)
        return 0;
    result->moments = malloc(result->moment_count * sizeof(*moments));
    if (result->moments == NULL)
        return -ENOMEM;
    memcpy(result->moments, moments, result->moment_count * sizeof(*moments));
    return 0;
}

static int take_results(const struct replay_options *options, const struct sp_replay *replay,
                        struct replay_results *results, struct sp_error *error)
{
    size_t count = sp_replay_count(replay);

    results->results = calloc(count, sizeof(*results->results));
    if (results->results == NULL)
        return error_set(error, ENOMEM, "no memory for %zu results", count);
    for (; results->count < count; results->count++) {
        const struct sp_replay_result *r = sp_replay_result(replay, results->count);

        ensure(r->policy_index < options->policy_count && r->size_index < options->size_count);
        results->results[results->count] = (struct replay_result){
            .policy = &options->policies[r->policy_index],
            .size = &options->sizes[r->size_index],
            .frames = r->frames,
            .pages = r->pages,
            .counts = {.references = r->references,
                       .writes = r->writes,
                       .misses = r->misses,
                       .evictions = r->evictions,
                       .dirty_evictions = r->dirty_evictions,
                       .policy_errors = r->policy_errors,
                       .missed_bytes = r->missed_bytes},
            .bytes = r->bytes,
            .seconds = r->seconds,
        };
        if (take_moments(&results->results[results->count], replay, results->count) != 0)
            return error_set(error, ENOMEM, "no memory for the intervals");
    }
    return 0;
}

int replay_run(const struct replay_options *options, struct replay_results *results,
               struct sp_error *error)
{
    struct asking asking;
    struct sp_trace *trace = NULL;
    struct sp_replay *replay = NULL;
    int result = asking_init(&asking, options, error);

    *results = (struct replay_results){NULL, 0};
    if (result == 0)
        result = asking_open(&asking, &trace, error);
    if (result == 0)
        result = sp_replay_run(&replay, trace, &asking.options, error);
    asking_fini(&asking);
    if (result == 0)
        result = take_results(options, replay, results, error);
    sp_replay_free(&replay);
    sp_trace_close(&trace);
    return result;
}

void replay_results_fini(struct replay_results *results)
{
    for (size_t i = 0; i < results->count; i++)
        free(results->results[i].moments);
    free(results->results);
    *results = (struct replay_results){NULL, 0};
}
