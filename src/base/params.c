/* Parameters as users type them. Texts come from users: nothing is assumed about them. */
#include "base/params.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/nearest.h"

/* Longest piece of a user's text that is repeated in a message, in bytes. */
#define QUOTE 40

/* Digits of a value: this many are exact in a double, and their power of ten is exact as well. */
#define DIGITS_MAX 15

void params_name_add(struct name_list *list, const char *name)
{
    int written = snprintf(list->text + list->length, sizeof(list->text) - list->length, "%s%s",
                           list->length > 0 ? ", " : "", name);

    list->length += (size_t)written;
    if (list->length >= sizeof(list->text))
        list->length = sizeof(list->text) - 1;
}

/* The name of the list that is nearest to `word`, in `name`; "" if none is near. */
static void name_list_nearest(const struct name_list *list, const char *word, char *name,
                              size_t size)
{
    struct nearest nearest = NEAREST_START(word);
    char names[SP_ERROR_TEXT], *rest = names, *known;

    memcpy(names, list->text, list->length);
    names[list->length] = '\0';
    while ((known = strsep(&rest, ", ")) != NULL)
        if (*known != '\0')
            nearest_offer(&nearest, known);
    snprintf(name, size, "%s", nearest.best != NULL ? nearest.best : "");
}

int params_name_missing(const struct name_list *list, const char *kind, const char *text,
                        size_t length, struct sp_error *error)
{
    char word[QUOTE + 1], name[QUOTE + 1];

    snprintf(word, sizeof word, "%.*s", params_quote_length(length), text);
    if (length > 3 && strncmp(text + length - 3, ".so", 3) == 0)
        return error_set(error, ENOENT,
                         "there is no %s '%s'; the path of a shared object has a slash in it: ./%s",
                         kind, word, word);
    name_list_nearest(list, word, name, sizeof name);
    if (*name != '\0')
        return error_set(error, ENOENT, "there is no %s '%s': did you mean %s? There are %s", kind,
                         word, name, list->text);
    return error_set(error, ENOENT, "there is no %s '%s'; there are %s", kind, word, list->text);
}

int params_quote_length(size_t length)
{
    return (int)(length < QUOTE ? length : QUOTE);
}

bool params_name_is_proper(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

    return length > 0 && name[length] == '\0';
}

/* Whose parameters they are, for messages. */
struct owner {
    const char *kind;
    const char *name;
    const struct sp_policy_param *params;
};

int params_check(const char *kind, const char *owner, const struct sp_policy_param *params,
                 struct sp_error *error)
{
    const struct sp_policy_param *param;
    size_t count = 0;

    for (param = params; param != NULL && param->name != NULL; param++) {
        if (++count > PARAMS_MAX)
            return error_set(error, EINVAL, "%s '%.*s' has more than %u parameters", kind, QUOTE,
                             owner, PARAMS_MAX);
        if (!(param->least <= param->preset && param->preset <= param->most))
            return error_set(
                error, EINVAL, "%s '%.*s': the preset of '%.*s', %g, is not from %g to %g", kind,
                QUOTE, owner, QUOTE, param->name, param->preset, param->least, param->most);
    }
    return 0;
}

/* A decimal number that fills text[0..length) completely. Exactly rounded, and, unlike strtod,
 * independent of the locale: the mantissa and the power of ten are both exact. */
static bool parse_number(const char *text, size_t length, double *value)
{
    const char *end = text + length;
    bool negative = false, percent = false, fraction = false;
    uint64_t mantissa = 0;
    double scale = 1;
    int digits = 0;

    if (text < end && (*text == '-' || *text == '+'))
        negative = *text++ == '-';
    if (text < end && end[-1] == '%') {
        percent = true;
        end--;
    }
    for (; text < end; text++) {
        if (*text == '.' && !fraction) {
            fraction = true;
            continue;
        }
        if (*text < '0' || *text > '9' || ++digits > DIGITS_MAX)
            return false;
        mantissa = mantissa * 10 + (uint64_t)(*text - '0');
        if (fraction)
            scale *= 10;
    }
    if (digits == 0)
        return false;
    *value = (double)mantissa / (percent ? scale * 100 : scale);
    if (negative)
        *value = -*value;
    return true;
}

static int unknown_param(const struct owner *owner, const char *name, size_t length,
                         struct sp_error *error)
{
    const struct sp_policy_param *param;
    struct name_list known = {.length = 0};

    for (param = owner->params; param != NULL && param->name != NULL; param++)
        params_name_add(&known, param->name);
    if (known.length == 0)
        return error_set(error, ENOENT, "%s '%s' has no parameters, so no '%.*s'", owner->kind,
                         owner->name, params_quote_length(length), name);
    return error_set(error, ENOENT, "%s '%s' has no parameter '%.*s'; it has %s", owner->kind,
                     owner->name, params_quote_length(length), name, known.text);
}

/* One `name=value`, of `length` bytes. `given` has a bit for each parameter seen so far. */
static int parse_assignment(const struct owner *owner, const char *text, size_t length,
                            double *values, uint32_t *given, struct sp_error *error)
{
    const char *equals = memchr(text, '=', length);
    const struct sp_policy_param *param;
    size_t name_length, i = 0;
    double value;

    if (equals == NULL)
        return error_set(error, EINVAL, "%s '%s': '%.*s' is not of the form name=value",
                         owner->kind, owner->name, params_quote_length(length), text);
    name_length = (size_t)(equals - text);
    for (param = owner->params; param != NULL && param->name != NULL; param++, i++)
        if (strlen(param->name) == name_length && memcmp(param->name, text, name_length) == 0)
            break;
    if (param == NULL || param->name == NULL)
        return unknown_param(owner, text, name_length, error);
    if (*given & (1u << i))
        return error_set(error, EINVAL, "%s '%s': parameter '%s' is given twice", owner->kind,
                         owner->name, param->name);
    *given |= 1u << i;
    length -= name_length + 1;
    if (!parse_number(equals + 1, length, &value))
        return error_set(error, EINVAL, "%s '%s': '%.*s' is not a number for parameter '%s'",
                         owner->kind, owner->name, params_quote_length(length), equals + 1,
                         param->name);
    if (!(value >= param->least && value <= param->most))
        return error_set(error, ERANGE, "%s '%s': parameter '%s' is %g; it must be from %g to %g",
                         owner->kind, owner->name, param->name, value, param->least, param->most);
    values[i] = value;
    return 0;
}

int params_parse(const char *kind, const char *name, const struct sp_policy_param *params,
                 const char *text, double *values, struct sp_error *error)
{
    const struct owner whose = {kind, name, params};
    const struct sp_policy_param *param;
    uint32_t given = 0;
    size_t length, i = 0;
    int rc;

    memset(values, 0, PARAMS_MAX * sizeof(*values));
    for (param = params; param != NULL && param->name != NULL; param++)
        values[i++] = param->preset;
    if (text == NULL || text[0] == '\0')
        return 0;
    for (;;) {
        length = strcspn(text, ",");
        rc = parse_assignment(&whose, text, length, values, &given, error);
        if (rc != 0 || text[length] == '\0')
            return rc;
        text += length + 1;
    }
}
