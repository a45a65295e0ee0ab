/* Pages of extents that are to be cleared, gathered into as few effects as possible. */
#ifndef CORE_PHYSMEM_PUNCH_H
#define CORE_PHYSMEM_PUNCH_H

#include "core/physmem/state.h"

/* Pages in a row of one extent. */
struct punch {
    struct extent *extent; /* NULL: none */
    uint32_t first;
    uint32_t count;
};

/* The page of a slot is to be cleared, if its extent is backed. Pages that are not next to those
 * gathered are gathered anew, after those go out. */
void punch_add(struct physmem *physmem, struct punch *punch, struct extent *extent, uint32_t slot);

/* Let what was gathered go out. The extent must still be there. */
void punch_flush(struct physmem *physmem, struct punch *punch);

#endif
