/* What the mapping database looks like from outside. */
#include <errno.h>
#include <stdio.h>

#include <selfpage/l4.h>

#include "l4/tree.h"

int sp_l4_lookup(const struct sp_l4 *l4, uint32_t space, uint64_t address,
                 struct sp_l4_mapping *mapping)
{
    uint64_t page = address / SP_L4_PAGE;
    uint32_t number;

    if (tree_space(l4, space) == NULL)
        return -ESRCH;
    *mapping = (struct sp_l4_mapping){.frame = (uint32_t)page, .rights = SP_L4_RIGHTS};
    number = table_get(&l4->space[space].table, page);
    if (number == 0)
        return space == SP_L4_SIGMA0 && page < l4->frames ? 0 : -EFAULT;
    mapping->frame = l4->mapping[number].frame;
    mapping->rights = l4->mapping[number].rights;
    mapping->depth = l4->mapping[number].depth;
    if (l4->mapping[number].parent != 0) {
        mapping->parent = l4->mapping[l4->mapping[number].parent].space;
        mapping->parent_address = l4->mapping[l4->mapping[number].parent].page * SP_L4_PAGE;
    }
    for (uint32_t child = l4->mapping[number].child; child != 0; child = l4->mapping[child].next)
        mapping->derived++;
    return 0;
}

struct text {
    char *to;
    size_t size;
    size_t length;
};

/* Three letters of rights or status. */
static void letters(char *to, unsigned bits)
{
    to[0] = bits & SP_L4_READ ? 'r' : '-';
    to[1] = bits & SP_L4_WRITE ? 'w' : '-';
    to[2] = bits & SP_L4_EXECUTE ? 'x' : '-';
    to[3] = '\0';
}

static void line(struct text *text, const struct l4_mapping *m)
{
    char rights[4], status[4];
    size_t room = text->length < text->size ? text->size - text->length : 0;
    int put;

    letters(rights, m->rights);
    letters(status, m->own | m->below);
    put = snprintf(room > 0 ? text->to + text->length : NULL, room, "%*s%u:%llu %s %s\n",
                   2 * (int)m->depth, "", m->space, (unsigned long long)m->page, rights, status);
    text->length += put > 0 ? (size_t)put : 0;
}

/* The sibling after one in the order of space and page, or 0. */
static uint32_t after(const struct sp_l4 *l4, uint32_t parent, const struct l4_mapping *last)
{
    uint32_t best = 0;

    for (uint32_t at = l4->mapping[parent].child; at != 0; at = l4->mapping[at].next) {
        const struct l4_mapping *m = &l4->mapping[at], *b = &l4->mapping[best];

        if (last != NULL &&
            (m->space < last->space || (m->space == last->space && m->page <= last->page)))
            continue;
        if (best == 0 || m->space < b->space || (m->space == b->space && m->page < b->page))
            best = at;
    }
    return best;
}

size_t sp_l4_dump(const struct sp_l4 *l4, uint32_t frame, char *text, size_t size)
{
    struct text out = {text, size, 0};
    uint32_t root = table_get(&l4->space[SP_L4_SIGMA0].table, frame);
    uint32_t at = root;

    if (size > 0)
        text[0] = '\0';
    while (at != 0) {
        uint32_t next;

        line(&out, &l4->mapping[at]);
        next = after(l4, at, NULL);
        while (next == 0 && at != root) {
            uint32_t parent = l4->mapping[at].parent;

            next = after(l4, parent, &l4->mapping[at]);
            at = parent;
        }
        at = next;
    }
    return out.length;
}

/* What is wrong with one mapping, or NULL. */
static const char *wrong(const struct sp_l4 *l4, uint32_t number)
{
    const struct l4_mapping *m = &l4->mapping[number], *parent = &l4->mapping[m->parent];

    if (tree_space(l4, m->space) == NULL)
        return "a mapping is in a space that is gone";
    if (table_get(&l4->space[m->space].table, m->page) != number)
        return "a mapping does not stand in its table";
    if (m->parent == 0)
        return m->space == SP_L4_SIGMA0 && m->page == m->frame && m->depth == 0
                   ? NULL
                   : "a mapping comes from nowhere";
    if (parent->rights == 0 || (m->rights & ~parent->rights) != 0)
        return "a mapping has more rights than the one it came from";
    if (m->frame != parent->frame || m->depth != parent->depth + 1)
        return "a mapping differs from the one it came from";
    return NULL;
}

const char *sp_l4_check(const struct sp_l4 *l4)
{
    for (uint32_t s = 0; s < l4->spaces; s++) {
        uint32_t found = 0;

        if (tree_space(l4, s) == NULL)
            continue;
        for (uint64_t page = 0; (page = table_next(&l4->space[s].table, page)) < TABLE_PAGES;
             page++)
            found++;
        if (found != l4->space[s].mappings)
            return "a space has miscounted its mappings";
    }
    for (uint32_t m = 1; m < l4->mappings; m++) {
        const char *text = l4->mapping[m].rights != 0 ? wrong(l4, m) : NULL;

        if (text != NULL)
            return text;
    }
    return NULL;
}
