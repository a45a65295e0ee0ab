/* The operations of selfpage/l4.h: each checks everything before it changes anything. */
#include <errno.h>

#include <selfpage/l4.h>

#include "base/assert.h"
#include "base/memory.h"
#include "l4/fpage.h"
#include "l4/tree.h"

int sp_l4_create(struct sp_l4 **l4p, const struct sp_l4_options *options)
{
    struct allocator memory;
    struct sp_l4 *l4;
    uint32_t sigma0;
    int result;

    *l4p = NULL;
    if (options->memory == NULL || options->memory->resize == NULL || options->frames == 0)
        return -EINVAL;
    memory = (struct allocator){options->memory->resize, options->memory->context};
    l4 = memory_new(&memory, sizeof(*l4));
    if (l4 == NULL)
        return -ENOMEM;
    l4->memory = memory;
    l4->frames = options->frames;
    l4->mappings_max = options->mappings_max;
    result = sp_l4_space_create(l4, &sigma0);
    if (result != 0) {
        sp_l4_destroy(&l4);
        return result;
    }
    ensure(sigma0 == SP_L4_SIGMA0);
    *l4p = l4;
    return 0;
}

/* Take away all mappings of a space; in sigma0's, all that was derived from them. */
static void empty(struct sp_l4 *l4, uint32_t number)
{
    struct table *table = &l4->space[number].table;

    for (uint64_t page = 0; (page = table_next(table, page)) < TABLE_PAGES; page++)
        tree_restrict(l4, table_get(table, page), SP_L4_RIGHTS, true);
}

void sp_l4_destroy(struct sp_l4 **l4p)
{
    struct sp_l4 *l4 = *l4p;
    struct allocator memory;

    *l4p = NULL;
    if (l4 == NULL)
        return;
    memory = l4->memory;
    if (l4->spaces > 0) {
        struct table *table = &l4->space[SP_L4_SIGMA0].table;

        empty(l4, SP_L4_SIGMA0);
        for (uint64_t page; (page = table_next(table, 0)) < TABLE_PAGES;)
            table_remove(table, &memory, page);
    }
    memory_free(&memory, l4->mapping, sizeof(*l4->mapping) * l4->mappings_capacity);
    memory_free(&memory, l4->space, sizeof(*l4->space) * l4->spaces_capacity);
    memory_free(&memory, l4, sizeof(*l4));
}

int sp_l4_space_create(struct sp_l4 *l4, uint32_t *spacep)
{
    uint32_t number;

    if (l4->free_space != 0) {
        number = l4->free_space - 1;
        l4->free_space = l4->space[number].free - 1;
    } else {
        if (l4->spaces == UINT32_MAX - 1 ||
            memory_reserve(&l4->memory, &l4->space, &l4->spaces_capacity, sizeof(*l4->space),
                           l4->spaces + 1) != 0)
            return -ENOMEM;
        number = l4->spaces++;
    }
    l4->space[number] = (struct l4_space){.mappings = 0};
    *spacep = number;
    return 0;
}

int sp_l4_space_destroy(struct sp_l4 *l4, uint32_t space)
{
    if (tree_space(l4, space) == NULL)
        return -ESRCH;
    if (space == SP_L4_SIGMA0)
        return -EPERM;
    empty(l4, space);
    ensure(l4->space[space].mappings == 0 && l4->space[space].table.root == NULL);
    l4->space[space].free = 1 + l4->free_space;
    l4->free_space = 1 + space;
    return 0;
}

/* Make a page of a space free for a mapping of `source`. False if that took `source` itself. */
static bool make_room(struct sp_l4 *l4, uint32_t source, uint32_t space, uint64_t page)
{
    uint32_t there = tree_at(l4, space, page);

    if (there == 0)
        return true;
    if (there != source && tree_is_above(l4, there, source)) {
        tree_restrict(l4, there, SP_L4_RIGHTS, true);
        return false;
    }
    if (there != source)
        tree_restrict(l4, there, SP_L4_RIGHTS, true);
    return true;
}

/* Map one page of the sender. Returns 1, 0 (skipped), or an error. */
static int map_page(struct sp_l4 *l4, uint32_t source, uint32_t to, uint64_t page, unsigned rights)
{
    uint32_t there = tree_at(l4, to, page);
    int result;

    rights &= l4->mapping[source].rights;
    if (there == source)
        return 1;
    if (rights == 0)
        return 0;
    if (there != 0 && l4->mapping[there].parent == source) {
        l4->mapping[there].rights |= (uint8_t)rights;
        return 1;
    }
    if (!make_room(l4, source, to, page))
        return 0;
    result = tree_derive(l4, source, to, page, rights);
    return result == 0 ? 1 : result;
}

/* Grant one page of the sender. Returns as map_page. */
static int grant_page(struct sp_l4 *l4, uint32_t source, uint32_t to, uint64_t page,
                      unsigned rights)
{
    int result;

    tree_restrict(l4, source, SP_L4_RIGHTS & ~rights, true);
    if ((rights & l4->mapping[source].rights) == 0) /* it is gone */
        return 0;
    if (l4->mapping[source].space == to && l4->mapping[source].page == page)
        return 1;
    if (!make_room(l4, source, to, page))
        return 0;
    result = tree_move(l4, source, to, page);
    return result == 0 ? 1 : result;
}

/* Flush the pages of a range. */
static void flush_range(struct sp_l4 *l4, uint32_t space, uint64_t first, uint64_t end)
{
    for (uint64_t page = first; (page = tree_next(l4, space, page)) < end; page++)
        tree_restrict(l4, tree_at(l4, space, page), SP_L4_RIGHTS, true);
}

static int map_check(const struct sp_l4 *l4, uint32_t from, uint32_t to,
                     const struct sp_l4_item *item, sp_fpage window)
{
    if (tree_space(l4, from) == NULL || tree_space(l4, to) == NULL)
        return -ESRCH;
    if (!fpage_is_legal(item->fpage) || !fpage_is_legal(window))
        return -EINVAL;
    if (to == SP_L4_SIGMA0 || (from == SP_L4_SIGMA0 && item->grant))
        return -EPERM;
    if (sp_fpage_size(window) == 0)
        return -EMSGSIZE;
    return 0;
}

int sp_l4_map(struct sp_l4 *l4, uint32_t from, uint32_t to, const struct sp_l4_item *item,
              sp_fpage window, uint32_t *mappedp)
{
    unsigned rights = sp_fpage_rights(item->fpage);
    uint64_t source = 0, target = 0, size, first, end;
    int result;

    *mappedp = 0;
    result = map_check(l4, from, to, item, window);
    if (result != 0)
        return result;
    size = sp_fpage_window(item->fpage, item->send_base, window, &source, &target);
    first = source / SP_L4_PAGE;
    end = first + size / SP_L4_PAGE;
    for (uint64_t page = first; (page = tree_next(l4, from, page)) < end; page++) {
        uint64_t to_page = page - first + target / SP_L4_PAGE;
        uint32_t mapping = tree_at(l4, from, page);

        if (mapping == 0)
            return -ENOMEM; /* for sigma0's mapping of a frame */
        result = item->grant ? grant_page(l4, mapping, to, to_page, rights)
                             : map_page(l4, mapping, to, to_page, rights);
        if (result < 0)
            return result;
        *mappedp += (uint32_t)result;
    }
    if (item->grant && size > 0) {
        uint64_t base = sp_fpage_base(item->fpage) / SP_L4_PAGE;

        flush_range(l4, from, base, first);
        flush_range(l4, from, end, base + sp_fpage_size(item->fpage) / SP_L4_PAGE);
    }
    return 0;
}

/* Unmap one fpage. Returns its status. */
static unsigned unmap_fpage(struct sp_l4 *l4, uint32_t space, sp_fpage fpage, bool flush)
{
    uint64_t first = sp_fpage_base(fpage) / SP_L4_PAGE;
    uint64_t end = first + sp_fpage_size(fpage) / SP_L4_PAGE;
    const struct table *table = &l4->space[space].table;
    unsigned status = 0;

    /* Frames that sigma0 has not yet given to anybody have no mapping, and nothing to tell. */
    for (uint64_t page = first; (page = table_next(table, page)) < end; page++) {
        uint32_t mapping = table_get(table, page);
        struct l4_mapping *m = &l4->mapping[mapping];

        status |= m->below;
        m->below = 0;
        if (flush) {
            status |= m->own;
            m->own = 0;
        }
        tree_restrict(l4, mapping, sp_fpage_rights(fpage), flush);
    }
    return status;
}

int sp_l4_unmap(struct sp_l4 *l4, uint32_t space, sp_fpage *fpages, size_t count, bool flush)
{
    if (tree_space(l4, space) == NULL)
        return -ESRCH;
    for (size_t i = 0; i < count; i++)
        if (!fpage_is_legal(fpages[i]))
            return -EINVAL;
    for (size_t i = 0; i < count; i++)
        fpages[i] = fpage_with_rights(fpages[i], unmap_fpage(l4, space, fpages[i], flush));
    return 0;
}

int sp_l4_access(struct sp_l4 *l4, uint32_t space, uint64_t address, unsigned rights)
{
    uint8_t status = SP_L4_READ | (rights & SP_L4_WRITE);
    uint32_t mapping;

    if (tree_space(l4, space) == NULL)
        return -ESRCH;
    if (rights == 0 || rights > SP_L4_RIGHTS)
        return -EINVAL;
    mapping = tree_at(l4, space, address / SP_L4_PAGE);
    if (mapping == 0)
        return -EFAULT;
    if ((rights & ~(unsigned)l4->mapping[mapping].rights) != 0)
        return -EACCES;
    l4->mapping[mapping].own |= status;
    while ((mapping = l4->mapping[mapping].parent) != 0)
        l4->mapping[mapping].below |= status;
    return 0;
}
