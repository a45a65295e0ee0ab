#include "laboratory/session.h"

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
    if (options->threads > SESSION_THREADS_MOST)
        return error_set(error, EINVAL, "%u threads: at most %u", options->threads,
                         SESSION_THREADS_MOST);
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

/* For struct pass: `context` is the session. */
static int step(void *context, const struct pass *pass)
{
    struct session *session = context;
    const struct sp_replay_options *options = session->options;
    const struct sp_replay_progress progress = {.phase = session->phase,
                                                .pages = pass->table->count,
                                                .references = pass->references,
                                                .bytes_done = pass->trace->source.taken,
                                                .bytes_total = pass->trace->source.size};

    if (options->progress == NULL)
        return 0;
    session->cancelled = options->progress(options->context, &progress);
    return session->cancelled;
}

/* What a pass returned, with an error if the caller ended it. */
static int passed(const struct session *session, int result, struct sp_error *error)
{
    if (session->cancelled < 0)
        return error_set(
            error, -session->cancelled, "%s: the run was cancelled after %llu references",
            session->opened->trace.source.name, (unsigned long long)session->pass.references);
    return result;
}

int session_init(struct session *session, struct sp_trace *opened,
                 const struct sp_replay_options *options, struct sp_error *error)
{
    int result = check_options(options, error);

    *session = (struct session){.options = options, .opened = opened};
    if (result == 0)
        result = choices_init(&session->choices, options, error);
    return result == 0 ? opened_begin(opened, error) : result;
}

void session_fini(struct session *session)
{
    session_forget(session);
    choices_fini(&session->choices);
}

void session_forget(struct session *session)
{
    future_fini(&session->future);
    page_table_fini(&session->table);
    session->future = (struct future){.carried = false};
    session->table = (struct page_table){.count = 0};
}

uint32_t session_pages_most(const struct session *session)
{
    return session->table.count > 0
               ? session->table.count
               : pass_pages_most(&session->opened->trace, session->opened->pages_most);
}

int session_prepare(struct session *session, bool wants_future, bool carried,
                    struct sp_error *error)
{
    uint32_t most = session_pages_most(session);
    int result = 0;

    if (page_table_init(&session->table, most) != 0)
        return error_set(error, ENOMEM, "no memory for the table of pages");
    session->pass = (struct pass){.trace = &session->opened->trace,
                                  .table = &session->table,
                                  .limit = session->options->limit,
                                  .with_sizes = session->options->bytes != 0,
                                  .progress = step,
                                  .context = session};
    session->wants_future = wants_future;
    if (wants_future) {
        result = future_init(&session->future, carried, most, error);
        session->pass.future = &session->future;
    }
    return result;
}

int session_scan(struct session *session, struct sp_error *error)
{
    int result;

    session->phase = SP_REPLAY_READING;
    result = passed(session, pass_scan(&session->pass, error), error);
    page_table_close(&session->table); /* a writer to the file meanwhile gets an error */
    return result == 0 ? trace_rewind(&session->opened->trace, error) : result;
}

int session_run(struct session *session, struct pool_job *jobs, size_t count,
                struct sp_error *error)
{
    session->phase = SP_REPLAY_REPLAYING;
    return passed(
        session,
        pass_run(&session->pass, jobs, count, count_threads(session->options->threads), error),
        error);
}

void session_note(const struct session *session, const char *text)
{
    if (session->options->note != NULL)
        session->options->note(session->options->context, text);
}

uint32_t session_frames(const struct sp_replay_size *size, uint64_t pages)
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
