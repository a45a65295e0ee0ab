#ifndef CORE_PAGER_RIGHTS_H
#define CORE_PAGER_RIGHTS_H

#include "core/pager/pager.h"

/* Ask for the slot's rights, and in the same round trip for those of its neighbours above. */
void rights_ask(struct pager *pager, uint32_t slot);

#endif
