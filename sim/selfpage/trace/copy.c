#include "selfpage/trace/copy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "os/new_file.h"
#include "replay/future.h"
#include "selfpage/trace/filter.h"
#include "trace/mix.h"
#include "trace/page_table.h"

/* Seconds between two looks of the progress line. */
#define INTERVAL 0.25

#define PAGES_MOST (1u << 27)

struct copy {
    struct trace *trace;
    const struct copy_options *options;
    struct trace_output output;
    struct trace_reference batch[TRACE_BATCH];
    struct trace_reference held; /* merging: it may still grow */
    bool holds;
    uint64_t read; /* references of the trace, in this pass */
    bool shown;
    bool line; /* there is something on the progress line */
    double began, last;
    const char *stage;
    /* For oracleGeneral. */
    struct page_table table;
    struct future future;
};

/* ---- Progress ---- */

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* How much of the trace is read, from 0 to 1; 0: not known. */
static double part_of(const struct trace *trace, uint64_t references)
{
    if (trace->source.size > 0)
        return (double)trace->source.taken / (double)trace->source.size;
    return trace->told_references > 0 ? (double)references / (double)trace->told_references : 0;
}

static void show(struct copy *copy, uint64_t references)
{
    double time, part = part_of(copy->trace, references);

    if (!copy->shown || (time = now()) - copy->last < INTERVAL)
        return;
    copy->last = time;
    copy->line = true;
    fprintf(stderr, "\r%s: %.1f million references", copy->stage, (double)references / 1e6);
    if (copy->trace->source.taken > 0)
        fprintf(stderr, ", %.1f MB of trace", (double)copy->trace->source.taken / 1e6);
    if (part > 0) {
        fprintf(stderr, ", %.0f %%, %.0f s left", 100 * part,
                (time - copy->began) * (1 - part) / part);
    }
    fputs("\33[K", stderr);
    fflush(stderr);
}

static void wipe(struct copy *copy)
{
    if (copy->line)
        fputs("\r\33[K", stderr);
    copy->line = false;
}

static void begin_stage(struct copy *copy, const char *stage)
{
    copy->stage = stage;
    copy->read = 0;
    copy->began = copy->last = now();
}

/* ---- Reading ---- */

/* Whether a page, with all of its references, is in the sample: its hash says, the same for every
 * trace. */
static bool is_sampled(const struct copy_options *options, uint64_t id)
{
    return options->sample <= 0 || (double)(trace_mix(id) >> 11) * 0x1p-53 < options->sample;
}

/* Of the `count` references of the batch, keep those that are asked for. Returns how many. */
static ssize_t cut(struct copy *copy, ssize_t count)
{
    const struct copy_options *options = copy->options;
    ssize_t kept = 0;

    for (ssize_t i = 0; i < count; i++) {
        uint64_t index = copy->read++;

        if (index >= options->skip &&
            (options->limit == 0 || index - options->skip < options->limit) &&
            is_sampled(options, copy->batch[i].id))
            copy->batch[kept++] = copy->batch[i];
    }
    return kept;
}

static ssize_t read_from(struct copy *copy, struct sp_error *error)
{
    const struct copy_from *from = copy->options->from;

    return from != NULL ? from->read(from->context, copy->batch, TRACE_BATCH, error)
                        : trace_read(copy->trace, copy->batch, TRACE_BATCH, error);
}

static int rewind_from(struct copy *copy, struct sp_error *error)
{
    const struct copy_from *from = copy->options->from;
    int result =
        from != NULL ? from->rewind(from->context, error) : trace_rewind(copy->trace, error);

    if (result == 0 && copy->options->filter != NULL)
        result = filter_rewind(copy->options->filter, error);
    return result;
}

/* The next references that are asked for. 0: the end. */
static ssize_t read_some(struct copy *copy, struct sp_error *error)
{
    const struct copy_options *options = copy->options;
    ssize_t kept = 0;

    while (kept == 0) {
        ssize_t count = 0;

        if (options->limit == 0 || copy->read < options->skip + options->limit)
            count = read_from(copy, error);
        if (count <= 0)
            return count;
        kept = cut(copy, count);
        if (kept > 0 && options->filter != NULL)
            kept = filter_run(options->filter, copy->batch, (size_t)kept, error);
    }
    return kept;
}

static ssize_t read_merged(struct copy *copy, struct sp_error *error)
{
    size_t kept = 0;

    while (kept == 0) {
        ssize_t count = read_some(copy, error);

        if (count < 0)
            return count;
        if (count == 0) {
            copy->batch[0] = copy->held;
            kept = copy->holds;
            copy->holds = false;
            return (ssize_t)kept;
        }
        for (ssize_t i = 0; i < count; i++) {
            struct trace_reference next = copy->batch[i];

            if (copy->holds && next.id == copy->held.id) {
                copy->held.write |= next.write;
                continue;
            }
            if (copy->holds)
                copy->batch[kept++] = copy->held; /* no later than it was read */
            copy->held = next;
            copy->holds = true;
        }
    }
    return (ssize_t)kept;
}

/* The next references, as the copy will write them, but for `next`. 0: the end. */
static ssize_t read_batch(struct copy *copy, struct sp_error *error)
{
    ssize_t count = copy->options->merge ? read_merged(copy, error) : read_some(copy, error);

    for (ssize_t i = 0; trace_splits(copy->trace) && i < count; i++)
        copy->batch[i].size = copy->trace->options.page_size;
    return count;
}

/* ---- The two passes ---- */

/* Find out when each page is referenced next. */
static int look_ahead(struct copy *copy, struct sp_error *error)
{
    uint32_t dense[TRACE_BATCH];
    ssize_t count;
    int result = 0;

    if (copy->options->from != NULL ? !copy->options->from_files : !copy->trace->source.seekable)
        return error_set(error, ESPIPE,
                         "%s: oracleGeneral tells of each reference when the next one to the same "
                         "id comes, so that the trace has to be read twice, which a pipe cannot; "
                         "go by way of a file",
                         copy->trace->source.name);
    begin_stage(copy, "looking ahead");
    if (page_table_init(&copy->table, PAGES_MOST) != 0)
        return error_set(error, ENOMEM, "no memory for the trace's pages");
    result = future_init(&copy->future, false, PAGES_MOST, error);
    while (result == 0 && (count = read_batch(copy, error)) != 0) {
        if (count < 0)
            return (int)count;
        result = page_table_look_up(&copy->table, copy->batch, (size_t)count, dense);
        if (result != 0)
            return error_set(error, -result, "%s: %s", copy->trace->source.name,
                             result == -ENOSPC ? "too many different ids" : "no memory");
        result = future_note(&copy->future, dense, (size_t)count, error);
        show(copy, copy->future.count);
    }
    if (result != 0)
        return result;
    future_noted(&copy->future);
    return rewind_from(copy, error);
}

static int write_all(struct copy *copy, bool looked_ahead, struct sp_error *error)
{
    uint64_t next[TRACE_BATCH];
    ssize_t count;

    begin_stage(copy, copy->options->what);
    while ((count = read_batch(copy, error)) > 0) {
        if (looked_ahead)
            future_tell(&copy->future, copy->output.written, (size_t)count, next);
        for (ssize_t i = 0; i < count; i++) {
            int result;

            if (looked_ahead)
                copy->batch[i].next = next[i];
            result = trace_output_add(&copy->output, &copy->batch[i], error);
            if (result != 0)
                return result;
        }
        show(copy, copy->output.written);
    }
    return (int)count;
}

/* Write the trace to `fd`. */
static int copy_to(struct copy *copy, int fd, const struct trace_output_choice *choice,
                   struct copy_counts *counts, struct sp_error *error)
{
    const struct trace *trace = copy->trace;
    uint32_t page_size = trace_splits(trace) ? trace->options.page_size : trace->told_page_size;
    bool ahead = trace_output_needs_future(choice);
    int result = ahead ? look_ahead(copy, error) : 0;

    if (result != 0)
        return result;
    result = trace_output_init(&copy->output, choice, fd,
                               fd == STDOUT_FILENO ? "standard output" : copy->options->path,
                               page_size, error);
    if (result == 0)
        result = write_all(copy, ahead, error);
    counts->pages = ahead ? copy->table.count : 0;
    if (result == 0)
        result = trace_output_finish(&copy->output, counts->pages, error);
    counts->references = copy->output.written;
    counts->bytes = copy->output.sink.bytes;
    trace_output_fini(&copy->output);
    return result;
}

static int written_over(const char *path, struct sp_error *error)
{
    return error_set(error, EINVAL,
                     "%.150s: this is the trace that is read, which cannot be written over", path);
}

static int copy_to_path(struct copy *copy, const struct trace_output_choice *choice,
                        struct copy_counts *counts, struct sp_error *error)
{
    const char *path = copy->options->path;
    int source = copy->trace->source.fd, result;
    struct new_file file;

    if (strcmp(path, "-") == 0)
        return new_file_same(STDOUT_FILENO, source)
                   ? written_over(path, error)
                   : copy_to(copy, STDOUT_FILENO, choice, counts, error);
    if (new_file_is(path, source))
        return written_over(path, error);
    result = new_file_open(&file, path, error);
    if (result == 0)
        result = copy_to(copy, file.fd, choice, counts, error);
    if (result == 0 && (counts->references > 0 || !copy->options->not_empty))
        result = new_file_finish(&file, error);
    new_file_fini(&file);
    return result;
}

int copy_run(struct trace *trace, const struct copy_options *options, struct copy_counts *counts,
             struct sp_error *error)
{
    struct copy copy;
    struct trace_output_choice choice;
    int result = trace_output_choose(options->format, options->path, &choice, error);

    *counts = (struct copy_counts){0};
    if (result != 0)
        return result;
    copy = (struct copy){
        .trace = trace, .options = options, .shown = !options->quiet && isatty(STDERR_FILENO)};
    result = copy_to_path(&copy, &choice, counts, error);
    wipe(&copy);
    page_table_fini(&copy.table);
    future_fini(&copy.future);
    return result;
}
