/* From a trace that is read to one that is written: what `selfpage record` and `selfpage convert`
 * have in common. */
#ifndef SELFPAGE_TRACE_COPY_H
#define SELFPAGE_TRACE_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "trace/trace.h"
#include "trace/trace_output.h"

struct filter;

/* Where references come from that are not simply those of the trace. */
struct copy_from {
    ssize_t (*read)(void *context, struct trace_reference *references, size_t most,
                    struct sp_error *error); /* as trace_read */
    int (*rewind)(void *context, struct sp_error *error);
    void *context;
};

struct copy_options {
    const char *path;      /* to write to; "-": standard output */
    const char *format;    /* NULL: by the path */
    uint64_t skip;         /* references at the beginning to leave out */
    uint64_t limit;        /* references to read at most, behind those; 0: all */
    struct filter *filter; /* references that hit in it are left out, last of all; NULL: none */
    double sample;         /* share of the pages, with all of their references; 0: all */
    bool merge;            /* consecutive references to one page are one */
    bool quiet;            /* no progress line */
    bool not_empty;        /* a trace without references is not written */
    const char *what;      /* for that line: "recording" */
    const struct copy_from *from; /* NULL: the trace */
    bool from_files;              /* they can be read twice */
};

struct copy_counts {
    uint64_t references; /* written */
    uint64_t bytes;      /* written */
    uint64_t pages;      /* different ones; 0: not counted */
};

/* Copy all of an open trace. What stands at the path is replaced when all is written, and stays if
 * this fails. Returns 0; -EINVAL: the path is the trace that is read, or the format cannot be
 * written; -ESPIPE: oracleGeneral tells of next references, for which the trace has to be read
 * twice; what reading and writing return. */
int copy_run(struct trace *trace, const struct copy_options *options, struct copy_counts *counts,
             struct sp_error *error);

#endif
