#include "core/containers/container.h"

#include <errno.h>

#include "base/assert.h"
#include "base/memory.h"

#define NODE_SLOTS (NODE_EXTENTS * EXTENT_PAGES)

static uint32_t divide_up(uint32_t a, uint32_t b)
{
    check(b > 0);
    return a / b + (a % b != 0);
}

static size_t container_size(uint32_t slots)
{
    check(slots > 0 && slots <= CONTAINER_SLOTS_MAX);
    return sizeof(struct container) + divide_up(slots, NODE_SLOTS) * sizeof(struct extent_node *);
}

static size_t node_size(const struct extent_node *node)
{
    check(node->limit > 0 && node->limit <= NODE_EXTENTS);
    return sizeof(*node) + node->limit * sizeof(struct extent *);
}

static size_t extent_size(uint32_t pages)
{
    check(pages > 0 && pages <= EXTENT_PAGES);
    return sizeof(struct extent) + pages * sizeof(struct container_slot);
}

struct container *container_new(const struct allocator *allocator, uint32_t slots)
{
    struct container *container;

    if (slots == 0 || slots > CONTAINER_SLOTS_MAX)
        return NULL;
    container = memory_new(allocator, container_size(slots));
    if (container != NULL)
        container->slots = slots;
    return container;
}

static void extent_free(const struct allocator *allocator, struct extent *extent)
{
    check(extent->clean == NULL && extent->copies == 0);
    memory_free(allocator, extent->copied, extent->pages * sizeof(*extent->copied));
    memory_free(allocator, extent->swapped, extent->pages * sizeof(*extent->swapped));
    memory_free(allocator, extent, extent_size(extent->pages));
}

static void node_free(const struct allocator *allocator, struct extent_node *node)
{
    check(node->used > 0 && node->used <= node->limit);
    for (uint32_t i = 0; i < node->limit; i++)
        if (node->extent[i] != NULL)
            extent_free(allocator, node->extent[i]);
    memory_free(allocator, node, node_size(node));
}

void container_free(const struct allocator *allocator, struct container **containerp)
{
    struct container *container = *containerp;

    if (container == NULL)
        return;
    for (uint32_t i = 0; i < divide_up(container->slots, NODE_SLOTS); i++)
        if (container->node[i] != NULL)
            node_free(allocator, container->node[i]);
    memory_free(allocator, container, container_size(container->slots));
    *containerp = NULL;
}

struct extent *container_extent(const struct container *container, uint32_t slot)
{
    const struct extent_node *node;

    check(slot < container->slots);
    node = container->node[slot / NODE_SLOTS];

    return node == NULL ? NULL : node->extent[slot / EXTENT_PAGES % NODE_EXTENTS];
}

static struct extent_node *node_make(const struct allocator *allocator, struct container *container,
                                     uint32_t number)
{
    uint32_t extents = divide_up(container->slots, EXTENT_PAGES) - number * NODE_EXTENTS;
    uint32_t limit = extents < NODE_EXTENTS ? extents : NODE_EXTENTS;
    struct extent_node *node = container->node[number];

    check(limit > 0 && number <= (container->slots - 1) / NODE_SLOTS);
    if (node != NULL)
        return node;
    node = memory_new(allocator, sizeof(*node) + limit * sizeof(struct extent *));
    if (node != NULL) {
        node->limit = limit;
        container->node[number] = node;
    }
    return node;
}

struct extent *container_extent_make(const struct allocator *allocator, struct container *container,
                                     uint32_t slot)
{
    uint32_t number = slot / EXTENT_PAGES;
    uint32_t left = container->slots - number * EXTENT_PAGES;
    struct extent *extent = container_extent(container, slot);
    struct extent_node *node;

    check(slot < container->slots);
    if (extent != NULL)
        return extent;
    node = node_make(allocator, container, slot / NODE_SLOTS);
    if (node == NULL)
        return NULL;
    if (left > EXTENT_PAGES)
        left = EXTENT_PAGES;
    extent = memory_new(allocator, extent_size(left));
    if (extent == NULL) {
        if (node->used == 0) {
            memory_free(allocator, node, node_size(node));
            container->node[slot / NODE_SLOTS] = NULL;
        }
        return NULL;
    }
    ensure(left > 0 && node->used < node->limit);
    extent->container = container->handle;
    extent->number = number;
    extent->pages = (uint16_t)left;
    for (uint32_t i = 0; i < left; i++)
        extent->slot[i].frame = SLOT_NO_FRAME;
    node->extent[number % NODE_EXTENTS] = extent;
    node->used++;
    return extent;
}

void container_extent_trim(const struct allocator *allocator, struct container *container,
                           uint32_t slot)
{
    struct extent *extent = container_extent(container, slot);
    struct extent_node *node = container->node[slot / NODE_SLOTS];

    if (extent == NULL || extent->handle != 0 || extent->allocated > 0 || extent->soft > 0)
        return;
    ensure(node->used > 0);
    ensure(extent->copies == 0);
    node->extent[slot / EXTENT_PAGES % NODE_EXTENTS] = NULL;
    extent_free(allocator, extent);
    if (--node->used == 0) {
        memory_free(allocator, node, node_size(node));
        container->node[slot / NODE_SLOTS] = NULL;
    }
}

int container_extent_copied(const struct allocator *allocator, struct extent *extent)
{
    check(extent->clean == NULL);
    if (extent->copied == NULL)
        extent->copied = memory_new(allocator, extent->pages * sizeof(*extent->copied));
    return extent->copied != NULL ? 0 : -ENOMEM;
}

int container_extent_swapped(const struct allocator *allocator, struct extent *extent)
{
    check(extent->clean == NULL);
    if (extent->swapped == NULL)
        extent->swapped = memory_new(allocator, extent->pages * sizeof(*extent->swapped));
    return extent->swapped != NULL ? 0 : -ENOMEM;
}

int container_clean_stored(const struct allocator *allocator, struct extent *extent)
{
    struct clean *clean = extent->clean;

    ensure(extent->clean != NULL);
    if (clean->stored == NULL)
        clean->stored = memory_new(allocator, extent->pages * sizeof(*clean->stored));
    return clean->stored != NULL ? 0 : -ENOMEM;
}

static size_t clean_size(uint32_t pages)
{
    check(pages <= EXTENT_PAGES);
    return sizeof(struct clean) + pages * sizeof(uint32_t);
}

struct extent *container_clean_new(const struct allocator *allocator, uint32_t pages)
{
    struct extent *extent;

    ensure(pages > 0 && pages <= EXTENT_PAGES);
    extent = memory_new(allocator, sizeof(*extent));
    if (extent == NULL)
        return NULL;
    extent->pages = (uint16_t)pages;
    extent->clean = memory_new(allocator, clean_size(pages));
    if (extent->clean == NULL) {
        memory_free(allocator, extent, sizeof(*extent));
        return NULL;
    }
    return extent;
}

void container_clean_free(const struct allocator *allocator, struct extent *extent)
{
    struct clean *clean = extent->clean;

    ensure(extent->clean != NULL);
    check(extent->allocated == 0);
    memory_free(allocator, clean->reader, clean->reader_capacity * sizeof(*clean->reader));
    memory_free(allocator, clean->stored, extent->pages * sizeof(*clean->stored));
    memory_free(allocator, clean, clean_size(extent->pages));
    memory_free(allocator, extent, sizeof(*extent));
}

uint32_t container_holes_end(const struct container *container, uint32_t slot, uint32_t end)
{
    check(slot < end && end <= container->slots);
    while (slot < end) {
        if (container->node[slot / NODE_SLOTS] == NULL)
            slot = (slot / NODE_SLOTS + 1) * NODE_SLOTS;
        else if (container_extent(container, slot) == NULL)
            slot = (slot / EXTENT_PAGES + 1) * EXTENT_PAGES;
        else
            return slot;
    }
    return end;
}

uint32_t container_skip(const struct container *container, uint32_t slot)
{
    return slot < container->slots ? container_holes_end(container, slot, container->slots)
                                   : container->slots;
}

/* A slot is not soft any more: its number tells nothing. */
static void forget_number(struct extent *extent, uint32_t slot)
{
    check(!extent_slot(extent, slot)->soft);
    if (extent->swapped != NULL)
        extent->swapped[slot % EXTENT_PAGES] = 0;
}

void container_slot_clear(struct container *container, struct extent *extent, uint32_t slot)
{
    struct container_slot *entry = extent_slot(extent, slot);

    check(entry->frame != SLOT_NO_FRAME && slot / EXTENT_PAGES == extent->number);
    if (entry->soft) {
        check(extent->soft > 0 && container->soft > 0);
        extent->soft--;
        container->soft--;
    } else {
        check(extent->allocated > 0 && container->allocated > 0);
        extent->allocated--;
        container->allocated--;
    }
    *entry = (struct container_slot){.frame = SLOT_NO_FRAME};
    forget_number(extent, slot);
}

void container_slot_fill(struct container *container, struct extent *extent, uint32_t slot,
                         uint32_t frame)
{
    check(extent_slot(extent, slot)->frame == SLOT_NO_FRAME && frame < SLOT_NO_FRAME);
    *extent_slot(extent, slot) = (struct container_slot){.frame = frame & SLOT_NO_FRAME};
    extent->allocated++;
    container->allocated++;
}

void container_slot_soften(struct container *container, struct extent *extent, uint32_t slot)
{
    check(slot_is_allocated(extent_slot(extent, slot)));
    extent_slot(extent, slot)->soft = 1;
    extent_slot(extent, slot)->rights = 0;
    extent_slot(extent, slot)->unmapping = 0;
    extent->allocated--;
    extent->soft++;
    container->allocated--;
    container->soft++;
}

void container_slot_harden(struct container *container, struct extent *extent, uint32_t slot)
{
    check(extent_slot(extent, slot)->soft);
    extent_slot(extent, slot)->soft = 0;
    extent->allocated++;
    extent->soft--;
    container->allocated++;
    container->soft--;
    forget_number(extent, slot);
}
