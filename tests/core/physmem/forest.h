/* Containers of which each but the first is a logical copy of an earlier one, beside a plain model of what their pages
 * hold. For use in CMocka tests. */
#ifndef FOREST_H
#define FOREST_H

#include <stdbool.h>
#include <stdint.h>

#include "world/world.h"

#define NODES 4u
#define PAGES 3u

/* Enough for all slots of a forest, in which nobody waits for frames. */
#define FOREST_FRAMES 32u

/* What a container may do next. */
#define FOREST_STEPS "CWwRSVAD"

struct node {
    uint32_t handle; /* 0: destroyed */
    uint32_t parent; /* node, before this one */
    struct physmem_task *task;
    bool hole[PAGES];
    bool soft[PAGES];
    uint32_t contents[PAGES];
};

struct forest {
    struct world *world;
    struct node node[NODES];
    struct physmem_task *task[NODES];
    uint32_t nodes, pages;
    bool alone;        /* all containers are of one task */
    uint32_t contents; /* the last that was written */
    uint64_t tokens;
};

/* Tasks with contracts for all that they will have. */
void forest_init(struct forest *forest, struct world *world);

/* Plant it anew: `nodes` containers, whose pages hold contents of their own; all tasks may copy from all. */
void forest_plant(struct forest *forest);

/* A container
 *     C   copies all pages of its parent
 *     W   writes a page
 *     w   writes another one, if there are several
 *     R   gives that up
 *     S   gives it up softly
 *     V   has it back
 *     A   allocates it anew if it is not there
 *     D   is destroyed. */
void forest_step(struct forest *forest, struct node *node, char what);

/* Every page of every container holds what the model says, the books agree when they are counted again, memory is used
 * for no more pages than can be told apart, and each task is charged for its own slots and no others. */
void forest_compare(const struct forest *forest);

/* The extent in which a page of a node lies, and which page of it that is. */
const struct physmem_shell_extent *
forest_place(const struct forest *forest, const struct node *node, uint32_t page, uint32_t *at);

/* All pages that hold something. */
uint32_t forest_pages_in_use(const struct forest *forest);

#endif
