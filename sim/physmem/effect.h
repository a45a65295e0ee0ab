#ifndef PHYSMEM_EFFECT_H
#define PHYSMEM_EFFECT_H

#include "service.h"

/* Carry out one effect of the core. */
void effect_run(struct service *service, const struct physmem_effect *effect);

#endif
