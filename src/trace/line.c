#include "trace/line.h"

#include <errno.h>
#include <string.h>

#include "trace/complaint.h"
#include "trace/mix.h"
#include "trace/split.h"

/* ---- Lines ---- */

static bool is_text(uint8_t byte)
{
    return byte == '\t' || byte == '\r' || byte == '\n' || (byte >= ' ' && byte != 0x7f);
}

bool line_is_text(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!is_text(bytes[i]))
            return false;
    return true;
}

static int skip_mark(struct source *source, struct sp_error *error)
{
    static const uint8_t mark[3] = {0xef, 0xbb, 0xbf};
    int result = source_need(source, sizeof(mark), error);

    if (result > 0 && memcmp(source->at, mark, sizeof(mark)) == 0)
        source->at += sizeof(mark);
    return result < 0 ? result : 0;
}

/* Find the end of a line; it is known not to be in the first `seen` bytes. */
static int find_end(struct trace *trace, size_t seen, const char **start, size_t *length,
                    struct sp_error *error)
{
    struct source *source = &trace->source;

    for (;;) {
        size_t size = (size_t)(source->end - source->at);
        const uint8_t *end = size > seen ? memchr(source->at + seen, '\n', size - seen) : NULL;
        ssize_t added;

        if (end != NULL || (source->ended && size > 0)) {
            *start = (const char *)source->at;
            *length = end != NULL ? (size_t)(end - source->at) : size;
            source->at = end != NULL ? end + 1 : source->end;
            trace->line++;
            return 1;
        }
        seen = size;
        added = source_more(source, error);
        if (added == -EMSGSIZE) {
            trace->line++;
            return complaint_set(trace, error, "longer than %u bytes", SOURCE_WINDOW);
        }
        if (added < 0)
            return (int)added;
        if (added == 0 && size == 0)
            return 0;
    }
}

int line_next(struct trace *trace, const char **start, size_t *length, struct sp_error *error)
{
    int result = trace->line == 0 ? skip_mark(&trace->source, error) : 0;

    return result == 0 ? find_end(trace, 0, start, length, error) : result;
}

int line_extend(struct trace *trace, const char **start, size_t *length, struct sp_error *error)
{
    struct source *source = &trace->source;
    size_t seen = (size_t)(source->at - (const uint8_t *)*start);

    source->at = (const uint8_t *)*start;
    if (source->ended && (size_t)(source->end - source->at) == seen) {
        source->at = source->end;
        return 0;
    }
    return find_end(trace, seen, start, length, error);
}

void line_give_back(struct trace *trace, const char *start)
{
    const char *end = (const char *)trace->source.at;

    trace->line--;
    for (const char *at = start; at + 1 < end; at++)
        trace->line -= *at == '\n';
    trace->source.at = (const uint8_t *)start;
}

void line_trim(const char **text, size_t *length)
{
    while (*length > 0 && ((*text)[0] == ' ' || (*text)[0] == '\t')) {
        ++*text;
        --*length;
    }
    while (*length > 0 && ((*text)[*length - 1] == ' ' || (*text)[*length - 1] == '\t' ||
                           (*text)[*length - 1] == '\r'))
        --*length;
}

bool line_is_idle(const char *text, size_t length)
{
    line_trim(&text, &length);
    return length == 0 || text[0] == '#';
}

/* ---- Numbers and ids ---- */

bool line_decimal(const char *text, size_t length, uint64_t *number)
{
    uint64_t value = 0;

    if (length == 0 || length > 20)
        return false;
    for (size_t i = 0; i < length; i++) {
        unsigned digit = (unsigned)((unsigned char)text[i] - '0');

        if (digit > 9 || (i == 19 && (value > UINT64_MAX / 10 ||
                                      (value == UINT64_MAX / 10 && digit > UINT64_MAX % 10))))
            return false;
        value = value * 10 + digit;
    }
    *number = value;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool hexadecimal(const char *text, size_t length, uint64_t *number)
{
    uint64_t value = 0;

    if (length < 3 || length > 18 || text[0] != '0' || (text[1] != 'x' && text[1] != 'X'))
        return false;
    for (size_t i = 2; i < length; i++) {
        int digit = hex_digit(text[i]);

        if (digit < 0)
            return false;
        value = value << 4 | (uint64_t)digit;
    }
    *number = value;
    return true;
}

static bool parse_number(const char *text, size_t length, uint64_t *number)
{
    return line_decimal(text, length, number) || hexadecimal(text, length, number);
}

bool line_is_number(const char *text, size_t length)
{
    uint64_t number;

    return parse_number(text, length, &number);
}

/* The index behind the digits that begin at `i`. */
static size_t digits_end(const char *text, size_t length, size_t i)
{
    while (i < length && text[i] >= '0' && text[i] <= '9')
        i++;
    return i;
}

/* 1.23457E+15: what a spreadsheet makes of a long number; many ids become one. */
static bool is_rounded(const char *text, size_t length)
{
    size_t point = digits_end(text, length, 0), e, end;

    if (point == 0 || point == length || text[point] != '.')
        return false;
    e = digits_end(text, length, point + 1);
    if (e == point + 1 || e + 2 >= length || text[e] != 'E' || text[e + 1] != '+')
        return false;
    end = digits_end(text, length, e + 2);
    return end == length && end > e + 2;
}

static int hash(struct trace *trace, const char *text, size_t length, bool quoted, uint64_t *id,
                struct sp_error *error)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a, then mixed */

    for (size_t i = 0; i < length; i++) {
        if (!is_text((uint8_t)text[i]))
            return complaint_set(trace, error, "byte %zu of the id is 0x%02x, which no text has",
                                 i + 1, (uint8_t)text[i]);
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
        if (quoted && text[i] == '"')
            i++;
    }
    *id = trace_mix(hash);
    trace->hashed++;
    return 0;
}

int line_id(struct trace *trace, const char *text, size_t length, bool quoted, bool address,
            uint64_t *id, struct sp_error *error)
{
    int shown = (int)(length < 40 ? length : 40);
    uint64_t bytes;

    if (!parse_number(text, length, id)) {
        if (address)
            return complaint_set(trace, error, "'%.*s' is not an address", shown, text);
        if (is_rounded(text, length))
            return complaint_set(trace, error,
                                 "the id %.*s was rounded, as spreadsheets do: export it as text",
                                 shown, text);
        return hash(trace, text, length, quoted, id, error);
    }
    if (address && !split_address(trace, *id, &bytes))
        return complaint_set(trace, error,
                             "the address %llu * %llu (--id-unit) does not fit into 64 bits",
                             (unsigned long long)*id, (unsigned long long)trace->options.id_unit);
    return 0;
}
