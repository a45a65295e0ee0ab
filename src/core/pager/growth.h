#ifndef CORE_PAGER_GROWTH_H
#define CORE_PAGER_GROWTH_H

#include "core/pager/pager.h"

/* Frames that the contracts allow, as far as the container has slots for them. */
uint32_t growth_allowance(const struct pager *pager);

/* Whether it makes sense now to ask for more frames; if it does, ask (EFFECT_ALLOCATE). */
bool growth_may_ask(const struct pager *pager);
bool growth_ask(struct pager *pager);

#endif
