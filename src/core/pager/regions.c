/* Regions: ranges of pages that the program made, each of one kind. */
#include "core/pager/pager.h"

#include <string.h>

#include "base/assert.h"

/* The first page at or after `from` where `pages` fit, given the regions there are. */
static sp_page find_room(const struct pager *pager, uint32_t pages)
{
    sp_page from = 0;
    bool moved = true;

    check(pager->regions <= PAGER_REGIONS_MAX);
    while (moved) {
        moved = false;
        for (uint32_t i = 0; i < pager->regions; i++) {
            const struct pager_region *r = &pager->region[i];

            if (r->pages > 0 && from <= r->first + r->pages && r->first <= from + pages) {
                from = r->first + r->pages + 1;
                moved = true;
            }
        }
        if (from > pager->config.pages || pages > pager->config.pages - from)
            return SP_NO_PAGE;
    }
    check(from <= pager->config.pages && pages <= pager->config.pages - from);
    return from;
}

/* How many regions exist. */
static uint32_t count_regions(const struct pager *pager)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < pager->regions; i++)
        count += pager->region[i].pages > 0;
    check(count <= PAGER_REGIONS_MAX);
    return count;
}

/* Show physmem the region with this index, or that this index is free. */
static void tell(struct pager *pager, uint32_t index)
{
    const struct pager_region *region = &pager->region[index];

    ensure(index < pager->regions);
    frame_stack_offers_tell_region(&pager->offers, index, region->first, region->pages,
                                   region->kind, count_regions(pager));
    frame_stack_offers_tell_resident(&pager->offers, index, region->resident);
}

void pager_regions_publish(struct pager *pager, uint64_t address)
{
    check(pager->offers.stack != NULL);
    frame_stack_offers_tell_base(&pager->offers, address);
    for (uint32_t i = 0; i < pager->regions; i++)
        tell(pager, i);
}

sp_page pager_regions_create(struct pager *pager, uint32_t pages, enum sp_kind kind, bool undefined,
                             bool refill)
{
    uint32_t index = 0;
    sp_page first;

    ensure(pages > 0);
    if (pages > pager->config.pages)
        return SP_NO_PAGE;
    first = find_room(pager, pages);
    while (index < pager->regions && pager->region[index].pages > 0)
        index++;
    if (first == SP_NO_PAGE || index == PAGER_REGIONS_MAX)
        return SP_NO_PAGE;
    if (index == pager->regions)
        pager->regions++;
    pager->region[index] = (struct pager_region){.first = first,
                                                 .pages = pages,
                                                 .kind = (uint8_t)kind,
                                                 .undefined = undefined,
                                                 .refill = refill};
    check(pager->page[first].region == 0 && pager->page[first + pages - 1].region == 0);
    for (uint32_t i = 0; i < pages; i++)
        pager->page[first + i] = (struct pager_page){.region = (uint8_t)(index + 1)};
    pager->stats->pages += pages;
    tell(pager, index);
    return first;
}

void pager_regions_tally(struct pager *pager, sp_page first, struct fault_tally *tally)
{
    ensure(pager->page[first].region != 0);
    pager->region[pager->page[first].region - 1].tally = tally;
}

void pager_regions_destroy(struct pager *pager, sp_page first)
{
    struct pager_region *region = &pager->region[pager->page[first].region - 1];

    ensure(region->first == first && pager->stats->pages >= region->pages);
    ensure(region->resident == 0);
    for (uint32_t i = 0; i < region->pages; i++)
        check(pager->page[first + i].state == PAGE_ABSENT && pager->page[first + i].pins == 0);
    pager->stats->pages -= region->pages;
    memset(&pager->page[first], 0, region->pages * sizeof(struct pager_page));
    region->pages = 0;
    tell(pager, (uint32_t)(region - pager->region));
}
