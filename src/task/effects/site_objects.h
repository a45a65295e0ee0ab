/* The files that this process has mapped code from. */
#ifndef TASK_EFFECTS_SITE_OBJECTS_H
#define TASK_EFFECTS_SITE_OBJECTS_H

#include "shm/fault_table.h"

/* Note those of /proc/self/maps that the table does not have yet, as many as it has room for. Allocates nothing;
 * not for signal handlers. Without /proc it notes nothing. */
void site_objects_look(struct fault_table *table);

#endif
