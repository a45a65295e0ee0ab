#include "selfpage/command/counters_json.h"

void counters_json_put(json_t *object, const char *name, json_t *value, bool *failed)
{
    if (json_object_set_new(object, name, value) != 0)
        *failed = true;
}

void counters_json_table(json_t *object, const struct counter_table *table, const void *from,
                         bool *failed)
{
    for (size_t i = 0; i < table->count; i++)
        if (json_object_get(object, table->rows[i].name) == NULL)
            counters_json_put(object, table->rows[i].name,
                              json_integer((json_int_t)counters_value(&table->rows[i], from)),
                              failed);
}
