#include "trace/csv_fields.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The closing quote of a field whose text begins at `at`; NULL: it is open. */
static const char *closing_quote(const char *at, const char *end)
{
    for (;;) {
        at = memchr(at, '"', (size_t)(end - at));
        if (at == NULL || at + 1 == end || at[1] != '"')
            return at;
        at += 2;
    }
}

static enum csv_verdict cut_quoted(const char **at, const char *end, char delimiter,
                                   struct csv_field *field)
{
    const char *close = closing_quote(*at + 1, end), *next;

    if (close == NULL)
        return CSV_OPEN;
    *field = (struct csv_field){*at + 1, (size_t)(close - *at - 1), true};
    for (next = close + 1; next < end && *next != delimiter && is_blank(*next); next++)
        continue;
    *at = next;
    return next == end || *next == delimiter ? CSV_CUT : CSV_TRAILING;
}

static void cut_plain(const char **at, const char *end, char delimiter, struct csv_field *field)
{
    const char *stop = memchr(*at, delimiter, (size_t)(end - *at));
    const char *last = stop != NULL ? stop : end;

    *field = (struct csv_field){.text = *at};
    *at = last;
    while (last > field->text && is_blank(last[-1]))
        last--;
    field->length = (size_t)(last - field->text);
}

enum csv_verdict csv_fields_cut(const char *line, size_t length, char delimiter,
                                struct csv_field *fields, unsigned most, unsigned *countp)
{
    const char *at = line, *end = line + length;
    bool quotes = memchr(line, '"', length) != NULL;
    struct csv_field beyond = {0};

    for (*countp = 0; *countp < most || quotes;) {
        struct csv_field *field = *countp < most ? &fields[*countp] : &beyond;

        while (at < end && *at != delimiter && is_blank(*at))
            at++;
        if (at < end && *at == '"' && delimiter != '"') {
            enum csv_verdict verdict = cut_quoted(&at, end, delimiter, field);

            if (verdict != CSV_CUT)
                return verdict;
        } else {
            cut_plain(&at, end, delimiter, field);
        }
        *countp += *countp < most;
        if (at == end)
            break;
        at++;
    }
    return CSV_CUT;
}
