#include "laboratory/opened.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "trace/page_table.h"
#include "replay/pass.h"

static int no_memory(struct sp_error *error)
{
    return error_set(error, ENOMEM, "no memory for a trace");
}

/* A copy of a text in *copy; NULL stays NULL. False: no memory. */
static bool keep(char **copy, const char *text)
{
    *copy = text != NULL ? strdup(text) : NULL;
    return text == NULL || *copy != NULL;
}

int opened_check_version(unsigned version, struct sp_error *error)
{
    if (version == 0)
        return error_set(error, EPROTO, "the options have no version: set it to SP_REPLAY_VERSION");
    if (version > SP_REPLAY_VERSION)
        return error_set(
            error, EPROTO,
            "the options are of version %u, this library knows version %d: the program "
            "was built against a newer one",
            version, SP_REPLAY_VERSION);
    return 0;
}

static int check_options(const struct sp_trace_options *options, struct sp_error *error)
{
    int result = opened_check_version(options->version, error);

    if (result != 0)
        return result;
    if (options->pages_most > PAGE_TABLE_MOST)
        return error_set(error, EINVAL, "pages_most is %u: at most %u pages can be numbered",
                         options->pages_most, PAGE_TABLE_MOST);
    return 0;
}

/* An object without a trace. */
static int make(struct sp_trace **tracep, const struct sp_trace_options *options,
                struct sp_error *error)
{
    static const struct sp_trace_options presets = {.version = SP_REPLAY_VERSION};
    const struct sp_trace_options *o = options != NULL ? options : &presets;
    int result = check_options(o, error);

    *tracep = NULL;
    if (result != 0)
        return result;
    *tracep = calloc(1, sizeof(**tracep));
    if (*tracep == NULL || !keep(&(*tracep)->format, o->format))
        return no_memory(error);
    (*tracep)->pages_most = o->pages_most != 0 ? o->pages_most : PASS_PAGES_MOST;
    (*tracep)->trace.options = (struct trace_options){
        .format = (*tracep)->format, .page_size = o->page_size, .id_unit = o->id_unit};
    return 0;
}

/* What a function that makes a trace returns. */
static int made(struct sp_trace **tracep, int result)
{
    if (result != 0)
        sp_trace_close(tracep);
    return result;
}

static int open_origin(struct sp_trace *opened, const struct source_origin *origin,
                       struct sp_error *error)
{
    struct trace_options options = opened->trace.options;

    return trace_open_source(&opened->trace, origin, &options, error);
}

int sp_trace_open(struct sp_trace **tracep, const char *path,
                  const struct sp_trace_options *options, struct sp_error *error)
{
    int result = make(tracep, options, error);

    if (result == 0 && !keep(&(*tracep)->path, path))
        result = no_memory(error);
    if (result == 0)
        result = open_origin(*tracep, &(struct source_origin){.path = (*tracep)->path}, error);
    return made(tracep, result);
}

int sp_trace_from_bytes(struct sp_trace **tracep, const void *bytes, size_t size,
                        const struct sp_trace_options *options, struct sp_error *error)
{
    int result = make(tracep, options, error);

    if (result == 0 && bytes == NULL && size > 0)
        result = error_set(error, EINVAL, "a trace of %zu bytes at NULL", size);
    if (result == 0)
        result = open_origin(
            *tracep, &(struct source_origin){.bytes = bytes != NULL ? bytes : "", .size = size},
            error);
    return made(tracep, result);
}

int sp_trace_from_ids(struct sp_trace **tracep, const uint64_t *ids, const uint8_t *writes,
                      size_t count, struct sp_error *error)
{
    int result = make(tracep, NULL, error);

    if (result == 0 && ids == NULL && count > 0)
        result = error_set(error, EINVAL, "a trace of %zu references at NULL", count);
    if (result == 0)
        result = trace_open_ids(&(*tracep)->trace,
                                &(struct trace_ids){.ids = ids, .writes = writes, .count = count},
                                error);
    return made(tracep, result);
}

bool sp_trace_rereadable(const struct sp_trace *trace)
{
    return trace->trace.source.seekable;
}

void sp_trace_close(struct sp_trace **tracep)
{
    struct sp_trace *opened = *tracep;

    *tracep = NULL;
    if (opened == NULL)
        return;
    trace_fini(&opened->trace);
    free(opened->format);
    free(opened->path);
    free(opened);
}

int opened_begin(struct sp_trace *opened, struct sp_error *error)
{
    ensure(opened->trace.format != NULL);
    if (!opened->read) {
        opened->read = true;
        return 0;
    }
    return trace_rewind(&opened->trace, error);
}
