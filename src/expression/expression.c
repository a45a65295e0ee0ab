/* Expectations: a recursive-descent parser that evaluates as it reads. */
#include "expression/expression.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* How deep parentheses may nest: a bound on the stack that a scenario can use. */
enum { EXPRESSION_DEPTH = 64 };

struct parser {
    const char *text;
    const char *at;
    const struct expression_names *names;
    struct sp_error *error;
    bool check;
    bool counted; /* a name was looked up */
    bool failed;  /* set with the first mistake; from then on nothing is read */
    int depth;
};

static double parse_sum(struct parser *parser);

/* Report a mistake at `at`; the first one stands. */
SP_PRINTF(3, 4) static double fail(struct parser *parser, const char *at, const char *format, ...)
{
    char what[128];
    va_list arguments;

    if (parser->failed)
        return 0;
    parser->failed = true;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    error_set(parser->error, EINVAL, "\"%.80s\": at position %zu: %s", parser->text,
              (size_t)(at - parser->text) + 1, what);
    return 0;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static void skip_space(struct parser *parser)
{
    while (is_space(*parser->at))
        parser->at++;
}

/* Take `token` if it comes next. */
static bool take(struct parser *parser, const char *token)
{
    skip_space(parser);
    if (parser->failed || strncmp(parser->at, token, strlen(token)) != 0)
        return false;
    parser->at += strlen(token);
    return true;
}

/* What stands at `at`, for a message. */
static double fail_here(struct parser *parser, const char *wanted)
{
    skip_space(parser);
    if (*parser->at == '\0')
        return fail(parser, parser->at, "%s is missing", wanted);
    if (*parser->at < ' ' || *parser->at > '~')
        return fail(parser, parser->at, "%s is missing before byte 0x%02x", wanted,
                    (unsigned char)*parser->at);
    return fail(parser, parser->at, "%s is missing before '%c'", wanted, *parser->at);
}

/* A name into `name`, which has room for EXPRESSION_NAME_MAX and a NUL. */
static void parse_name(struct parser *parser, char *name)
{
    const char *start;
    size_t length;

    *name = '\0';
    skip_space(parser);
    start = parser->at;
    if (!is_letter(*start)) {
        fail_here(parser, "a name");
        return;
    }
    while (is_letter(*parser->at) || is_digit(*parser->at))
        parser->at++;
    length = (size_t)(parser->at - start);
    if (length > EXPRESSION_NAME_MAX) {
        fail(parser, start, "a name has at most %d characters", EXPRESSION_NAME_MAX);
        return;
    }
    memcpy(name, start, length);
    name[length] = '\0';
}

static const char *nearest(const struct parser *parser, const char *object, const char *field)
{
    const struct expression_names *names = parser->names;

    return names->nearest != NULL ? names->nearest(names->arg, object, field) : NULL;
}

/* A name is not known; `near` is what may have been meant. */
SP_PRINTF(4, 5)
static double fail_near(struct parser *parser, const char *at, const char *near, const char *format,
                        ...)
{
    char what[100];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return near == NULL ? fail(parser, at, "%s", what)
                        : fail(parser, at, "%s; did you mean %s?", what, near);
}

/* The value of `object`.field, where `object` has been read at `start`. */
static double parse_field(struct parser *parser, bool all, const char *object, const char *start)
{
    char field[EXPRESSION_NAME_MAX + 1];
    double value = 0;
    int result;

    if (!take(parser, "."))
        return fail_here(parser, "'.'");
    parse_name(parser, field);
    if (parser->failed)
        return 0;
    parser->counted = true;
    result = parser->names->look_up(parser->names->arg, all, object, field, &value);
    if (result == -ENOENT && all)
        return fail(parser, start, "sum() takes tasks.FIELD, not %s", object);
    if (result == -ENOENT)
        return fail_near(parser, start, nearest(parser, object, NULL), "there is no %s", object);
    if (result != 0)
        return fail_near(parser, start, nearest(parser, object, field), "%s has no %s", object,
                         field);
    return value;
}

static double parse_word(struct parser *parser)
{
    char name[EXPRESSION_NAME_MAX + 1];
    const char *start = parser->at;
    double value;

    parse_name(parser, name);
    if (parser->failed)
        return 0;
    if (strcmp(name, "true") == 0)
        return 1;
    if (strcmp(name, "false") == 0)
        return 0;
    if (strcmp(name, "sum") != 0 || !take(parser, "("))
        return parse_field(parser, false, name, start);
    skip_space(parser);
    start = parser->at;
    parse_name(parser, name);
    value = parse_field(parser, true, name, start);
    if (!take(parser, ")"))
        fail_here(parser, "')'");
    return value;
}

/* A name that only the caller can tell from what surrounds it, if there is one. */
static bool parse_measured(struct parser *parser, double *value)
{
    const struct expression_names *names = parser->names;
    size_t length = names->measure != NULL ? names->measure(names->arg, parser->at) : 0;
    char name[EXPRESSION_NAME_MAX + 1];
    const char *start = parser->at;

    if (length == 0 || length > EXPRESSION_NAME_MAX)
        return false;
    memcpy(name, start, length);
    name[length] = '\0';
    parser->at += length;
    *value = parse_field(parser, false, name, start);
    return true;
}

static double parse_number(struct parser *parser)
{
    char *end;
    double value = strtod(parser->at, &end);

    if (is_letter(*end))
        return fail(parser, end, "'%c' follows a number", *end);
    parser->at = end;
    return value;
}

static double parse_factor(struct parser *parser)
{
    double value;

    skip_space(parser);
    if (++parser->depth > EXPRESSION_DEPTH)
        return fail(parser, parser->at, "nested more than %d deep", EXPRESSION_DEPTH);
    if (parse_measured(parser, &value)) {
        /* all is done */
    } else if (take(parser, "-")) {
        value = -parse_factor(parser);
    } else if (take(parser, "(")) {
        value = parse_sum(parser);
        if (!take(parser, ")"))
            fail_here(parser, "')'");
    } else if (is_digit(*parser->at)) {
        value = parse_number(parser);
    } else if (is_letter(*parser->at)) {
        value = parse_word(parser);
    } else {
        value = fail_here(parser, "a number or a name");
    }
    parser->depth--;
    return value;
}

static double parse_product(struct parser *parser)
{
    double value = parse_factor(parser), by;

    while (!parser->failed) {
        const char *at;

        skip_space(parser);
        at = parser->at;
        if (take(parser, "*")) {
            value *= parse_factor(parser);
        } else if (take(parser, "/")) {
            by = parse_factor(parser);
            if (by == 0 && !parser->check)
                return fail(parser, at, "division by zero");
            value /= by == 0 ? 1 : by;
        } else {
            break;
        }
    }
    return value;
}

static double parse_sum(struct parser *parser)
{
    double value = parse_product(parser);

    while (!parser->failed)
        if (take(parser, "+"))
            value += parse_product(parser);
        else if (take(parser, "-"))
            value -= parse_product(parser);
        else
            break;
    return value;
}

/* The two sides, and what their comparison says. */
static bool parse_comparison(struct parser *parser, struct expression_sides *sides)
{
    /* Longer signs first: "<" begins "<=" too. */
    static const char *const signs[] = {"==", "!=", "<=", ">=", "<", ">"};
    size_t sign = 0;

    sides->left = parse_sum(parser);
    while (sign < sizeof signs / sizeof *signs && !take(parser, signs[sign]))
        sign++;
    parser->counted = false;
    sides->right = sign < sizeof signs / sizeof *signs ? parse_sum(parser) : 0;
    sides->constant = !parser->counted;
    switch (sign) {
    case 0:
        return sides->left == sides->right;
    case 2:
        return sides->left <= sides->right;
    case 3:
        return sides->left >= sides->right;
    case 4:
        return sides->left < sides->right;
    case 5:
        return sides->left > sides->right;
    default: /* "!=", or no sign: 0 is on the right */
        return sides->left != sides->right;
    }
}

int expression_evaluate(const char *text, const struct expression_names *names, bool check,
                        struct expression_sides *sides, struct sp_error *error)
{
    struct expression_sides own;
    struct parser parser = {
        .text = text, .at = text, .names = names, .error = error, .check = check};
    bool holds = parse_comparison(&parser, sides != NULL ? sides : &own);

    skip_space(&parser);
    if (*parser.at != '\0')
        fail_here(&parser, "an operator");
    if (parser.failed)
        return -EINVAL;
    return holds && !check;
}

const char *expression_say(char text[EXPRESSION_SAID], const struct expression_sides *sides)
{
    if (sides->constant)
        snprintf(text, EXPRESSION_SAID, "it is %.15g", sides->left);
    else
        snprintf(text, EXPRESSION_SAID, "found %.15g and %.15g", sides->left, sides->right);
    return text;
}

static int no_name(void *arg, bool all, const char *object, const char *field, double *value)
{
    (void)arg, (void)all, (void)object, (void)field, (void)value;
    return -ENOENT;
}

int expression_value(const char *text, const struct expression_names *names, bool check,
                     double *value, struct sp_error *error)
{
    static const struct expression_names none = {.look_up = no_name};
    struct parser parser = {.text = text,
                            .at = text,
                            .names = names != NULL ? names : &none,
                            .error = error,
                            .check = check};

    *value = parse_sum(&parser);
    skip_space(&parser);
    if (*parser.at != '\0')
        fail_here(&parser, "an operator");
    return parser.failed ? -EINVAL : 0;
}
