/* One page: its kind, whether it is dirty, and whether the policy knows it. */
#ifndef CORE_PAGER_PAGE_H
#define CORE_PAGER_PAGE_H

#include "base/assert.h"
#include "core/pager/pager.h"

/* What becomes of the contents of a page, which is in a region. */
static inline enum sp_kind page_kind(const struct pager *pager, sp_page page)
{
    check(page < pager->config.pages && pager->page[page].region != 0);
    return (enum sp_kind)pager->region[pager->page[page].region - 1].kind;
}

/* One more for the counter of the region's tally, if the driver has it counted. */
#define PAGE_TALLY(region_, counter)                                                               \
    (__builtin_expect((region_)->tally != NULL, 0) ? (void)(region_)->tally->counter++ : (void)0)

static inline const struct pager_region *page_region(const struct pager *pager, sp_page page)
{
    check(page < pager->config.pages && pager->page[page].region != 0);
    return &pager->region[pager->page[page].region - 1];
}

/* True if the policy may name the page. */
static inline bool page_is_with_policy(const struct pager_page *page)
{
    return page->state == PAGE_RESIDENT && page->pins == 0 && (page->flags & PAGE_SKIPPED) == 0;
}

/* The page, which has a frame, has been written, or is just about to be. */
static inline void page_set_dirty(struct pager *pager, struct pager_page *page)
{
    check(page->state == PAGE_RESIDENT);
    if ((page->flags & PAGE_STORING) != 0)
        page->flags |= PAGE_REDIRTIED;
    if ((page->flags & PAGE_DIRTY) == 0) {
        page->flags |= PAGE_DIRTY;
        pager->dirty++;
    }
}

/* Swap has a copy of the page, or its contents are gone. */
static inline void page_clear_dirty(struct pager *pager, struct pager_page *page)
{
    if ((page->flags & PAGE_DIRTY) != 0) {
        check(pager->dirty > 0);
        page->flags &= (uint8_t)~PAGE_DIRTY;
        pager->dirty--;
    }
}

/* A page becomes RESIDENT. */
static inline void page_comes(struct pager *pager, sp_page page)
{
    uint32_t index = pager->page[page].region - 1u;
    struct pager_region *region = &pager->region[index];

    check(index < pager->regions && region->resident < region->pages);
    pager->stats->resident++;
    frame_stack_offers_tell_resident(&pager->offers, index, ++region->resident);
}

/* It is RESIDENT no more. */
static inline void page_goes(struct pager *pager, sp_page page)
{
    uint32_t index = pager->page[page].region - 1u;
    struct pager_region *region = &pager->region[index];

    ensure(pager->stats->resident > 0);
    check(index < pager->regions && region->resident > 0);
    pager->stats->resident--;
    frame_stack_offers_tell_resident(&pager->offers, index, --region->resident);
}

/* Tell the policy of a page that it may name from now on. */
void page_insert(struct pager *pager, sp_page page, bool write);

/* Tell the policy that it may name a page no more, and why. */
void page_remove(struct pager *pager, sp_page page, enum sp_removal why);

#endif
