/* Effects until there are none, and the core's next deadline. */
#ifndef PHYSMEM_RUN_H
#define PHYSMEM_RUN_H

#include "service.h"

/* Carry out what the core wants done, and arm the timer for what it wants to do next. */
void run_effects(struct service *service);

#endif
