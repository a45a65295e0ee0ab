/* YAML files into structs, by a schema of libcyaml, with complaints that a person can use:
 * "PATH:LINE: FIELD: what is wrong". */
#ifndef YAML_LOAD_H
#define YAML_LOAD_H

#include <cyaml/cyaml.h>
#include <stdint.h>

#include "yaml/index.h"

/* Longest file, in bytes: far more than anyone writes, far less than memory. */
enum { YAML_BYTES = 1 << 20 };

/* A field that holds a number: libcyaml reads as much of one as there is, and would take "2M" for 2.
 * The path is that of the index, without numbers of elements: "events[].recall". */
struct yaml_number {
    const char *path;
    uint64_t most; /* of a whole number; 0: any number */
};

struct yaml_syntax {
    const cyaml_schema_value_t *schema; /* of a mapping, behind a pointer */
    const struct yaml_number *numbers;  /* the path of the last one is NULL */
    /* Change the text of the file, in memory for free(), before it is parsed; lines must stay where
     * they are. Returns 0 or -ENOMEM. NULL: the text is taken as it is. */
    int (*rewrite)(const void *rewrite_arg, char **textp, size_t *sizep);
    const void *rewrite_arg;
};

/* Load a file. The caller frees *structp with yaml_load_free, and *positions, which say where everything
 * stands, with yaml_index_fini. Returns 0, -EINVAL, -EFBIG, -ENOMEM, or what opening or reading failed with; both
 * are then empty. */
int yaml_load(const char *path, const struct yaml_syntax *syntax, void **structp,
              struct yaml_index *positions, struct sp_error *error);

/* Free what yaml_load gave; NULL does nothing. */
void yaml_load_free(const struct yaml_syntax *syntax, void *loaded);

/* "PATH:LINE: FIELD: what", where `field` is a path of the index. Returns -EINVAL. */
int yaml_load_wrong(const char *path, const struct yaml_index *positions, const char *field,
                    struct sp_error *error, const char *format, ...) SP_PRINTF(5, 6);

/* The path "LIST[number].field", numbers from 1, in `buffer`, which is returned. */
const char *yaml_load_element(char *buffer, size_t size, const char *list, size_t index,
                              const char *field);

#endif
