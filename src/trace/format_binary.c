/* binary: records of a layout that the user gives, as libCacheSim has it:
 * "binary:format=<IIIHHQQ,obj-id-col=6,obj-size-col=2,op-col=4". packed.h says what a layout is. Fields
 * count from 1. offset=N leaves N bytes at the beginning of the file out. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "trace/complaint.h"
#include "trace/format.h"
#include "trace/line.h"
#include "trace/packed.h"

struct binary {
    struct packed packed;
};

/* What stood behind "binary:". */
struct binary_options {
    const char *layout;
    size_t length;
    struct packed_columns columns;
    unsigned offset;
    unsigned ignored;
};

/* No data is told by its content to be this. */
static bool binary_sniff(const uint8_t *bytes, size_t size, bool whole)
{
    (void)bytes;
    (void)size;
    (void)whole;
    return false;
}

/* Where the value of an option goes. */
static unsigned *find_option(struct binary_options *choices, const char *name, size_t length)
{
    const struct {
        const char *name;
        unsigned *value;
    } options[] = {
        {"obj-id-col", &choices->columns.id},
        {"obj-size-col", &choices->columns.size},
        {"op-col", &choices->columns.operation},
        {"next-access-col", &choices->columns.next},
        {"offset", &choices->offset},
        {"time-col", &choices->columns.time},
        {"ttl-col", &choices->ignored},
        {"obj-id-is-num", &choices->ignored},
    };

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        if (strlen(options[i].name) == length && memcmp(options[i].name, name, length) == 0)
            return options[i].value;
    return NULL;
}

static int parse(struct binary_options *choices, const char *text, struct sp_error *error)
{
    while (*text != '\0') {
        size_t name_length = strcspn(text, "=,"), length;
        const char *value = text + name_length + (text[name_length] == '=');
        unsigned *number = find_option(choices, text, name_length);
        uint64_t given;

        length = strcspn(value, ",");
        if (name_length == 6 && memcmp(text, "format", 6) == 0) {
            choices->layout = value;
            choices->length = length;
        } else if (number == NULL || !line_decimal(value, length, &given) || given > UINT32_MAX) {
            return error_set(
                error, EINVAL,
                "binary: '%.*s' is not an option (format=, obj-id-col=, "
                "obj-size-col=, op-col=, next-access-col=, time-col=, offset=) with its value",
                (int)(length + name_length < 40 ? length + name_length + 1 : 40), text);
        } else {
            *number = (unsigned)given;
        }
        text = value + length;
        text += *text == ',';
    }
    return 0;
}

static int skip(struct trace *trace, unsigned bytes, struct sp_error *error)
{
    struct source *source = &trace->source;

    while (bytes > 0) {
        int result = source_need(source, 1, error);
        size_t here = (size_t)(source->end - source->at);

        if (result < 0)
            return result;
        if (result == 0)
            return complaint_set(trace, error, "the file ends before its first record");
        here = here < bytes ? here : bytes;
        source->at += here;
        bytes -= (unsigned)here;
    }
    return 0;
}

static int binary_begin(struct trace *trace, const char *options, struct sp_error *error)
{
    struct binary *binary = trace->state;
    struct binary_options choices = {.columns.id = 1};
    int result = options != NULL ? parse(&choices, options, error) : 0;

    if (result == 0 && choices.layout == NULL)
        return error_set(error, EINVAL,
                         "%s: how are the records laid out? Say it as in --format "
                         "\"binary:format=<IQI,obj-id-col=2,obj-size-col=3\"",
                         trace->source.name);
    if (result == 0)
        result = packed_lay_out(&binary->packed, choices.layout, choices.length, &choices.columns,
                                error);
    if (result == 0)
        result = skip(trace, choices.offset, error);
    trace->carries_sizes = binary->packed.size.type != '\0';
    trace->carries_future = binary->packed.next.type != '\0';
    trace->carries_times = binary->packed.time.type != '\0';
    return result;
}

static ssize_t binary_read(struct trace *trace, struct trace_reference *references, size_t most,
                           struct sp_error *error)
{
    const struct binary *binary = trace->state;

    return packed_read(trace, &binary->packed, references, most, error);
}

const struct trace_format format_binary = {
    .name = "binary",
    .summary = "records of a layout that you give, as Python's struct has it",
    .options =
        "format=<IQI,obj-id-col=N,obj-size-col=N,op-col=N,next-access-col=N,time-col=N,offset=BYTES",
    .least = 1,
    .state_size = sizeof(struct binary),
    .sniff = binary_sniff,
    .begin = binary_begin,
    .read = binary_read,
};
