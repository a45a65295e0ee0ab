#ifndef CORE_PAGER_ENV_H
#define CORE_PAGER_ENV_H

#include "core/pager/pager.h"

/* Fill in the functions that the policy may call. */
void env_init(struct pager *pager);

#endif
