#ifndef CORE_PAGER_ENV_H
#define CORE_PAGER_ENV_H

#include "core/pager/pager.h"

/* Fill in the functions that the policy may call. */
void env_init(struct pager *pager);

/* The page is open, maybe, and shall not be any longer: if the policy wanted it watched, it is from now on. */
void env_close(struct pager *pager, sp_page page);

/* Pages of a policy that samples wait to be watched, so that many leave the page table at once; until then they count as
 * referenced. Watch those that wait. */
void env_watch_waiting(struct pager *pager);

#endif
