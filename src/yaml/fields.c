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

/* The fields of the mapping that all but the last name of the path leads to, or NULL; the last name becomes *pathp. */
static const cyaml_schema_field_t *fields_along(const cyaml_schema_value_t *schema,
                                                const char **pathp)
{
    const cyaml_schema_field_t *fields = mapping_of(schema);

    while (fields != NULL && strchr(*pathp, '.') != NULL) {
        const cyaml_schema_field_t *field = field_find(fields, *pathp, strcspn(*pathp, ".["));

        fields = field != NULL ? mapping_of(&field->value) : NULL;
        *pathp = strchr(*pathp, '.') + 1;
    }
    return fields;
}

const char *fields_nearest(const cyaml_schema_value_t *schema, const char *path)
{
    const cyaml_schema_field_t *fields = fields_along(schema, &path);
    struct nearest nearest = NEAREST_START(path);

    for (; fields != NULL && fields->key != NULL; fields++)
        nearest_offer(&nearest, fields->key);
    return nearest.best;
}

const char *fields_holder(const cyaml_schema_value_t *schema, const char *path)
{
    const cyaml_schema_field_t *fields = fields_along(schema, &path);

    for (; fields != NULL && fields->key != NULL; fields++) {
        const cyaml_schema_field_t *inner = mapping_of(&fields->value);

        if (inner != NULL && field_find(inner, path, strlen(path)) != NULL)
            return fields->key;
    }
    return NULL;
}
