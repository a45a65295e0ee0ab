/* What a reader says about a damaged trace, or about input that is not a trace. */
#ifndef TRACE_COMPLAINT_H
#define TRACE_COMPLAINT_H

#include <selfpage/error.h>

#include "trace/trace.h"

/* Say what is wrong with the record, or line, at which the trace stands. Returns -EILSEQ. */
int complaint_set(const struct trace *trace, struct sp_error *error, const char *format, ...)
    SP_PRINTF(3, 4);

#endif
