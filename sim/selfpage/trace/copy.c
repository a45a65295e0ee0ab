#include "selfpage/trace/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "replay/future.h"
#include "replay/page_table.h"

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

static void show(struct copy *copy, uint64_t references)
{
    const struct input *input = &copy->trace->input;
    double time;

    if (!copy->shown || (time = now()) - copy->last < INTERVAL)
        return;
    copy->last = time;
    copy->line = true;
    fprintf(stderr, "\r%s: %.1f million references, %.1f MB of trace", copy->stage,
            (double)references / 1e6, (double)input->taken / 1e6);
    if (input->size > 0 && input->taken > 0) {
        double part = (double)input->taken / (double)input->size;

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
    copy->began = copy->last = now();
}

/* ---- Reading ---- */

static ssize_t read_merged(struct copy *copy, struct sp_error *error)
{
    size_t kept = 0;

    while (kept == 0) {
        ssize_t count = trace_read(copy->trace, copy->batch, TRACE_BATCH, error);

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

/* The next references, as they are to be written, but for `next`. 0: the end. */
static ssize_t read_batch(struct copy *copy, struct sp_error *error)
{
    ssize_t count = copy->options->merge ? read_merged(copy, error)
                                         : trace_read(copy->trace, copy->batch, TRACE_BATCH, error);

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

    if (!copy->trace->input.seekable)
        return error_set(error, ESPIPE,
                         "%s: oracleGeneral tells of each reference when the next one to the same "
                         "id comes, so that the trace has to be read twice, which a pipe cannot; "
                         "go by way of a file",
                         copy->trace->input.name);
    begin_stage(copy, "looking ahead");
    if (page_table_init(&copy->table, PAGES_MOST) != 0)
        return error_set(error, ENOMEM, "no memory for the trace's pages");
    result = future_init(&copy->future, false, PAGES_MOST, error);
    while (result == 0 && (count = read_batch(copy, error)) != 0) {
        if (count < 0)
            return (int)count;
        result = page_table_look_up(&copy->table, copy->batch, (size_t)count, dense);
        if (result != 0)
            return error_set(error, -result, "%s: %s", copy->trace->input.name,
                             result == -ENOSPC ? "too many different ids" : "no memory");
        result = future_note(&copy->future, dense, (size_t)count, error);
        show(copy, copy->future.count);
    }
    if (result != 0)
        return result;
    future_noted(&copy->future);
    return trace_rewind(copy->trace, error);
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

static int copy_to(struct copy *copy, int fd, enum trace_output_format format, bool compress,
                   struct copy_counts *counts, struct sp_error *error)
{
    const struct trace *trace = copy->trace;
    uint32_t page_size = trace_splits(trace) ? trace->options.page_size : trace->native_page;
    bool ahead = format == TRACE_OUTPUT_ORACLE;
    int result = ahead ? look_ahead(copy, error) : 0;

    if (result != 0)
        return result;
    result = trace_output_init(&copy->output, format, fd, copy->options->path, page_size, compress,
                               error);
    if (result == 0)
        result = write_all(copy, ahead, error);
    counts->pages = ahead ? copy->table.count : 0;
    if (result == 0)
        result = trace_output_finish(&copy->output, counts->pages, error);
    counts->references = copy->output.written;
    counts->bytes = format == TRACE_OUTPUT_NATIVE ? copy->output.native.output.bytes
                                                  : copy->output.output.bytes;
    trace_output_fini(&copy->output);
    return result;
}

/* A file that is read must not be written over. */
static int open_output(const struct trace *trace, const char *path, struct sp_error *error)
{
    int fd;

    if (strcmp(path, "-") == 0)
        return STDOUT_FILENO;
    if (strcmp(path, trace->input.name) == 0)
        return error_set(error, EINVAL, "%s: a trace cannot be written over itself", path);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return fd >= 0 ? fd : error_set(error, errno, "cannot write %s: %s", path, strerror(errno));
}

void copy_discard(const char *path)
{
    struct stat status;

    if (lstat(path, &status) == 0 && S_ISREG(status.st_mode))
        unlink(path);
}

int copy_run(struct trace *trace, const struct copy_options *options, struct copy_counts *counts,
             struct sp_error *error)
{
    struct copy copy;
    enum trace_output_format format;
    bool compress;
    int fd, result = trace_output_choose(options->format, options->path, &format, &compress, error);

    *counts = (struct copy_counts){0};
    if (result != 0)
        return result;
    copy = (struct copy){
        .trace = trace, .options = options, .shown = !options->quiet && isatty(STDERR_FILENO)};
    fd = open_output(trace, options->path, error);
    if (fd < 0)
        return fd;
    result = copy_to(&copy, fd, format, compress, counts, error);
    wipe(&copy);
    if (fd != STDOUT_FILENO && result != 0)
        copy_discard(options->path);
    if (fd != STDOUT_FILENO && close(fd) != 0 && result == 0)
        result = error_set(error, errno, "%s: cannot write: %s", options->path, strerror(errno));
    if (format == TRACE_OUTPUT_ORACLE) {
        page_table_fini(&copy.table);
        future_fini(&copy.future);
    }
    return result;
}
