/* lackey: what valgrind --tool=lackey --trace-mem=yes prints, one access a line:
 *
 *   I  04001000,3     instruction, address in hexadecimal, bytes
 *    L 1ffeffe7e8,8   load
 *    S 1ffeffe7e8,8   store
 *    M 0421c7cc,4     modify: a load and a store; counted once, as a write
 *
 * Option `code` leaves instructions only, `data` the rest. Valgrind's own lines, ==PID== ..., and
 * empty ones are skipped. An access that reaches past the end of 64 bits ends there. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "trace/complaint.h"
#include "trace/format.h"
#include "trace/line.h"

struct lackey {
    char only; /* I or D: code or data; NUL: both */
};

static bool is_kind(const char *line, size_t length)
{
    return length > 3 && (memcmp(line, "I  ", 3) == 0 || memcmp(line, " L ", 3) == 0 ||
                          memcmp(line, " S ", 3) == 0 || memcmp(line, " M ", 3) == 0);
}

static bool is_chatter(const char *line, size_t length)
{
    return length == 0 ||
           (length >= 2 && (memcmp(line, "==", 2) == 0 || memcmp(line, "--", 2) == 0));
}

static bool lackey_sniff(const uint8_t *bytes, size_t size, bool whole)
{
    const char *at = (const char *)bytes, *end = at + size, *stop;

    (void)whole;
    while (at < end) {
        stop = memchr(at, '\n', (size_t)(end - at));
        if (is_kind(at, (size_t)((stop != NULL ? stop : end) - at)))
            return true;
        if (stop == NULL || !is_chatter(at, (size_t)(stop - at)))
            return false;
        at = stop + 1;
    }
    return false;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* What follows the kind: ADDRESS,SIZE. */
static bool parse_access(const char *text, size_t length, struct trace_reference *reference)
{
    uint64_t address = 0, size;
    size_t i = 0;

    for (; i < length && hex_digit(text[i]) >= 0; i++) {
        if (i == 16)
            return false;
        address = address << 4 | (uint64_t)hex_digit(text[i]);
    }
    if (i == 0 || i == length || text[i] != ',' ||
        !line_decimal(text + i + 1, length - i - 1, &size) || size > UINT32_MAX)
        return false;
    reference->id = address;
    reference->size = (uint32_t)size;
    return true;
}

static int lackey_begin(struct trace *trace, const char *options, struct sp_error *error)
{
    struct lackey *lackey = trace->state;

    if (options != NULL && strcmp(options, "code") != 0 && strcmp(options, "data") != 0)
        return error_set(error, EINVAL, "the options of lackey are code and data, not '%.40s'",
                         options);
    if (options != NULL)
        lackey->only = options[0] == 'c' ? 'I' : 'D';
    trace->carries_sizes = true;
    return 0;
}

static ssize_t lackey_read(struct trace *trace, struct trace_reference *references, size_t most,
                           struct sp_error *error)
{
    char only = ((const struct lackey *)trace->state)->only;
    size_t count = 0;

    while (count < most) {
        const char *line;
        size_t length;
        int result = line_next(trace, &line, &length, error);

        if (result < 0)
            return result;
        if (result == 0)
            break;
        if (length > 0 && line[length - 1] == '\r')
            length--;
        if (is_chatter(line, length))
            continue;
        references[count] = (struct trace_reference){.next = TRACE_NEVER};
        if (!is_kind(line, length) || !parse_access(line + 3, length - 3, &references[count]))
            return complaint_set(trace, error, "'%.*s' is no access as lackey prints them",
                                 (int)(length < 40 ? length : 40), line);
        if (only != '\0' && (only == 'I') != (line[0] == 'I'))
            continue;
        references[count++].write = line[1] == 'S' || line[1] == 'M';
        trace->records++;
    }
    return (ssize_t)count;
}

static const char *const lackey_extensions[] = {"lackey", NULL};

const struct trace_format format_lackey = {
    .name = "lackey",
    .summary = "what valgrind --tool=lackey --trace-mem=yes prints",
    .extensions = lackey_extensions,
    .options = "code or data: only instructions, or only loads and stores",
    .least = 6,
    .lines = true,
    .addresses = true,
    .state_size = sizeof(struct lackey),
    .sniff = lackey_sniff,
    .begin = lackey_begin,
    .read = lackey_read,
};
