#include "drive/drive.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/memory.h"
#include "trace/page_table.h"
#include "trace/trace.h"

/* Most references of a trace: their numbers take 4 bytes each. */
#define REFERENCES_MAX (UINT32_C(1) << 28)

/* Room for another batch. */
static int reserve(struct walk_tables *tables, struct walk_trace *into, struct sp_error *error)
{
    if (into->count + TRACE_BATCH > REFERENCES_MAX)
        return error_set(error, EINVAL, "it has more than %u references", REFERENCES_MAX);
    if (memory_reserve(tables->allocator, &into->steps, &into->room, sizeof(*into->steps),
                       into->count + TRACE_BATCH) != 0)
        return error_set(error, ENOMEM, "out of memory");
    return 0;
}

static int read_steps(struct walk_tables *tables, struct walk_trace *into, struct trace *trace,
                      struct page_table *pages, struct sp_error *error)
{
    struct trace_reference references[TRACE_BATCH];
    int result;

    for (;;) {
        ssize_t count = trace_read(trace, references, TRACE_BATCH, error);

        if (count <= 0)
            return (int)count;
        result = reserve(tables, into, error);
        if (result != 0)
            return result;
        result = page_table_look_up(pages, references, (size_t)count, into->steps + into->count);
        if (result == -ENOSPC)
            return error_set(error, EINVAL, "it has more than %u pages", WORKLOAD_PAGES_MAX);
        if (result != 0)
            return error_set(error, ENOMEM, "out of memory");
        into->count += (uint32_t)count;
    }
}

/* The trace refers to `count` pages: the phase has room for them, or becomes as large, and the region with it. */
static int take_pages(struct workload *workload, struct workload_phase *phase, uint32_t count,
                      struct sp_error *error)
{
    if (phase->pages != 0 && count > phase->pages)
        return error_set(error, EINVAL,
                         "it refers to %u pages, and the phase has %u: say pages: %u, or nothing",
                         count, phase->pages, count);
    if (phase->pages == 0)
        phase->pages = count;
    if (workload->pages < phase->pages)
        workload->pages = phase->pages;
    return 0;
}

static int read_trace(struct walk_tables *tables, uint32_t index, struct sp_error *error)
{
    struct workload_phase *phase = &tables->workload.phase[index];
    struct walk_trace *into = &tables->trace[index];
    const struct trace_options options = {NULL};
    struct page_table pages;
    struct sp_error why;
    struct trace trace;
    int result = page_table_init(&pages, WORKLOAD_PAGES_MAX);

    check(into->count == 0);
    if (result != 0)
        return error_set(error, ENOMEM, "out of memory");
    result = trace_open(&trace, phase->path, &options, &why);
    if (result == 0)
        result = read_steps(tables, into, &trace, &pages, &why);
    if (result == 0 && into->count == 0)
        result = error_set(&why, EINVAL, "it is empty");
    if (result == 0)
        result = take_pages(&tables->workload, phase, pages.count, &why);
    trace_fini(&trace);
    page_table_fini(&pages);
    return result == 0 ? 0
                       : error_set(error, -result, "phase %u: trace=%.80s: %.200s", index + 1,
                                   phase->path, why.text);
}

int drive_traces(struct walk_tables *tables, struct sp_error *error)
{
    int result = 0;

    for (uint32_t i = 0; i < tables->workload.phases && result == 0; i++)
        if (tables->workload.phase[i].pattern == WORKLOAD_TRACE)
            result = read_trace(tables, i, error);
    return result;
}

static int look_at_file(struct walk_tables *tables, uint32_t index, const char *root,
                        struct sp_error *error)
{
    const char *path = tables->workload.phase[index].path;
    char whole[4096 + WORKLOAD_PATH];
    struct stat status;
    int result = 0;

    if (snprintf(whole, sizeof(whole), "%s/%s", root, path) >= (int)sizeof(whole))
        result = ENAMETOOLONG;
    else if (stat(whole, &status) != 0)
        result = errno;
    else if (!S_ISREG(status.st_mode))
        result = EISDIR;
    if (result != 0)
        return error_set(error, result, "phase %u: file=%.80s, below %.80s: %s", index + 1, path,
                         root, result == EISDIR ? "it is no file" : strerror(result));
    if ((uint64_t)status.st_size > UINT64_C(1) << 44)
        return error_set(error, EFBIG, "phase %u: file=%.80s: it is too large", index + 1, path);
    tables->file_bytes[index] = (uint64_t)status.st_size;
    return 0;
}

int drive_files(struct walk_tables *tables, const char *root, struct sp_error *error)
{
    int result = 0;

    for (uint32_t i = 0; i < tables->workload.phases && result == 0; i++)
        if (tables->workload.phase[i].pattern == WORKLOAD_FILE)
            result = look_at_file(tables, i, root, error);
    return result;
}
