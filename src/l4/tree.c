#include "l4/tree.h"

#include <errno.h>

#include "base/assert.h"
#include "base/memory.h"

struct l4_space *tree_space(const struct sp_l4 *l4, uint32_t number)
{
    if (number >= l4->spaces || l4->space[number].free != 0)
        return NULL;
    return &l4->space[number];
}

/* A mapping that is not linked to anything, or 0. */
static uint32_t new_mapping(struct sp_l4 *l4)
{
    uint32_t mapping = l4->free;

    if (mapping != 0) {
        l4->free = l4->mapping[mapping].next;
    } else {
        /* Number 0 is none. */
        mapping = l4->mappings > 0 ? l4->mappings : 1;
        if (mapping == UINT32_MAX ||
            memory_reserve(&l4->memory, &l4->mapping, &l4->mappings_capacity, sizeof(*l4->mapping),
                           mapping + 1) != 0)
            return 0;
        l4->mappings = mapping + 1;
    }
    l4->mapping[mapping] = (struct l4_mapping){.rights = SP_L4_RIGHTS};
    return mapping;
}

static void free_mapping(struct sp_l4 *l4, uint32_t mapping)
{
    l4->mapping[mapping] = (struct l4_mapping){.next = l4->free};
    l4->free = mapping;
}

/* Make a mapping stand at its page. Returns 0 or -ENOMEM. */
static int enter(struct sp_l4 *l4, uint32_t mapping)
{
    struct l4_mapping *m = &l4->mapping[mapping];
    struct l4_space *space = tree_space(l4, m->space);
    int result;

    ensure(space != NULL && table_get(&space->table, m->page) == 0);
    result = table_put(&space->table, &l4->memory, m->page, mapping);
    if (result == 0)
        space->mappings++;
    return result;
}

static void leave(struct sp_l4 *l4, uint32_t mapping)
{
    struct l4_mapping *m = &l4->mapping[mapping];
    struct l4_space *space = tree_space(l4, m->space);

    ensure(space != NULL && space->mappings > 0 && table_get(&space->table, m->page) == mapping);
    table_remove(&space->table, &l4->memory, m->page);
    space->mappings--;
}

/* Sigma0's mapping of a frame. */
static uint32_t root(struct sp_l4 *l4, uint32_t frame)
{
    uint32_t mapping = new_mapping(l4);

    if (mapping == 0)
        return 0;
    l4->mapping[mapping].page = frame;
    l4->mapping[mapping].frame = frame;
    l4->mapping[mapping].space = SP_L4_SIGMA0;
    if (enter(l4, mapping) == 0)
        return mapping;
    free_mapping(l4, mapping);
    return 0;
}

uint32_t tree_at(struct sp_l4 *l4, uint32_t space, uint64_t page)
{
    uint32_t mapping = table_get(&l4->space[space].table, page);

    if (mapping == 0 && space == SP_L4_SIGMA0 && page < l4->frames)
        return root(l4, (uint32_t)page);
    return mapping;
}

uint64_t tree_next(const struct sp_l4 *l4, uint32_t space, uint64_t page)
{
    if (space == SP_L4_SIGMA0)
        return page < l4->frames ? page : TABLE_PAGES;
    return table_next(&l4->space[space].table, page);
}

static bool has_room(const struct sp_l4 *l4, uint32_t space)
{
    return l4->mappings_max == 0 || l4->space[space].mappings < l4->mappings_max;
}

static void link_child(struct sp_l4 *l4, uint32_t parent, uint32_t child)
{
    struct l4_mapping *p = &l4->mapping[parent], *c = &l4->mapping[child];

    c->parent = parent;
    c->previous = 0;
    c->next = p->child;
    if (p->child != 0)
        l4->mapping[p->child].previous = child;
    p->child = child;
}

static void unlink_child(struct sp_l4 *l4, uint32_t child)
{
    struct l4_mapping *c = &l4->mapping[child];

    if (c->previous != 0)
        l4->mapping[c->previous].next = c->next;
    else
        l4->mapping[c->parent].child = c->next;
    if (c->next != 0)
        l4->mapping[c->next].previous = c->previous;
}

int tree_derive(struct sp_l4 *l4, uint32_t parent, uint32_t space, uint64_t page, unsigned rights)
{
    uint32_t child;
    struct l4_mapping *c;
    int result;

    ensure(rights != 0 && (rights & ~(unsigned)l4->mapping[parent].rights) == 0);
    if (!has_room(l4, space))
        return -ENOSPC;
    child = new_mapping(l4);
    if (child == 0)
        return -ENOMEM;
    c = &l4->mapping[child];
    c->page = page;
    c->space = space;
    c->frame = l4->mapping[parent].frame;
    c->depth = l4->mapping[parent].depth + 1;
    c->rights = (uint8_t)rights;
    result = enter(l4, child);
    if (result == 0)
        link_child(l4, parent, child);
    else
        free_mapping(l4, child);
    return result;
}

int tree_move(struct sp_l4 *l4, uint32_t mapping, uint32_t space, uint64_t page)
{
    struct l4_mapping *m = &l4->mapping[mapping];
    uint32_t old_space = m->space;
    uint64_t old_page = m->page;
    int result;

    ensure(m->parent != 0);
    if (space != old_space && !has_room(l4, space))
        return -ENOSPC;
    leave(l4, mapping);
    m->space = space;
    m->page = page;
    result = enter(l4, mapping);
    if (result == 0) {
        m->own = 0;
        m->below = 0;
        return 0;
    }
    /* The levels of the old place may be gone, and then cannot be had again: the mapping goes. */
    m->space = old_space;
    m->page = old_page;
    if (enter(l4, mapping) != 0) {
        tree_restrict(l4, mapping, SP_L4_RIGHTS, false);
        unlink_child(l4, mapping);
        free_mapping(l4, mapping);
    }
    return result;
}

/* Take a mapping without children out of everything. */
static void drop(struct sp_l4 *l4, uint32_t mapping)
{
    ensure(l4->mapping[mapping].child == 0 && l4->mapping[mapping].parent != 0);
    leave(l4, mapping);
    unlink_child(l4, mapping);
    free_mapping(l4, mapping);
}

/* The leftmost mapping below one that has no children. */
static uint32_t leaf(const struct sp_l4 *l4, uint32_t mapping)
{
    while (l4->mapping[mapping].child != 0)
        mapping = l4->mapping[mapping].child;
    return mapping;
}

void tree_restrict(struct sp_l4 *l4, uint32_t mapping, unsigned rights, bool self)
{
    uint32_t at;

    if (rights == 0)
        return;
    self = self && l4->mapping[mapping].parent != 0;
    /* From the leaves up, so that a mapping without rights has no children: they never have more rights than it. */
    at = leaf(l4, mapping);
    while (at != mapping) {
        struct l4_mapping *m = &l4->mapping[at];
        uint32_t above = m->parent, beside = m->next;

        m->rights &= (uint8_t)~rights;
        if (m->rights == 0)
            drop(l4, at);
        at = beside != 0 ? leaf(l4, beside) : above;
    }
    if (!self)
        return;
    l4->mapping[mapping].rights &= (uint8_t)~rights;
    if (l4->mapping[mapping].rights == 0)
        drop(l4, mapping);
}

bool tree_is_above(const struct sp_l4 *l4, uint32_t ancestor, uint32_t mapping)
{
    while (mapping != 0 && mapping != ancestor)
        mapping = l4->mapping[mapping].parent;
    return mapping == ancestor;
}
