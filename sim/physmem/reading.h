/* What an extent will hold, once all changes of it are made (see change.h): pages that are to be cleared read as zeros,
 * pages that are to be written as what will be written. pread waits for nobody. */
#ifndef PHYSMEM_READING_H
#define PHYSMEM_READING_H

#include "backing.h"

/* Whether pages in a row of an extent are as its memory says: no change of them is under way, or to be
 * made. */
bool reading_is_settled(const struct backing *backing, uint32_t page, uint32_t count);

/* Read pages in a row of an extent as they will be: `count` times SP_PAGE_SIZE bytes. What its task has cut off reads as
 * zeros. Returns 0 or a negative errno. */
int reading_pages(const struct backing *backing, uint32_t page, uint32_t count, uint8_t *bytes);

/* PHYSMEM_EXTENT_AUDIT: tell the core how many pages the memory has, unless that changes now. */
void reading_audit(struct service *service, const struct physmem_effect *effect);

#endif
