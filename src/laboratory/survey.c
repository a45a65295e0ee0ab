#include "laboratory/survey.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

static unsigned count_threads(unsigned asked)
{
    cpu_set_t set;

    if (asked > 0)
        return asked;
    CPU_ZERO(&set);
    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static int check_options(const struct sp_replay_options *options, struct sp_error *error)
{
    int result = opened_check_version(options->version, error);

    if (result != 0)
        return result;
    if (options->threads > SURVEY_THREADS_MOST)
        return error_set(error, EINVAL, "%u threads: at most %u", options->threads,
                         SURVEY_THREADS_MOST);
    if (options->size_count > 0 && options->sizes == NULL)
        return error_set(error, EINVAL, "%zu sizes at NULL", options->size_count);
    for (size_t i = 0; i < options->size_count; i++) {
        const struct sp_replay_size *size = &options->sizes[i];

        if (size->frames == UINT32_MAX ||
            (size->frames == 0 && !(size->share > 0 && size->share <= 1)))
            return error_set(error, EINVAL,
                             "size %zu is neither a number of frames below 2^32 - 1 nor a share "
                             "above 0 and up to 1",
                             i);
    }
    return 0;
}

/* For struct pass: `context` is the survey. */
static int step(void *context, const struct pass *pass)
{
    struct survey *survey = context;
    const struct sp_replay_options *options = survey->options;
    const struct sp_replay_progress progress = {.phase = survey->phase,
                                                .pages = pass->table->count,
                                                .references = pass->references,
                                                .bytes_done = pass->trace->source.taken,
                                                .bytes_total = pass->trace->source.size};

    if (options->progress == NULL)
        return 0;
    survey->cancelled = options->progress(options->context, &progress);
    return survey->cancelled;
}

/* What a pass returned, with an error if the caller ended it. */
static int passed(const struct survey *survey, int result, struct sp_error *error)
{
    if (survey->cancelled < 0)
        return error_set(
            error, -survey->cancelled, "%s: the run was cancelled after %llu references",
            survey->opened->trace.source.name, (unsigned long long)survey->pass.references);
    return result;
}

int survey_init(struct survey *survey, struct sp_trace *opened,
                const struct sp_replay_options *options, struct sp_error *error)
{
    int result = check_options(options, error);

    *survey = (struct survey){.options = options, .opened = opened};
    if (result == 0)
        result = choices_init(&survey->choices, options, error);
    return result == 0 ? opened_begin(opened, error) : result;
}

void survey_fini(struct survey *survey)
{
    survey_forget(survey);
    choices_fini(&survey->choices);
}

void survey_forget(struct survey *survey)
{
    future_fini(&survey->future);
    page_table_fini(&survey->table);
    survey->future = (struct future){.carried = false};
    survey->table = (struct page_table){.count = 0};
}

uint32_t survey_pages_most(const struct survey *survey)
{
    return survey->table.count > 0
               ? survey->table.count
               : pass_pages_most(&survey->opened->trace, survey->opened->pages_most);
}

int survey_prepare(struct survey *survey, bool wants_future, bool carried, struct sp_error *error)
{
    uint32_t most = survey_pages_most(survey);
    int result = 0;

    if (page_table_init(&survey->table, most) != 0)
        return error_set(error, ENOMEM, "no memory for the table of pages");
    survey->pass = (struct pass){.trace = &survey->opened->trace,
                                 .table = &survey->table,
                                 .limit = survey->options->limit,
                                 .with_sizes = survey->options->bytes != 0,
                                 .progress = step,
                                 .context = survey};
    survey->wants_future = wants_future;
    if (wants_future) {
        result = future_init(&survey->future, carried, most, error);
        survey->pass.future = &survey->future;
    }
    return result;
}

int survey_scan(struct survey *survey, struct sp_error *error)
{
    int result;

    survey->phase = SP_REPLAY_READING;
    result = passed(survey, pass_scan(&survey->pass, error), error);
    page_table_close(&survey->table); /* a writer to the file meanwhile gets an error */
    return result == 0 ? trace_rewind(&survey->opened->trace, error) : result;
}

int survey_run(struct survey *survey, struct pool_job *jobs, size_t count, struct sp_error *error)
{
    survey->phase = SP_REPLAY_REPLAYING;
    return passed(
        survey,
        pass_run(&survey->pass, jobs, count, count_threads(survey->options->threads), error),
        error);
}

void survey_note(const struct survey *survey, const char *text)
{
    if (survey->options->note != NULL)
        survey->options->note(survey->options->context, text);
}

uint32_t survey_frames(const struct sp_replay_size *size, uint64_t pages)
{
    uint64_t frames;

    if (size->frames != 0)
        return size->frames;
    check(size->share > 0);
    frames = (uint64_t)(size->share * (double)pages);
    if (frames > UINT32_MAX - 1)
        return UINT32_MAX - 1;
    return frames > 0 ? (uint32_t)frames : 1;
}
