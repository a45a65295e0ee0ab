/* text: one id a line. Ids that are no numbers are hashed; empty lines and comments (#) are skipped,
 * and so is a first line that names the column. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "trace/column.h"
#include "trace/complaint.h"
#include "trace/format.h"
#include "trace/line.h"

static bool text_sniff(const uint8_t *bytes, size_t size, bool whole)
{
    (void)whole;
    return size > 0 && line_is_text(bytes, size);
}

/* A line that is not a plain number. Returns 1 if it has an id, 0 to skip it, or -EILSEQ. */
static int parse_other(struct trace *trace, const char *line, size_t length, uint64_t *id,
                       struct sp_error *error)
{
    int result;

    if (line_is_idle(line, length) || (trace->line == 1 && column_named(line, length) == COLUMN_ID))
        return 0;
    /* Lines of several words have columns, unless the user says that they are ids. */
    if (trace->options.format == NULL &&
        (memchr(line, ' ', length) != NULL || memchr(line, '\t', length) != NULL))
        return complaint_set(trace, error,
                             "'%.*s' is more than one word; if the trace has columns, say --format "
                             "csv:obj-id-col=N,delimiter=C; if not, --format text",
                             (int)(length < 40 ? length : 40), line);
    result = line_id(trace, line, length, false, trace->options.id_unit != 0, id, error);
    return result == 0 ? 1 : result;
}

static ssize_t text_read(struct trace *trace, struct trace_reference *references, size_t most,
                         struct sp_error *error)
{
    size_t count = 0;

    while (count < most) {
        const char *line;
        size_t length;
        uint64_t id;
        int result = line_next(trace, &line, &length, error);

        if (result < 0)
            return result;
        if (result == 0)
            break;
        line_trim(&line, &length);
        if (trace->options.id_unit != 0 || !line_decimal(line, length, &id)) {
            result = parse_other(trace, line, length, &id, error);
            if (result < 0)
                return result;
            if (result == 0)
                continue;
        }
        references[count++] = (struct trace_reference){.id = id, .next = TRACE_NEVER};
        trace->records++;
    }
    return (ssize_t)count;
}

static size_t text_put(struct trace_output *output, uint8_t *at,
                       const struct trace_reference *reference)
{
    (void)output;
    return (size_t)sprintf((char *)at, "%" PRIu64 "\n", reference->id);
}

static const char *const text_extensions[] = {"txt", "text", NULL};

const struct trace_format format_text = {
    .name = "text",
    .summary = "one id a line",
    .extensions = text_extensions,
    .least = 2,
    .lines = true,
    .sniff = text_sniff,
    .read = text_read,
    .put = text_put,
};
