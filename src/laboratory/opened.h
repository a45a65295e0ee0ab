/* struct sp_trace: an open trace that several runs read one after the other. */
#ifndef LABORATORY_OPENED_H
#define LABORATORY_OPENED_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/replay.h>

#include "trace/trace.h"

struct sp_trace {
    struct trace trace;
    uint32_t pages_most;
    bool read;           /* something was read: the next run must rewind */
    char *format, *path; /* owned: the caller's texts need not outlive the call */
};

/* The trace from its beginning, for a run. -ESPIPE: it can be read only once, and was. */
int opened_begin(struct sp_trace *opened, struct sp_error *error);

/* Is a struct of options of this version understood? Returns 0 or -EPROTO. */
int opened_check_version(unsigned version, struct sp_error *error);

#endif
