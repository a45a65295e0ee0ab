/* Several traces that are read as one: `selfpage interleave`. */
#ifndef SELFPAGE_TRACE_STRANDS_H
#define SELFPAGE_TRACE_STRANDS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <selfpage/error.h>

#include "trace/trace.h"

#define STRANDS_MOST 1024u

/* Whose turn it is. */
enum strands_rule {
    STRANDS_TURNS,    /* each in turn, some references */
    STRANDS_TIME,     /* the one whose next reference is earliest */
    STRANDS_TOGETHER, /* so that all end together */
};

struct strand;

struct strands {
    struct strand *strands;
    size_t count;
    size_t room; /* of the array: those from `count` on are not open, or could not be opened */
    enum strands_rule rule;
    uint64_t run; /* TURNS: references in a turn */
    bool shared;  /* ids mean the same in all */
    /* Private. */
    size_t turn;
    uint64_t left; /* of the turn */
};

/* Open `count` traces, as trace_open does. TOGETHER reads each once to count it. Release with strands_fini in any case.
 * -EINVAL: TIME, and the format of a trace tells no times; what opening and reading return. */
int strands_open(struct strands *strands, char *const *paths, size_t count,
                 const struct trace_options *options, struct sp_error *error);

void strands_fini(struct strands *strands);

/* The id of a page of one of several traces or programs that are read as one: of the i-th, from 0, i * 2^48 more than in its
 * own. For one that does not fit into 48 bits, a hash of as many stands. */
uint64_t strands_id(uint64_t strand, uint64_t id);

/* The first of the traces. */
struct trace *strands_first(struct strands *strands);

/* True if all can be read again. */
bool strands_rereadable(const struct strands *strands);

/* Read up to `most` references, as trace_read. Unless ids are shared, they are those of strands_id.
 * -EILSEQ: TIME, and a trace goes back in time. */
ssize_t strands_read(void *strands, struct trace_reference *references, size_t most,
                     struct sp_error *error);

/* Begin again. */
int strands_rewind(void *strands, struct sp_error *error);

#endif
