/* Containers: numbered slots that name frames, and the extents that their contents lie in.
 *
 * Slot s belongs to extent s / EXTENT_PAGES of the container, at page s % EXTENT_PAGES. The table
 * of slots is a tree (root, nodes of 256 extents, extents of 256 slots) of which only what is in
 * use exists: a container of 2^20 slots with none used costs under 256 bytes, a frame 4. Pure.
 *
 *          allocate              release
 *   HOLE ------------> ALLOCATED --------> SOFT
 *    ^                  |    ^               |
 *    |    deallocate    |    '---------------| recover
 *    '------------------'--------------------'  frame reused, or deallocated
 */
#ifndef CORE_CONTAINERS_CONTAINER_H
#define CORE_CONTAINERS_CONTAINER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/allocator.h"
#include "base/assert.h"

#define CONTAINER_SLOTS_MAX (UINT32_C(1) << 24)
#define EXTENT_PAGES        256u
#define NODE_EXTENTS        256u
#define SLOT_NO_FRAME       ((UINT32_C(1) << 27) - 1)

#define SLOT_READ   1u /* rights */
#define SLOT_WRITE  2u
#define SLOT_RIGHTS 4u /* values below this are legal */

struct container_slot {
    uint32_t frame : 27;    /* or SLOT_NO_FRAME: a hole; nothing else is then set */
    uint32_t soft : 1;      /* the frame may be taken by others */
    uint32_t rights : 2;    /* that the task was given and did not give up */
    uint32_t unmapping : 1; /* asked to be unmapped, not answered, and not mapped again since */
    uint32_t copy : 1;      /* its contents are a page of a clean extent: see struct copied */
};

/* The page of a clean extent that a slot names instead of its page at home. */
struct copied {
    uint32_t extent; /* handle */
    uint32_t page;
};

/* The slots of one extent, and its backing: their home. Or a clean extent, which belongs to no
 * container: nobody but physmem ever writes it, and slots of any containers name its pages. */
struct extent {
    uint32_t handle;     /* by which tasks know it; 0: not backed yet */
    uint32_t descriptor; /* the number by which the shell knows its memory */
    uint32_t container;  /* handle */
    uint32_t number;     /* within the container */
    uint16_t pages;      /* EXTENT_PAGES, or fewer at the container's end */
    uint16_t allocated;
    uint16_t soft;
    uint16_t copies; /* of the slots with frames, those that name a page elsewhere */
    uint16_t
        cut; /* the backing ends before this page: no slot from here on gets a frame while others have one; 0: it is
                     whole */
    bool pending;          /* its backing was asked for */
    struct copied *copied; /* by page, if there are or were copies; or NULL */
    uint64_t *
        swapped; /* by page, a number for the creator of the container that a soft slot keeps until it is
                              hard again or a hole; NULL: no slot had one */
    struct clean *clean; /* NULL: a home */
    struct container_slot slot[];
};

/* A task that may read all of a clean extent. */
struct clean_reader {
    uint32_t task;
    bool shown; /* it has the descriptor, which can only read */
};

/* What a clean extent has beside its backing. INVARIANT: extent.allocated == pages with users. */
struct clean {
    struct clean_reader
        *reader; /* every task that is there and has, or had, a slot that names one of its pages */
    uint32_t readers;
    uint32_t reader_capacity;
    uint64_t pass;                    /* the last request to copy that named pages of it, ... */
    uint64_t seen[EXTENT_PAGES / 64]; /* ... which these are, ... */
    uint32_t marked;                  /* ... how many, ... */
    bool admitted;                    /* ... and whether the slots copied to may name them, too */
    bool filling;     /* its pages are being loaded, and it has no users before that */
    uint32_t *stored; /* by page, a number for whoever uses the extent; NULL: no page had one */
    uint32_t user[];  /* by page: slots that name it */
};

struct sharing; /* core/physmem/state.h */

struct extent_node {
    uint32_t used;  /* extents that exist */
    uint32_t limit; /* entries: NODE_EXTENTS, or fewer at the container's end */
    struct extent *extent[];
};

struct container {
    uint32_t handle;
    uint32_t slots;
    uint32_t allocated;
    uint32_t soft;
    uint64_t version;        /* operations so far that may have changed what its slots hold */
    void *owner;             /* which task has the frames; for the creator of the container */
    bool blocks;             /* frames were given to it in blocks */
    struct sharing *sharing; /* with other tasks; NULL: it never was */
    struct container *next;  /* of the same owner */
    struct container *prev;
    struct extent_node *node[];
};

/* A container of 1 to CONTAINER_SLOTS_MAX holes, or NULL. */
struct container *container_new(const struct allocator *allocator, uint32_t slots);

/* Free a container with its tables. Frames and backing are the caller's business. */
void container_free(const struct allocator *allocator, struct container **containerp);

/* The extent of a slot below container->slots; NULL if it does not exist: all holes. */
struct extent *container_extent(const struct container *container, uint32_t slot);

/* The same, made if need be; NULL without memory. */
struct extent *container_extent_make(const struct allocator *allocator, struct container *container,
                                     uint32_t slot);

/* Free the extent of a slot if it has no backing and no frames. */
void container_extent_trim(const struct allocator *allocator, struct container *container,
                           uint32_t slot);

/* Room for a slot to name a page elsewhere. Returns 0 or -ENOMEM. */
int container_extent_copied(const struct allocator *allocator, struct extent *extent);

/* Room for the number of a soft slot, and of a page of a clean extent. Return 0 or -ENOMEM. */
int container_extent_swapped(const struct allocator *allocator, struct extent *extent);
int container_clean_stored(const struct allocator *allocator, struct extent *extent);

/* A clean extent of 1 to EXTENT_PAGES pages, which nothing names yet; NULL without memory. */
struct extent *container_clean_new(const struct allocator *allocator, uint32_t pages);
void container_clean_free(const struct allocator *allocator, struct extent *extent);

/* The first slot at or after `slot` whose extent exists; container->slots if there is none. */
uint32_t container_skip(const struct container *container, uint32_t slot);

/* The end, at most `end`, of the slots from `slot` on whose extents do not exist. */
uint32_t container_holes_end(const struct container *container, uint32_t slot, uint32_t end);

static inline struct container_slot *extent_slot(struct extent *extent, uint32_t slot)
{
    check(extent->clean == NULL && slot % EXTENT_PAGES < extent->pages);
    return &extent->slot[slot % EXTENT_PAGES];
}

static inline bool slot_is_allocated(const struct container_slot *slot)
{
    return slot->frame != SLOT_NO_FRAME && !slot->soft;
}

/* Whether an extent was cut, and frames are left in it. */
static inline bool extent_is_cut(const struct extent *extent)
{
    check(extent->cut < EXTENT_PAGES);
    return extent->cut > 0 && (extent->allocated > 0 || extent->soft > 0);
}

/* Whether the memory of a slot's page was cut off, so that it gets no frame now. */
static inline bool extent_is_cut_at(const struct extent *extent, uint32_t slot)
{
    return extent_is_cut(extent) && slot % EXTENT_PAGES >= extent->cut;
}

/* The slot becomes a hole; the caller takes over its frame. The counters are updated. */
void container_slot_clear(struct container *container, struct extent *extent, uint32_t slot);

/* A hole gets a frame. */
void container_slot_fill(struct container *container, struct extent *extent, uint32_t slot,
                         uint32_t frame);

/* An allocated slot becomes soft, and the other way round. */
void container_slot_soften(struct container *container, struct extent *extent, uint32_t slot);
void container_slot_harden(struct container *container, struct extent *extent, uint32_t slot);

#endif
