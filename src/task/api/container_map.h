/* Regions on containers. */
#ifndef TASK_API_CONTAINER_MAP_H
#define TASK_API_CONTAINER_MAP_H

#include <stdbool.h>

#include <selfpage/container.h>

/* As sp_container_region_create. `alone`: the region shows all of its container, and the program does not know that one:
 * pages that are written may go to swap. */
int container_map_region(struct sp_task *task, const struct sp_container_region *region, bool alone,
                         void **basep, struct sp_error *error);

#endif
