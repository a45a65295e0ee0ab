/* The table that physmem shares with policy servers, as memory. */
#ifndef PHYSMEM_TABLE_H
#define PHYSMEM_TABLE_H

#include "service.h"

/* Make a table with `rows` rows, and have the core use it. Returns 0 or a negative errno. */
int table_make(struct service *service, uint32_t rows);

/* Send it to the policy server that has control, as the answer to `seq`. */
void table_send(struct service *service, uint32_t seq);

/* Free it. */
void table_fini(struct service *service);

#endif
