/* ${NAME} in the texts of a scenario. */
#include "selfpage/scenario/variables.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

int variables_define(struct strings *variables, const char *definition, struct sp_error *error)
{
    size_t length = strspn(definition, NAME_LETTERS);
    char name[64];

    if (length == 0 || length >= sizeof name || definition[length] != '=')
        return error_set(error, EINVAL,
                         "\"%.100s\" is no definition: NAME=VALUE, with letters, digits and _ in "
                         "the name",
                         definition);
    memcpy(name, definition, length);
    name[length] = '\0';
    strings_set(variables, name, definition + length + 1);
    return variables->failed ? error_set(error, ENOMEM, "out of memory") : 0;
}

/* The value of the variable whose name is the first `length` bytes of `name`, or NULL. */
static const char *variables_find(const struct strings *variables, const char *name, size_t length)
{
    for (size_t i = 0; i < variables->count; i++)
        if (strncmp(variables->items[i], name, length) == 0 && variables->items[i][length] == '=')
            return variables->items[i] + length + 1;
    return NULL;
}

static int expand_into(FILE *out, const struct strings *variables, const char *text,
                       struct sp_error *error)
{
    while (*text != '\0') {
        size_t plain = strcspn(text, "$"), length;
        const char *value;

        fwrite(text, 1, plain, out);
        text += plain;
        if (text[0] == '$' && text[1] == '{') {
            length = strcspn(text + 2, "}");
            if (text[2 + length] == '\0')
                return error_set(error, EINVAL, "\"%.100s\": } is missing", text);
            value = variables_find(variables, text + 2, length);
            if (value == NULL)
                return error_set(error, EINVAL,
                                 "${%.*s} is not defined (give it by --define %.*s=VALUE)",
                                 (int)length, text + 2, (int)length, text + 2);
            fputs(value, out);
            text += length + 3;
        } else if (*text == '$') {
            fputc('$', out);
            text += text[1] == '$' ? 2 : 1;
        }
    }
    return 0;
}

char *variables_expand(const struct strings *variables, const char *text, struct sp_error *error)
{
    char *expanded = NULL;
    size_t size;
    FILE *out = open_memstream(&expanded, &size);
    int result;

    if (out == NULL) {
        error_set(error, ENOMEM, "out of memory");
        return NULL;
    }
    result = expand_into(out, variables, text, error);
    if (fclose(out) != 0 && result == 0)
        result = error_set(error, ENOMEM, "out of memory");
    if (result != 0) {
        free(expanded);
        return NULL;
    }
    return expanded;
}

/* A value that means the same wherever it stands, quoted or not. */
static bool is_word(const char *value)
{
    return *value != '\0' && value[strspn(value, NAME_LETTERS ".,=;:%/+-")] == '\0' &&
           strchr(":-", *value) == NULL && value[strlen(value) - 1] != ':';
}

int variables_substitute(const struct strings *variables, char **textp, size_t *sizep)
{
    const char *text = *textp, *end = text + *sizep;
    char *changed = NULL;
    size_t size;
    FILE *out = open_memstream(&changed, &size);

    if (out == NULL)
        return -ENOMEM;
    while (text < end) {
        const char *value = NULL, *close = NULL;

        if (end - text > 2 && text[0] == '$' && text[1] == '{')
            close = memchr(text, '}', (size_t)(end - text));
        if (close != NULL)
            value = variables_find(variables, text + 2, (size_t)(close - text - 2));
        if (value != NULL && is_word(value)) {
            fputs(value, out);
            text = close + 1;
            continue;
        }
        if (end - text > 1 && text[0] == '$' && text[1] == '$')
            fputc(*text++, out);
        fputc(*text++, out);
    }
    if (fclose(out) != 0) {
        free(changed);
        return -ENOMEM;
    }
    free(*textp);
    *textp = changed;
    *sizep = size;
    return 0;
}
