/* Fpages: what the operations need beyond selfpage/l4.h. */
#ifndef L4_FPAGE_H
#define L4_FPAGE_H

#include <stdbool.h>

#include <selfpage/l4.h>

/* Whether the reserved bit is clear and the region lies inside an address space. Nil is legal. */
bool fpage_is_legal(sp_fpage fpage);

/* The same region with other rights. */
sp_fpage fpage_with_rights(sp_fpage fpage, unsigned rights);

#endif
