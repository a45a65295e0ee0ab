/* Counters as JSON, for all subcommands that print them: names and values are the same everywhere. */
#ifndef SELFPAGE_COMMAND_COUNTERS_JSON_H
#define SELFPAGE_COMMAND_COUNTERS_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "selfpage/command/counters.h"

/* Set a member, and take over `value`. *failed becomes true if that cannot be: jansson's functions take
 * NULL for a value and report it, so that makers of values need not be looked at. */
void counters_json_put(json_t *object, const char *name, json_t *value, bool *failed);

/* Add the counters of a table whose names are not there yet. */
void counters_json_table(json_t *object, const struct counter_table *table, const void *from,
                         bool *failed);

#endif
