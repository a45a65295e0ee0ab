/* Pages that nobody asked for, read so that one read serves instead of two.
 *
 * Where pages of a load lie a few slots apart, reading what lies between costs less than another read: pages
 * that were scanned, of which some were written since and lie elsewhere now, come back in one go. The slots
 * between must be stored ones of the same client, and are pinned meanwhile: a slot that may be written is never
 * read. Fillers are not checked, not delivered, not counted, and not tried again. A page's place in the buffer is
 * its place in the job, so that fillers stay in the job until its end. */
#ifndef SWAP_FILLERS_H
#define SWAP_FILLERS_H

#include "core/swap/map.h"
#include "job.h"

/* Pages that a load of `count` pages needs room for. */
uint32_t fillers_room(uint32_t count);

/* Put fillers between the pages of a load, which are in the order of their slots, and pin them. */
void fillers_add(struct swap_job *job, struct swap_map *map);

#endif
