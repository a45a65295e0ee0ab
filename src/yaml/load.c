#include "yaml/load.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "yaml/complaint.h"
#include "yaml/fields.h"

static int complain(const char *path, const cyaml_schema_value_t *schema,
                    struct complaint *complaint, cyaml_err_t code,
                    const struct yaml_index *positions, struct sp_error *error)
{
    const char *nearest, *holder;

    complaint_translate(complaint, code);
    holder = complaint->unknown_field ? fields_holder(schema, complaint->path) : NULL;
    if (holder != NULL)
        return error_set(error, EINVAL,
                         "%.60s:%u: %s: unknown field here; it stands under %s:", path,
                         yaml_index_line(positions, complaint->path), complaint->path, holder);
    nearest = complaint->unknown_field ? fields_nearest(schema, complaint->path) : NULL;
    if (nearest != NULL)
        return error_set(error, EINVAL, "%.60s:%u: %s: unknown field; did you mean %s?", path,
                         yaml_index_line(positions, complaint->path), complaint->path, nearest);
    return error_set(error, EINVAL, "%.60s:%u: %s%s%s", path,
                     yaml_index_line(positions, complaint->path), complaint->path,
                     *complaint->path != '\0' ? ": " : "", complaint->what);
}

/* What loading and freeing are configured with. */
static cyaml_config_t configuration(struct complaint *complaint)
{
    return (cyaml_config_t){.log_fn = complaint != NULL ? complaint_listen : NULL,
                            .log_ctx = complaint,
                            .log_level = CYAML_LOG_ERROR,
                            .mem_fn = cyaml_mem};
}

/* Read a whole file; *textp is for free(). */
static int file_read(const char *path, char **textp, size_t *sizep, struct sp_error *error)
{
    FILE *file = fopen(path, "re");
    char *text = malloc(YAML_BYTES + 1);
    int result = 0;

    if (file == NULL)
        result = error_set(error, errno, "%.150s: %s", path, strerror(errno));
    else if (text == NULL)
        result = error_set(error, ENOMEM, "out of memory");
    if (result == 0) {
        *sizep = fread(text, 1, YAML_BYTES + 1, file);
        if (ferror(file))
            result = error_set(error, errno, "%.150s: %s", path, strerror(errno));
        else if (*sizep > YAML_BYTES)
            result = error_set(error, EFBIG, "%.150s: longer than %d bytes", path, YAML_BYTES);
    }
    if (file != NULL)
        fclose(file);
    if (result != 0)
        free(text);
    else
        *textp = text;
    return result;
}

/* All of `text` is a whole number, decimal without leading zeros, or 0x and hexadecimal, up to
 * `most`. */
static bool is_whole_number(const char *text, uint64_t most)
{
    bool hexadecimal = strncmp(text, "0x", 2) == 0;
    const char *first = hexadecimal ? text + 2 : text;

    if (*first == '\0' ||
        first[strspn(first, hexadecimal ? "0123456789abcdefABCDEF" : "0123456789")] != '\0' ||
        (!hexadecimal && *text == '0' && text[1] != '\0'))
        return false;
    errno = 0;
    return strtoull(text, NULL, 0) <= most && errno == 0;
}

static bool is_number(const char *text)
{
    char *end;
    double number = strtod(text, &end);

    return end != text && *end == '\0' && isfinite(number);
}

/* Complain about a value that is not a number. */
static int number_complain(const char *path, const struct yaml_position *position, uint64_t most,
                           struct sp_error *error)
{
    char range[60] = "number";

    if (most > 0)
        snprintf(range, sizeof range, "whole number from 0 to %llu", (unsigned long long)most);
    return error_set(error, EINVAL, "%.60s:%u: %s: expected a %s, not \"%.40s\"", path,
                     position->line, position->path, range, position->value);
}

/* Whether `path` is `pattern` but for the numbers of elements. */
static bool path_matches(const char *path, const char *pattern)
{
    while (*path != '\0' && *path == *pattern) {
        if (*path == '[')
            path += strcspn(path, "]");
        else
            path++;
        pattern++;
    }
    return *path == '\0' && *pattern == '\0';
}

static int numbers_check(const char *path, const struct yaml_index *positions,
                         const struct yaml_number *numbers, struct sp_error *error)
{
    for (size_t i = 0; i < positions->count; i++) {
        const struct yaml_position *position = &positions->positions[i];

        for (const struct yaml_number *n = numbers; n->path != NULL; n++)
            if (position->value != NULL && path_matches(position->path, n->path) &&
                !(n->most > 0 ? is_whole_number(position->value, n->most)
                              : is_number(position->value)))
                return number_complain(path, position, n->most, error);
    }
    return 0;
}

int yaml_load(const char *path, const struct yaml_syntax *syntax, void **structp,
              struct yaml_index *positions, struct sp_error *error)
{
    struct complaint complaint = {0};
    cyaml_config_t config = configuration(&complaint);
    cyaml_err_t code;
    char *text;
    size_t size;
    int result = file_read(path, &text, &size, error);

    if (result != 0)
        return result;
    *structp = NULL;
    if (syntax->rewrite != NULL && syntax->rewrite(syntax->rewrite_arg, &text, &size) != 0)
        result = error_set(error, ENOMEM, "out of memory");
    if (result == 0)
        result = yaml_index_build(positions, path, text, size, error);
    if (result == 0)
        result = numbers_check(path, positions, syntax->numbers, error);
    if (result == 0) {
        code = cyaml_load_data((const uint8_t *)text, size, &config, syntax->schema, structp, NULL);
        if (code != CYAML_OK || *structp == NULL)
            result = complain(path, syntax->schema, &complaint, code, positions, error);
    }
    free(text);
    if (result != 0) {
        yaml_load_free(syntax, *structp);
        *structp = NULL;
        yaml_index_fini(positions);
    }
    return result;
}

void yaml_load_free(const struct yaml_syntax *syntax, void *loaded)
{
    cyaml_config_t config = configuration(NULL);

    cyaml_free(&config, syntax->schema, loaded, 0);
}

int yaml_load_wrong(const char *path, const struct yaml_index *positions, const char *field,
                    struct sp_error *error, const char *format, ...)
{
    char what[SP_ERROR_TEXT];
    va_list values;

    va_start(values, format);
    vsnprintf(what, sizeof what, format, values);
    va_end(values);
    return error_set(error, EINVAL, "%.60s:%u: %s: %s", path, yaml_index_line(positions, field),
                     field, what);
}

const char *yaml_load_element(char *buffer, size_t size, const char *list, size_t index,
                              const char *field)
{
    snprintf(buffer, size, "%s[%zu]%s%s", list, index + 1, *field != '\0' ? "." : "", field);
    return buffer;
}
