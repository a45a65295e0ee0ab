#include "trace/complaint.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"
#include "trace/format.h"

int complaint_set(const struct trace *trace, struct sp_error *error, const char *format, ...)
{
    char what[160];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    if (trace->format->lines)
        return error_set(error, EILSEQ, "%s: line %llu: %s", trace->source.name,
                         (unsigned long long)trace->line, what);
    return error_set(error, EILSEQ, "%s: record %llu: %s", trace->source.name,
                     (unsigned long long)trace->records + 1, what);
}
