/* One pass over a trace: its references are read and their pages looked up once, whatever the
 * number of simulations that see them. */
#ifndef REPLAY_PASS_H
#define REPLAY_PASS_H

#include <stddef.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "replay/future.h"
#include "trace/page_table.h"
#include "replay/pool.h"
#include "trace/trace.h"

/* Pages that simulations are prepared for where the trace does not tell: 2^27, half a terabyte of
 * pages of 4 KiB. */
#define PASS_PAGES_MOST (1u << 27)

struct pass {
    struct trace *trace;
    struct page_table *table;
    struct future *future; /* NULL: nobody wants it */
    uint64_t references;   /* so far */
    uint64_t limit;        /* references to read at most; 0: all */
    bool with_sizes;       /* batches have the sizes of references, if the trace tells them */
    double seconds;        /* of processor time that reading and looking up took */
    /* Called after each batch, by the thread that reads; may be NULL. A negative errno ends the
     * pass. */
    int (*progress)(void *context, const struct pass *pass);
    void *context;
};

/* The most pages that a pass over this trace needs: by its size, or else `limit`. At least 1. */
uint32_t pass_pages_most(const struct trace *trace, uint32_t limit);

/* See what pages there are, and note the future if `future` is not NULL and not carried. */
int pass_scan(struct pass *pass, struct sp_error *error);

/* Let the jobs see the whole trace, on `threads` threads. */
int pass_run(struct pass *pass, struct pool_job *jobs, size_t job_count, unsigned threads,
             struct sp_error *error);

#endif
