/* Where things stand in a YAML file, by a pass of libyaml's events. */
#include "yaml/index.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/error.h"

/* Deeper than any file nests. */
enum { YAML_DEPTH = 16 };

/* A mapping or sequence that is open. */
struct level {
    bool sequence;
    bool want_value; /* mapping: its key has been read, and stands at the end of `path` */
    unsigned elements;
    size_t path_length; /* of the path to this level itself */
};

struct walk {
    struct yaml_index *index;
    struct level levels[YAML_DEPTH];
    unsigned depth;
    char path[YAML_PATH_MAX];
};

static int walk_note(struct walk *walk, unsigned line)
{
    struct yaml_index *index = walk->index;
    struct yaml_position *positions =
        reallocarray(index->positions, index->count + 1, sizeof *positions);

    if (positions == NULL)
        return -ENOMEM;
    index->positions = positions;
    snprintf(positions[index->count].path, YAML_PATH_MAX, "%s", walk->path);
    positions[index->count].line = line;
    positions[index->count++].value = NULL;
    return 0;
}

/* Append to the path what leads from the innermost level to its next value. A path that grows too
 * long is cut: it then finds nothing, and the entry around it is named instead. */
static void walk_extend(struct walk *walk, const char *key)
{
    struct level *level = &walk->levels[walk->depth - 1];
    size_t at = level->path_length;

    if (key == NULL)
        snprintf(walk->path + at, sizeof walk->path - at, "[%u]", ++level->elements);
    else
        snprintf(walk->path + at, sizeof walk->path - at, "%s%s", at > 0 ? "." : "", key);
}

/* Keep the value of the key that has been noted last. */
static int walk_keep(struct walk *walk, const char *scalar)
{
    struct yaml_position *position = &walk->index->positions[walk->index->count - 1];

    if (scalar == NULL || position->value != NULL)
        return 0;
    position->value = strdup(scalar);
    return position->value != NULL ? 0 : -ENOMEM;
}

/* A value begins: an element, a mapping's key, or its value. */
static int walk_value(struct walk *walk, const char *scalar, unsigned line)
{
    struct level *level;

    if (walk->depth == 0)
        return 0;
    level = &walk->levels[walk->depth - 1];
    if (level->sequence) {
        walk_extend(walk, NULL);
        return walk_note(walk, line);
    }
    level->want_value = !level->want_value;
    if (!level->want_value)
        return walk_keep(walk, scalar);
    if (scalar == NULL)
        return -EBADMSG;
    walk_extend(walk, scalar);
    return walk_note(walk, line);
}

static int walk_open(struct walk *walk, bool sequence)
{
    if (walk->depth == YAML_DEPTH)
        return -E2BIG;
    walk->levels[walk->depth++] =
        (struct level){.sequence = sequence, .path_length = strlen(walk->path)};
    return 0;
}

static int walk_event(struct walk *walk, const yaml_event_t *event)
{
    unsigned line = (unsigned)event->start_mark.line + 1;
    int result = 0;

    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return walk_value(walk, (const char *)event->data.scalar.value, line);
    case YAML_ALIAS_EVENT:
        return walk_value(walk, NULL, line);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        result = walk_value(walk, NULL, line);
        return result != 0 ? result : walk_open(walk, event->type == YAML_SEQUENCE_START_EVENT);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        walk->path[walk->levels[--walk->depth].path_length] = '\0';
        return 0;
    default:
        return 0;
    }
}

static int walk_fail(const yaml_parser_t *parser, const char *path, int code, unsigned line,
                     struct sp_error *error)
{
    if (code == -EBADMSG)
        return error_set(error, EINVAL, "%.100s:%u: the name of a field is not a plain word", path,
                         line);
    if (code == -E2BIG)
        return error_set(error, EINVAL, "%.100s:%u: nested more than %d deep", path, line,
                         YAML_DEPTH);
    if (code != 0)
        return error_set(error, -code, "%.100s: %s", path, strerror(-code));
    return error_set(error, EINVAL, "%.100s:%zu: not YAML: %s", path, parser->problem_mark.line + 1,
                     parser->problem != NULL ? parser->problem : "unreadable");
}

int yaml_index_build(struct yaml_index *index, const char *path, const char *text, size_t size,
                     struct sp_error *error)
{
    struct walk walk = {.index = index};
    yaml_parser_t parser;
    yaml_event_t event;
    bool end = false;
    unsigned documents = 0;
    int result = 0;

    *index = (struct yaml_index){0};
    if (!yaml_parser_initialize(&parser))
        return error_set(error, ENOMEM, "out of memory");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    while (!end && result == 0) {
        if (!yaml_parser_parse(&parser, &event)) {
            result = walk_fail(&parser, path, 0, 0, error);
            break;
        }
        documents += event.type == YAML_DOCUMENT_START_EVENT;
        if (documents > 1) /* libcyaml would not look at it, and say nothing */
            result = error_set(error, EINVAL,
                               "%.100s:%zu: a second YAML document begins here: only one is read",
                               path, event.start_mark.line + 1);
        else
            result = walk_event(&walk, &event);
        if (result != 0 && documents <= 1)
            result = walk_fail(&parser, path, result, (unsigned)event.start_mark.line + 1, error);
        end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    if (result == 0 && index->count == 0)
        result = error_set(error, EINVAL, "%.100s:1: the file is empty", path);
    if (result != 0)
        yaml_index_fini(index);
    return result;
}

/* The path to what contains `path`: cut it at the last '.' or '['. */
static bool path_ascend(char *path)
{
    char *dot = strrchr(path, '.'), *bracket = strrchr(path, '[');
    char *cut = dot > bracket ? dot : bracket;

    if (cut == NULL)
        return false;
    *cut = '\0';
    return true;
}

unsigned yaml_index_line(const struct yaml_index *index, const char *path)
{
    char part[YAML_PATH_MAX];

    snprintf(part, sizeof part, "%s", path);
    do
        for (size_t i = index->count; i > 0; i--)
            if (strcmp(index->positions[i - 1].path, part) == 0)
                return index->positions[i - 1].line;
    while (path_ascend(part));
    return 1;
}

void yaml_index_fini(struct yaml_index *index)
{
    for (size_t i = 0; i < index->count; i++)
        free(index->positions[i].value);
    free(index->positions);
    *index = (struct yaml_index){0};
}
