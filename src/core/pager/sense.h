/* Whether pages were referenced, as far as can be known without a fault. */
#ifndef CORE_PAGER_SENSE_H
#define CORE_PAGER_SENSE_H

#include "core/pager/pager.h"

/* True if the page may have been referenced since it was last watched: a page that can be accessed without a fault,
 * unless it is armed, and the kernel knows of no reference. One that is found to be referenced is not armed from then
 * on. */
bool sense_referenced(struct pager *pager, sp_page page);

/* The page loses its frame, or its mapping: should it have been read ahead, and have been used, then say so. */
void sense_ahead(struct pager *pager, sp_page page);

#endif
