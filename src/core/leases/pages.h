/* Sets of an extent's pages, in PAGES_WORDS words. */
#ifndef LEASES_PAGES_H
#define LEASES_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/containers/container.h"

#define PAGES_WORDS (EXTENT_PAGES / 64u)

bool pages_has(const uint64_t *words, uint32_t page);
bool pages_any(const uint64_t *words);
uint32_t pages_count(const uint64_t *words);

/* Pages in a row, all below EXTENT_PAGES. */
void pages_add(uint64_t *words, uint32_t first, uint32_t count);
void pages_remove(uint64_t *words, uint32_t first, uint32_t count);

/* The first run in a set of pages below `pages`, at most `most` long. Returns its length; 0: the set is
 * empty. */
uint32_t pages_run(const uint64_t *words, uint32_t pages, uint32_t most, uint32_t *firstp);

#endif
