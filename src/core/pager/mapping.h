#ifndef CORE_PAGER_MAPPING_H
#define CORE_PAGER_MAPPING_H

#include "base/assert.h"
#include "core/pager/pager.h"

/* Record a page's mapping, counting what the kernel needs for it, and emit the effect. */
void mapping_map(struct pager *pager, sp_page page, uint8_t protection);
void mapping_protect(struct pager *pager, sp_page page, uint8_t protection);
void mapping_unmap(struct pager *pager, sp_page page);

/* True if no other page shares the area of this one, which is mapped. */
bool mapping_is_alone(const struct pager *pager, sp_page page);

/* Have the kernel note whether the page, which is mapped with some protection, is referenced from now on. */
void mapping_arm(struct pager *pager, sp_page page);

/* True if one more mapping may be made. */
static inline bool mapping_has_room(const struct pager *pager)
{
    check(pager->map_limit <= pager->config.map_limit);
    return pager->maps + 2 <= pager->map_limit;
}

/* The same; gives up others to make room for it. */
bool mapping_make_room(struct pager *pager);

#endif
