/* Pages of extents to clear, or not to clear, gathered into as few effects as possible. */
#ifndef CORE_PHYSMEM_PUNCH_H
#define CORE_PHYSMEM_PUNCH_H

#include "core/physmem/state.h"

enum punch_when {
    PUNCH_NOW = 0, /* PHYSMEM_EXTENT_PUNCH */
    PUNCH_LATER,   /* the same, with `later` */
    PUNCH_NEVER,   /* PHYSMEM_EXTENT_KEEP */
};

/* Pages in a row of one extent. */
struct punch {
    struct extent *extent; /* NULL: none */
    uint32_t first;
    uint32_t count;
    enum punch_when when;
};

/* Add the page of a slot to the pages to clear, if its extent is backed. A page that is not next to
 * the gathered ones sends those out first, and starts a new run. */
void punch_add(struct physmem *physmem, struct punch *punch, struct extent *extent, uint32_t slot);

/* Let what was gathered go out. The extent must still be there. */
void punch_flush(struct physmem *physmem, struct punch *punch);

#endif
