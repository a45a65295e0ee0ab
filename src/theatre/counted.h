/* Counters of a world by their names in expectations. */
#ifndef THEATRE_COUNTED_H
#define THEATRE_COUNTED_H

#include "theatre/theatre.h"

/* Set *valuep to `object`.`field`; with `all`, to the sum of the field over all tasks, `object` being "tasks".
 * Returns 0, -ENOENT (no such object) or -EINVAL (no such field). */
int counted_get(struct sp_world *world, bool all, const char *object, const char *field,
                uint64_t *valuep);

#endif
