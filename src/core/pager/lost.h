#ifndef CORE_PAGER_LOST_H
#define CORE_PAGER_LOST_H

#include "core/pager/pager.h"

/* Settle a page whose frame is lost, once nothing is under way for it. */
void lost_page_end(struct pager *pager, sp_page page);

#endif
