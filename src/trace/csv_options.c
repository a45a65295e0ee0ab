#include "trace/csv_options.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "trace/csv_fields.h"
#include "trace/line.h"

/* Layouts of published traces, as their descriptions have them. */
static const struct csv_layout {
    const char *name;
    unsigned id_unit; /* its ids are addresses that count so many bytes */
    const char *options;
} layouts[] = {
    /* timestamp, hostname, disk number, type, offset, size, response time (SNIA, MSR Cambridge) */
    {"msr", 1, "has-header=false,delimiter=,,obj-id-col=2+3+5,obj-size-col=6,op-col=4"},
    /* device, R or W, offset, length, timestamp (github.com/alibaba/block-traces) */
    {"alibaba", 1, "delimiter=,,obj-id-col=1+3,obj-size-col=4,op-col=2"},
    /* timestamp, offset, size, type (1: write), volume; sectors of 512 bytes (SNIA, Tencent CBS) */
    {"tencent", 512,
     "has-header=false,delimiter=,,obj-id-col=5+2,obj-size-col=3,op-col=4,size-unit=512"},
    /* timestamp, response time, R or W, LUN, offset, size (SNIA, SYSTOR '17) */
    {"systor", 1, "delimiter=,,obj-id-col=4+5,obj-size-col=6,op-col=3"},
    /* timestamp, key, key size, value size, client, operation, TTL (github.com/twitter/cache-trace) */
    {"twitter", 0, "has-header=false,delimiter=,,obj-id-col=2,obj-size-col=4,op-col=6"},
    /* version, time, SCSI command, bytes, sector (libCacheSim's sample of CloudPhysics) */
    {"cloudphysics", 512, "delimiter=,,obj-id-col=5,obj-size-col=4,op-col=3"},
};

#define LAYOUTS (sizeof(layouts) / sizeof(layouts[0]))

static int parse_delimiter(struct csv_options *options, const char **text, struct sp_error *error)
{
    const char *at = *text;

    if (strncmp(at, "\\t", 2) == 0 || strncmp(at, "tab", 3) == 0) {
        options->delimiter = '\t';
        at += at[0] == '\\' ? 2 : 3;
    } else if (*at != '\0') {
        options->delimiter = *at++;
    }
    if (options->delimiter == '\n' || options->delimiter == '\r' || options->delimiter == '"' ||
        (*at != '\0' && *at != ','))
        return error_set(error, EINVAL,
                         "csv: delimiter= takes one character (or tab), but no quote, before "
                         "'%.20s'",
                         at);
    *text = at;
    return 0;
}

static bool is(const char *text, size_t length, const char *name)
{
    return strlen(name) == length && strncmp(text, name, length) == 0;
}

static bool parse_flag(const char *text, size_t length, bool *flag)
{
    bool yes = is(text, length, "true") || is(text, length, "1");

    *flag = yes;
    return yes || is(text, length, "false") || is(text, length, "0");
}

static bool parse_column(const char *text, size_t length, unsigned *column)
{
    uint64_t number;

    if (!line_decimal(text, length, &number) || number == 0 || number > CSV_COLUMNS_MOST)
        return false;
    *column = (unsigned)number;
    return true;
}

/* N, or N+N...: several columns that make up one id. */
static bool parse_id(struct csv_options *options, const char *text, size_t length)
{
    const char *end = text + length;

    for (options->ids = 0; options->ids < CSV_ID_COLUMNS; text++) {
        const char *plus = memchr(text, '+', (size_t)(end - text));
        const char *stop = plus != NULL ? plus : end;

        if (!parse_column(text, (size_t)(stop - text), &options->id[options->ids]))
            return false;
        options->ids++;
        if (plus == NULL)
            return true;
        text = plus;
    }
    return false;
}

static bool parse_header(struct csv_options *options, const char *text, size_t length)
{
    bool header;

    if (!parse_flag(text, length, &header))
        return false;
    options->header = header ? CSV_HEADER_YES : CSV_HEADER_NO;
    return true;
}

static bool parse_unit(const char *text, size_t length, unsigned *unit)
{
    uint64_t number;

    if (!line_decimal(text, length, &number) || number == 0 || number > UINT32_MAX)
        return false;
    *unit = (unsigned)number;
    return true;
}

/* The options of the layout with this name. NULL: there is none. */
static const struct csv_layout *find_layout(const char *name, size_t length)
{
    for (size_t i = 0; i < LAYOUTS; i++)
        if (is(name, length, layouts[i].name))
            return &layouts[i];
    return NULL;
}

/* name=value; columns of libCacheSim that mean nothing to a replay are accepted and left aside. */
static bool parse_option(struct csv_options *o, const char *name, size_t name_length,
                         const char *value, size_t length, bool *known)
{
    static const char *const ignored[] = {"time-col", "next-access-col", "ttl-col", "tenant-col",
                                          "feature1-col"};
    unsigned column;

    *known = true;
    if (is(name, name_length, "has-header"))
        return parse_header(o, value, length);
    if (is(name, name_length, "obj-id-is-num"))
        return parse_flag(value, length, &o->id_is_number);
    if (is(name, name_length, "obj-id-col"))
        return parse_id(o, value, length);
    if (is(name, name_length, "obj-size-col"))
        return parse_column(value, length, &o->size);
    if (is(name, name_length, "op-col"))
        return parse_column(value, length, &o->operation);
    if (is(name, name_length, "cnt-col"))
        return parse_column(value, length, &o->count);
    if (is(name, name_length, "size-unit"))
        return parse_unit(value, length, &o->size_unit);
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        if (is(name, name_length, ignored[i]))
            return parse_column(value, length, &column);
    *known = false;
    return false;
}

static int no_layout(const char *name, size_t length, struct sp_error *error)
{
    char known[100] = "";

    for (size_t i = 0; i < LAYOUTS; i++) {
        strncat(known, i > 0 ? ", " : "", sizeof(known) - strlen(known) - 1);
        strncat(known, layouts[i].name, sizeof(known) - strlen(known) - 1);
    }
    return error_set(error, EINVAL, "csv: there is no layout '%.*s'; there are %s",
                     (int)(length < 40 ? length : 40), name, known);
}

/* Options, but for layout=. */
static int parse_options(struct csv_options *options, const char *text, struct sp_error *error)
{
    while (*text != '\0') {
        size_t name_length = strcspn(text, "=,");
        const char *value = text + name_length + 1;
        size_t length = 0;
        bool known;

        if (text[name_length] != '=')
            return error_set(error, EINVAL, "csv: option '%.40s' is not of the form name=value",
                             text);
        if (is(text, name_length, "delimiter")) {
            int result = parse_delimiter(options, &value, error);

            if (result != 0)
                return result;
        } else {
            length = strcspn(value, ",");
            if (!parse_option(options, text, name_length, value, length, &known))
                return error_set(
                    error, EINVAL,
                    known ? "csv: option '%.*s' does not take '%.*s'"
                          : "csv: there is no option '%.*s' (given as '%.*s'); there are "
                            "layout, obj-id-col, obj-size-col, op-col, cnt-col, time-col, "
                            "has-header, delimiter, obj-id-is-num and size-unit",
                    (int)(name_length < 40 ? name_length : 40), text,
                    (int)(length < 40 ? length : 40), value);
        }
        text = value + length;
        text += *text == ',';
    }
    return 0;
}

int csv_options_parse(struct csv_options *options, const char *text, struct sp_error *error)
{
    static const char layout[] = "layout=";
    const struct csv_layout *found;
    size_t length;
    int result;

    if (strncmp(text, layout, strlen(layout)) != 0)
        return parse_options(options, text, error);
    text += strlen(layout);
    length = strcspn(text, ",");
    found = find_layout(text, length);
    if (found == NULL)
        return no_layout(text, length, error);
    result = parse_options(options, found->options, error);
    options->id_unit = found->id_unit;
    text += length;
    return result == 0 ? parse_options(options, text + (*text == ','), error) : result;
}
