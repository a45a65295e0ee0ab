#include "replay/pass.h"

#include <errno.h>

#include "base/error.h"
#include "trace/format_dense.h"

uint32_t pass_pages_most(const struct trace *trace, uint32_t limit)
{
    uint64_t most = trace_references_most(trace);

    return most < limit ? (uint32_t)most : limit;
}

static int look_up_failed(const struct pass *pass, int result, struct sp_error *error)
{
    if (result == -ENOSPC)
        return error_set(
            error, ENOSPC, "%s: record %llu: more than %u different pages (see --max-pages)",
            pass->trace->source.name, (unsigned long long)pass->trace->records, pass->table->count);
    return error_set(error, ENOMEM, "no memory for a table of more than %u pages",
                     pass->table->count);
}

static int find_future(struct pass *pass, const struct trace_reference *read, struct batch *batch,
                       size_t count, struct sp_error *error)
{
    if (batch->next == NULL)
        return 0;
    if (pass->future->carried)
        return future_check(pass->future, pass->trace, batch->references + batch->count, read,
                            count, batch->next + batch->count, error);
    future_tell(pass->future, pass->references, count, batch->next + batch->count);
    return 0;
}

/* References of a dense trace: its pages are numbered. Returns as trace_read. */
static ssize_t take_dense(struct pass *pass, uint32_t *references, size_t most,
                          struct sp_error *error)
{
    struct dense_fresh fresh;
    ssize_t count = format_dense_take(pass->trace, references, most, &fresh, error);
    int result = page_table_adopt(pass->table, fresh.first, fresh.ids, fresh.count);

    return count > 0 && result != 0 ? look_up_failed(pass, result, error) : count;
}

/* Read references, and number their pages. Returns how many, 0 at the end, or a negative errno. */
static ssize_t take(struct pass *pass, struct trace_reference *read, uint32_t *references,
                    size_t most, struct sp_error *error)
{
    ssize_t count;
    int result;

    if (format_dense_is(pass->trace))
        return take_dense(pass, references, most, error);
    count = trace_read(pass->trace, read, TRACE_BATCH, error);
    if (count > 0 && (size_t)count > most)
        count = (ssize_t)most;
    if (count <= 0)
        return count;
    result = page_table_look_up(pass->table, read, (size_t)count, references);
    return result != 0 ? look_up_failed(pass, result, error) : count;
}

/* A reference that is split refers to a page each time. */
static void note_sizes(const struct pass *pass, const struct trace_reference *read, uint32_t *sizes,
                       size_t count)
{
    bool splits = trace_splits(pass->trace);

    for (size_t i = 0; i < count; i++)
        sizes[i] = splits ? pass->trace->options.page_size : read[i].size;
}

/* A dense trace has no sizes, and nothing is read of it but pages. */
static bool has_sizes(const struct pass *pass)
{
    return pass->with_sizes && pass->trace->carries_sizes && !format_dense_is(pass->trace);
}

/* Fill a batch. Returns 1, 0 if the trace is at its end, or a negative errno. */
static int fill(struct pass *pass, struct batch *batch, struct sp_error *error)
{
    struct trace_reference read[TRACE_BATCH];

    while (batch->count + TRACE_BATCH <= batch->room) {
        size_t most = TRACE_BATCH;
        ssize_t count;
        int result;

        if (pass->limit != 0 && most > pass->limit - pass->references)
            most = (size_t)(pass->limit - pass->references);
        count = most > 0 ? take(pass, read, batch->references + batch->count, most, error) : 0;
        if (count <= 0)
            return (int)count;
        if (batch->sizes != NULL)
            note_sizes(pass, read, batch->sizes + batch->count, (size_t)count);
        result = find_future(pass, read, batch, (size_t)count, error);
        if (result != 0)
            return result;
        batch->count += (size_t)count;
        pass->references += (uint64_t)count;
    }
    return 1;
}

int pass_run(struct pass *pass, struct pool_job *jobs, size_t job_count, unsigned threads,
             struct sp_error *error)
{
    struct pool pool;
    int more =
        pool_init(&pool, jobs, job_count, threads, pass->future != NULL, has_sizes(pass), error);

    pass->references = 0;
    if (more != 0)
        return more;
    do {
        struct batch *batch = pool_take(&pool);
        double start = pool_clock();

        more = fill(pass, batch, error);
        pass->seconds += pool_clock() - start;
        if (more >= 0 && batch->count > 0)
            pool_give(&pool);
        if (more > 0 && pass->progress != NULL) {
            int result = pass->progress(pass->context, pass);

            more = result < 0 ? result : more;
        }
    } while (more > 0);
    pool_fini(&pool);
    return more;
}

struct noting {
    struct future *future;
    struct sp_error error;
    int result;
};

static void note(void *context, const struct batch *batch)
{
    struct noting *noting = context;

    if (noting->result == 0)
        noting->result =
            future_note(noting->future, batch->references, batch->count, &noting->error);
}

int pass_scan(struct pass *pass, struct sp_error *error)
{
    struct noting noting = {.future = pass->future};
    struct pool_job job = {.run = note, .context = &noting};
    struct pass scan = *pass;
    int result;

    scan.future = NULL;
    scan.references = 0;
    result = pass_run(&scan, &job, pass->future != NULL && !pass->future->carried, 1, error);
    pass->references = scan.references;
    pass->seconds += scan.seconds;
    if (result == 0 && noting.result != 0) {
        *error = noting.error;
        result = noting.result;
    }
    if (pass->future != NULL && !pass->future->carried)
        future_noted(pass->future);
    return result;
}
