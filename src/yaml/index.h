/* Where things stand in a YAML file: libcyaml tells positions only roughly, and only while it
 * loads. An entry is found by its path: "physmem.frames", "tasks[2].contract" (elements count from
 * 1). */
#ifndef YAML_INDEX_H
#define YAML_INDEX_H

#include <stddef.h>

#include <selfpage/error.h>

/* Longest path with its NUL; what nests deeper is not in the index. */
#define YAML_PATH_MAX 128

struct yaml_position {
    char path[YAML_PATH_MAX];
    unsigned line; /* of the key, or of an element's first line */
    char *value;   /* of a key whose value is a scalar; NULL otherwise */
};

struct yaml_index {
    struct yaml_position *positions; /* in the order of the file */
    size_t count;
};

/* Read `text`, one YAML document. -EINVAL: it is not YAML, or empty; the error begins with
 * "PATH:LINE:
 * ". On failure the index is empty. */
int yaml_index_build(struct yaml_index *index, const char *path, const char *text, size_t size,
                     struct sp_error *error);

/* The line of the entry with this path. If several have it, of the last one; if none has it, of the
 * nearest entry that contains it; otherwise 1. */
unsigned yaml_index_line(const struct yaml_index *index, const char *path);

void yaml_index_fini(struct yaml_index *index);

#endif
