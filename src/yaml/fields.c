#include "yaml/fields.h"

#include <string.h>

#include "base/nearest.h"

/* The fields of a mapping, or of the mappings in a list; NULL: it is neither. */
static const cyaml_schema_field_t *mapping_of(const cyaml_schema_value_t *schema)
{
    while (schema->type == CYAML_SEQUENCE || schema->type == CYAML_SEQUENCE_FIXED)
        schema = schema->sequence.entry;
    return schema->type == CYAML_MAPPING ? schema->mapping.fields : NULL;
}

/* The field whose name is the first `length` bytes of `name`, or NULL. */
static const cyaml_schema_field_t *field_find(const cyaml_schema_field_t *fields, const char *name,
                                              size_t length)
{
    for (; fields->key != NULL; fields++)
        if (strlen(fields->key) == length && strncmp(fields->key, name, length) == 0)
            return fields;
    return NULL;
}

const char *fields_nearest(const cyaml_schema_value_t *schema, const char *path)
{
    const cyaml_schema_field_t *fields = mapping_of(schema);
    struct nearest nearest;

    while (fields != NULL && strchr(path, '.') != NULL) {
        const cyaml_schema_field_t *field = field_find(fields, path, strcspn(path, ".["));

        fields = field != NULL ? mapping_of(&field->value) : NULL;
        path = strchr(path, '.') + 1;
    }
    if (fields == NULL)
        return NULL;
    nearest = NEAREST_START(path);
    for (; fields->key != NULL; fields++)
        nearest_offer(&nearest, fields->key);
    return nearest.best;
}
