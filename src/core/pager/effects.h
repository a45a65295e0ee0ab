/* The queue of effects, as the files of the pager fill it. */
#ifndef CORE_PAGER_EFFECTS_H
#define CORE_PAGER_EFFECTS_H

#include "base/assert.h"
#include "core/pager/pager.h"

/* Append an effect: it is carried out after all that are in the queue. */
static inline void effects_add(struct pager *pager, struct pager_effect effect)
{
    ensure(pager->effects_end < pager->effects_most);
    pager->effect[pager->effects_end++] = effect;
}

#endif
