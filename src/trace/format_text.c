/* One id a line. Ids that are no decimal numbers below 2^64 are hashed; empty lines are skipped. */
#include <string.h>

#include "trace/format.h"

static bool text_sniff(const uint8_t *bytes, size_t size, bool whole)
{
    (void)whole;
    for (size_t i = 0; i < size; i++)
        if ((bytes[i] < ' ' && strchr("\t\r\n", bytes[i]) == NULL) || bytes[i] == 0 ||
            bytes[i] == 0x7f)
            return false;
    return size > 0;
}

static ssize_t text_read(struct trace *trace, struct trace_reference *references, size_t most,
                         struct sp_error *error)
{
    size_t count = 0;

    while (count < most) {
        const char *line;
        size_t length;
        bool number;
        int result = trace_line(trace, &line, &length, error);

        if (result < 0)
            return result;
        if (result == 0)
            break;
        trace_trim(&line, &length);
        if (!trace_id(trace, line, length, &number, &references[count].id))
            continue;
        if (!number && trace->options.id_unit != 0)
            return trace_malformed(trace, error, "'%.*s' is no address",
                                   (int)(length < 40 ? length : 40), line);
        references[count].size = 0;
        references[count].next = TRACE_NEVER;
        references[count++].write = false;
        trace->records++;
    }
    return (ssize_t)count;
}

static const char *const text_extensions[] = {"txt", "text", NULL};

const struct trace_format trace_format_text = {
    .name = "text",
    .summary = "one id a line",
    .extensions = text_extensions,
    .least = 2,
    .lines = true,
    .sniff = text_sniff,
    .read = text_read,
};
