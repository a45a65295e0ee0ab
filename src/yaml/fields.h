/* The fields that a schema knows. */
#ifndef YAML_FIELDS_H
#define YAML_FIELDS_H

#include <cyaml/cyaml.h>

/* The field that is nearest to the last name of `path` ("tasks[2].contrakt"), among those of the mapping
 * that the rest of the path leads to; NULL if none is near, or the path leads nowhere. */
const char *fields_nearest(const cyaml_schema_value_t *schema, const char *path);

/* The field beside the last name of `path` whose mapping has a field of this very name: where it was meant to stand.
 * NULL: none has. */
const char *fields_holder(const cyaml_schema_value_t *schema, const char *path);

#endif
