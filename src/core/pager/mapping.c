/* What the kernel maps for each page, and how many mappings (areas) that takes.
 *
 * Linux bounds the areas of a process (vm.max_map_count). Neighbouring pages share one if both are
 * unmapped, or if both map neighbouring slots of one extent with one protection, and both or neither are
 * watched (see sense.c). The pager knows
 * all of that, so it counts areas exactly, and gives up mappings before the limit is reached
 * instead of failing at it. A page that loses its mapping so keeps its frame: its next reference is
 * a soft fault. Unmapping or protecting one page in the middle of an area makes two more for a
 * moment, which the limit must leave room for. */
#include "core/pager/mapping.h"

#include "base/assert.h"
#include "core/pager/effects.h"
#include "core/pager/sense.h"

/* How a mapped page is mapped, as far as its area minds; never 0. */
static uint32_t how(uint8_t protection, uint8_t bits)
{
    check((protection & ~(PAGE_READ | PAGE_WRITE)) == 0);
    return 1 | (uint32_t)protection << 8 | (uint32_t)(bits & BITS_AREA) << 16;
}

/* How a page is mapped; 0 if it is not. */
static uint32_t how_mapped(const struct pager_page *page)
{
    check((page->flags & PAGE_MAPPED) != 0 || (page->protection | page->bits) == 0);
    return (page->flags & PAGE_MAPPED) != 0 ? how(page->protection, page->bits) : 0;
}

/* Whether the frames of a page and of the one before it are neighbours, too, in one extent. */
static bool follows(const struct pager *pager, const struct pager_page *page)
{
    check(pager->config.extent_pages > 0);
    return page[-1].slot + 1 == page->slot && page->slot % pager->config.extent_pages != 0;
}

static bool same_area(const struct pager *pager, const struct pager_page *page)
{
    uint32_t mapped = how_mapped(page);

    check(page <= pager->page + pager->config.pages);
    return how_mapped(page - 1) == mapped && (mapped == 0 || follows(pager, page));
}

/* Areas that come or go between a page, whose mapping changes from `old` to `new`, and one of its neighbours;
 * `later` is the later page of the two. */
static int32_t areas_between(const struct pager *pager, const struct pager_page *later,
                             uint32_t neighbour, uint32_t old, uint32_t new)
{
    check(old != new);
    if ((neighbour != old && neighbour != new) || (neighbour != 0 && !follows(pager, later)))
        return 0;
    return neighbour == old ? 1 : -1;
}

/* Set how a page is mapped that was mapped as `old` says. */
static inline void set_from(struct pager *pager, struct pager_page *page, uint32_t old, bool mapped,
                            uint8_t protection, uint8_t bits)
{
    uint32_t new = mapped ? how(protection, bits) : 0;
    int32_t areas;

    check(old == how_mapped(page) && (mapped || (protection | bits) == 0));
    page->flags = (uint8_t)((page->flags & ~PAGE_MAPPED) | (mapped ? PAGE_MAPPED : 0));
    page->protection = protection;
    page->bits = bits;
    if (old == new)
        return;
    areas = areas_between(pager, page, how_mapped(page - 1), old, new) +
            areas_between(pager, page + 1, how_mapped(page + 1), old, new);
    check(areas >= 0 || pager->maps >= (uint32_t)-areas);
    pager->maps += (uint32_t)areas;
}

static void set_mapping(struct pager *pager, struct pager_page *page, bool mapped,
                        uint8_t protection, uint8_t bits)
{
    check((page->flags & PAGE_MAPPED) != 0);
    set_from(pager, page, how(page->protection, page->bits), mapped, protection, bits);
}

bool mapping_is_alone(const struct pager *pager, sp_page page)
{
    const struct pager_page *p = &pager->page[page];

    check((p->flags & PAGE_MAPPED) != 0);
    return !same_area(pager, p) && !same_area(pager, p + 1);
}

static void unmap(struct pager *pager, sp_page page)
{
    check((pager->page[page].flags & PAGE_MAPPED) != 0);
    set_mapping(pager, &pager->page[page], false, 0, 0);
    effects_add(pager, (struct pager_effect){
                           .kind = EFFECT_UNMAP, .page = page, .apart = pager->page[page].going});
}

static bool may_lose_mapping(const struct pager *pager, sp_page page)
{
    const struct pager_page *p = &pager->page[page];

    check(page <= pager->config.pages);
    return (p->flags & PAGE_MAPPED) != 0 && p->pins == 0 && page != pager->faulting;
}

/* Unmap pages until there are at most `limit` areas. A page between two mapped ones still needs an
 * area when it is unmapped, but two neighbours need one together: so go upwards from a page as far
 * as pages are mapped, and then on from another one. Looks at each slot once at most. */
static void give_up_mappings(struct pager *pager, uint32_t limit)
{
    sp_page page = pager->config.pages; /* which is never mapped */

    for (uint32_t slots = pager->slots_top; pager->maps > limit;) {
        const struct pager_slot *slot;

        if (may_lose_mapping(pager, page)) {
            if (sense_referenced(pager, page))
                pager->page[page].flags |= PAGE_REFERENCED;
            unmap(pager, page);
            pager->stats->map_limited++;
            page++;
            continue;
        }
        if (slots-- == 0)
            break;
        pager->map_hand = (pager->map_hand + 1) % pager->slots_top;
        slot = &pager->slot[pager->map_hand];
        page = slot->state == SLOT_USED ? slot->page_or_prev : pager->config.pages;
    }
    check(pager->slots_top <= pager->config.slots);
}

static void arm(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];
    bool watched = (p->bits & BITS_AREA) != 0 || mapping_is_alone(pager, page);

    ensure(pager->config.referenced != NULL);
    set_mapping(pager, p, true, p->protection,
                BITS_ARMED | BITS_NEW | (watched ? p->bits & BITS_AREA : BITS_AREA));
    effects_add(pager,
                (struct pager_effect){
                    .kind = EFFECT_ARM, .page = page, .watched = watched, .apart = pager->apart});
}

/* A page that was armed alone in its area has got a neighbour there: watch the area before the neighbour can be touched,
 * which takes it out of the neighbour's again. */
static void keep_apart(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];

    if ((p->flags & PAGE_MAPPED) == 0 || (p->bits & (BITS_ARMED | BITS_AREA)) != BITS_ARMED ||
        mapping_is_alone(pager, page) || sense_referenced(pager, page))
        return;
    check(p->protection != 0);
    if (p->pins > 0 || page == pager->faulting)
        p->bits = 0; /* it counts as referenced */
    else
        arm(pager, page);
}

/* A function of its own: without the kernel's bits nothing is to be done, and no registers are needed for it. */
static __attribute__((noinline)) void keep_both_apart(struct pager *pager, sp_page page)
{
    check(page < pager->config.pages);
    if (page > 0)
        keep_apart(pager, page - 1);
    if (page + 1 < pager->config.pages)
        keep_apart(pager, page + 1);
}

static void keep_neighbours_apart(struct pager *pager, sp_page page)
{
    check(page < pager->config.pages);
    if (pager->config.referenced != NULL)
        keep_both_apart(pager, page);
}

void mapping_map(struct pager *pager, sp_page page, uint8_t protection)
{
    check(pager->page[page].state == PAGE_RESIDENT);
    check((pager->page[page].flags & PAGE_MAPPED) == 0);
    set_from(pager, &pager->page[page], 0, true, protection, 0);
    keep_neighbours_apart(pager, page);
    *effects_next(pager) = (struct pager_effect){
        .kind = EFFECT_MAP, .page = page, .slot = pager->page[page].slot, .protection = protection};
}

void mapping_protect(struct pager *pager, sp_page page, uint8_t protection)
{
    check((pager->page[page].flags & PAGE_MAPPED) != 0);
    set_mapping(pager, &pager->page[page], true, protection, pager->page[page].bits & BITS_AREA);
    keep_neighbours_apart(pager, page);
    *effects_next(pager) =
        (struct pager_effect){.kind = EFFECT_PROTECT, .page = page, .protection = protection};
    if (pager->maps > pager->map_limit)
        give_up_mappings(pager, pager->map_limit);
}

void mapping_unmap(struct pager *pager, sp_page page)
{
    check((pager->page[page].flags & PAGE_MAPPED) != 0);
    unmap(pager, page);
    if (pager->maps > pager->map_limit)
        give_up_mappings(pager, pager->map_limit);
}

void mapping_arm(struct pager *pager, sp_page page)
{
    check((pager->page[page].bits & BITS_ARMED) == 0 && pager->page[page].protection != 0);
    arm(pager, page);
}

void pager_mapping_failed(struct pager *pager, sp_page page)
{
    check((pager->page[page].flags & PAGE_MAPPED) != 0);
    set_mapping(pager, &pager->page[page], false, 0, 0);
    /* Others in the process use areas too: stay a little below what was possible now. */
    pager->map_limit = pager->maps > 128 ? pager->maps - 64 : pager->maps / 2;
}

bool mapping_make_room(struct pager *pager)
{
    check(pager->map_limit <= pager->config.map_limit);
    if (!mapping_has_room(pager) && pager->map_limit >= 2)
        give_up_mappings(pager, pager->map_limit - 2);
    return mapping_has_room(pager);
}
