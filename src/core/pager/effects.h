/* The queue of effects, as the files of the pager fill it. */
#ifndef CORE_PAGER_EFFECTS_H
#define CORE_PAGER_EFFECTS_H

#include "base/assert.h"
#include "core/pager/pager.h"

/* Where the next effect is to be written: it is carried out after all that are in the queue. */
static inline struct pager_effect *effects_next(struct pager *pager)
{
    ensure(pager->effects_end < pager->effects_most);
    return &pager->effect[pager->effects_end++];
}

/* Append an effect. */
static inline void effects_add(struct pager *pager, struct pager_effect effect)
{
    check(pager->effects_next <= pager->effects_end);
    *effects_next(pager) = effect;
}

#endif
