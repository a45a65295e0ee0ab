#ifndef CORE_PAGER_LOST_H
#define CORE_PAGER_LOST_H

#include "core/pager/pager.h"

/* What becomes of a page whose frame is lost, once nothing is under way for it any more. */
void lost_page_end(struct pager *pager, sp_page page);

#endif
