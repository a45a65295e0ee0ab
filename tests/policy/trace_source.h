/* Traces for tests: synthetic ones, made here, and a real one, read from a file. Ids become dense
 * page numbers in the order of their first references. */
#ifndef TRACE_SOURCE_H
#define TRACE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include <selfpage/policy.h>

struct trace {
    sp_page *references;
    size_t length;
    uint32_t pages;
};

/* The trace that gen.py of the shared traces makes: `kind` is zipf (independent references of
 * exponent 0.9), loopscan (a hot set of 1 % of the pages, interrupted by scans and a loop) or
 * phases (a working set that moves every twentieth of the trace). False if there is no such kind.
 */
bool trace_generate(struct trace *trace, const char *kind, size_t length, uint32_t pages,
                    uint64_t seed);

/* Read an oracleGeneral trace. False if there is no such file. */
bool trace_read(struct trace *trace, const char *path);

/* A trace of `length` references to page 0, to be filled in with pages below `pages`. */
void trace_blank(struct trace *trace, size_t length, uint32_t pages);

void trace_fini(struct trace *trace);

#endif
