/* The mapping database: a tree of mappings for each frame, and the address spaces that have them.
 *
 * INVARIANTS, which sp_l4_check walks. For each mapping m but sigma0's:
 *     m.rights != 0, and m.rights is a subset of its parent's rights
 *     m.frame == its parent's frame
 *     table of m.space at m.page == m
 *     m.depth == its parent's depth + 1
 * A space's `mappings` is the number of mappings with its number.
 *
 * STATUS. Each mapping has two words, which only the holder of its space reads and clears: `own`, the
 * accesses made through it, and `below`, those made through mappings derived from it, at any depth, also
 * through such as are gone. An access is entered at its mapping and at each above it, so that no level
 * can take another's view away. */
#ifndef L4_TREE_H
#define L4_TREE_H

#include <stdint.h>

#include <selfpage/l4.h>

#include "base/allocator.h"
#include "l4/table.h"

/* A mapping; its number is its index, 0 is none. */
struct l4_mapping {
    uint64_t page; /* in its space */
    uint32_t space;
    uint32_t frame;
    uint32_t parent; /* 0: sigma0's */
    uint32_t child;  /* any one; 0: none */
    uint32_t next;   /* sibling; of a free one, the next free one */
    uint32_t previous;
    uint32_t depth;
    uint8_t rights; /* 0: free */
    uint8_t own;
    uint8_t below;
};

struct l4_space {
    struct table table;
    uint32_t mappings;
    uint32_t free; /* 1 + number of the next free space; a space in use has 0 */
};

struct sp_l4 {
    struct allocator memory;
    struct l4_mapping *mapping;
    uint32_t mappings; /* in the array, used or not */
    uint32_t mappings_capacity;
    uint32_t free; /* the first free one; 0: none */
    struct l4_space *space;
    uint32_t spaces;
    uint32_t spaces_capacity;
    uint32_t free_space; /* 1 + its number; 0: none */
    uint32_t frames;
    uint32_t mappings_max;
};

/* The space of this number, or NULL. */
struct l4_space *tree_space(const struct sp_l4 *l4, uint32_t number);

/* The mapping at a page, or 0. Sigma0's come into being as they are looked at; without memory for that
 * they are 0. */
uint32_t tree_at(struct sp_l4 *l4, uint32_t space, uint64_t page);

/* The first page of a space from `page` on that is mapped, or TABLE_PAGES. */
uint64_t tree_next(const struct sp_l4 *l4, uint32_t space, uint64_t page);

/* Derive a mapping, which goes to a free page of another place. Returns 0, -ENOSPC or -ENOMEM. */
int tree_derive(struct sp_l4 *l4, uint32_t parent, uint32_t space, uint64_t page, unsigned rights);

/* Move a mapping to a free page. Its views of the status begin anew. Returns 0, -ENOSPC or -ENOMEM. */
int tree_move(struct sp_l4 *l4, uint32_t mapping, uint32_t space, uint64_t page);

/* Take rights from all mappings that are derived from a mapping, and with `self` from the mapping, too. Mappings
 * that have no rights left are removed. Sigma0's mapping keeps its rights. */
void tree_restrict(struct sp_l4 *l4, uint32_t mapping, unsigned rights, bool self);

/* Whether `ancestor` is the mapping or above it. */
bool tree_is_above(const struct sp_l4 *l4, uint32_t ancestor, uint32_t mapping);

#endif
