/* Runs of faults, and what is read ahead of them.
 *
 * A run is a sequence of faults on swapped pages with one stride: up, down, or every n-th page; pages
 * between two faults that have frames are passed over. Several runs go on side by side, since threads scan at
 * the same time, and programs scan several arrays. The first two faults of a run of neighbours, and three of
 * any other, make it one. Then as many pages ahead of the fault are loaded as the run's window says, which
 * begins small and doubles each time that the run goes on behind what was read.
 *
 * A page that was read ahead is mapped when it comes, and no fault tells of its use. It was used if its run
 * goes on behind it, or if it is written to or faults for another reason; it was read for nothing if it loses
 * its frame before. Recent counts of both bound the window of all runs: where more is read for nothing than is
 * used, it is halved; where little is, it doubles up to what the configuration allows.
 *
 * No policy has these pages watched at once, and none the fault's own: the program would fault on each of them,
 * and had only waited for all to come. They are open until the run goes on; then they are watched, if the policy
 * asked for it meanwhile, neighbours by one call. A policy that asks earlier whether one was referenced hears that it
 * was, as of any page whose use cannot be seen, and has it watched from then on.
 *
 * Reading ahead takes free frames, and never the last ones: others' faults are to find some. It has pages
 * evicted, as a fault does, as many as it has taken frames, so that the next time there are enough of them:
 * dirty pages need a write first, and nothing waits for it here. A driver that can do something while a page is
 * loaded has the pages evicted then. */
#include "core/pager/ahead.h"

#include "base/assert.h"
#include "base/least.h"
#include "core/pager/effects.h"
#include "core/pager/env.h"
#include "core/pager/evict.h"
#include "core/pager/growth.h"
#include "core/pager/judge.h"
#include "core/pager/slots.h"

/* Window of a new run, in pages. */
#define WINDOW_FIRST 4u

/* Pages at which two faults can be one run, apart. */
#define STRIDE_MOST 16

/* Steps that a run may be found further on than where it was expected, over pages that have frames. */
#define SKIPS_MOST 64

/* Where evictions go on during a load, there are so many at a time: as long as the load of a page takes. */
#define LATE_PAGES 8u

/* What is read ahead takes an eighth of the frames at most. */
#define FRAMES_SHARE 8u

static bool has_frame(const struct pager *pager, int64_t page)
{
    return page >= 0 && page < pager->config.pages && pager->page[page].state >= PAGE_LOADING;
}

/* All pages from `from`, in steps, up to but without `to` have frames. */
static bool frames_between(const struct pager *pager, int64_t from, int64_t to, int32_t step)
{
    check(step != 0 && (to - from) % step == 0);
    for (; from != to; from += step)
        if (!has_frame(pager, from))
            return false;
    return true;
}

/* Does the run go on with this page? */
static bool goes_on(const struct pager *pager, const struct pager_run *run, sp_page page)
{
    int64_t distance = (int64_t)page - run->next;

    check(run->faults > 0);
    if (run->stride == 0 || distance % run->stride != 0)
        return false;
    distance /= run->stride;
    return distance >= 0 && distance <= SKIPS_MOST &&
           frames_between(pager, run->next, page, run->stride);
}

/* Whether the only fault of a run and this one make a stride. Pages between them that need no load do not count. */
static bool stride_begins(const struct pager *pager, struct pager_run *run, sp_page page)
{
    int64_t distance = (int64_t)page - run->last;
    int32_t step = distance > 0 ? 1 : -1;

    if (run->stride != 0 || distance == 0 || distance > STRIDE_MOST || distance < -STRIDE_MOST)
        return false;
    run->stride =
        frames_between(pager, (int64_t)run->last + step, page, step) ? step : (int32_t)distance;
    check(run->stride != 0);
    return true;
}

/* The run that a fault belongs to; a new one takes the place of the one that went on longest ago. */
static struct pager_run *run_of(struct pager *pager, sp_page page)
{
    struct pager_ahead *ahead = &pager->ahead;
    struct pager_run *oldest = &ahead->run[0];

    ahead->clock++;
    for (uint32_t i = 0; i < PAGER_RUNS; i++) {
        struct pager_run *run = &ahead->run[i];

        if (run->faults > 0 && (goes_on(pager, run, page) || stride_begins(pager, run, page)))
            return run;
        if (run->time < oldest->time)
            oldest = run;
    }
    check(oldest->time < ahead->clock);
    *oldest = (struct pager_run){.last = page};
    return oldest;
}

/* The i-th page of a run's window, in ascending order. */
static sp_page ascending(const struct pager_run *run, uint32_t i)
{
    uint32_t step = run->stride > 0 ? i : run->length - 1 - i;

    check(i < run->length && run->stride != 0);
    return (sp_page)((int64_t)run->from + (int64_t)step * run->stride);
}

/* The run goes on behind what was read ahead for it: all of that was used. What the policy wants watched is,
 * from now on: neighbours by one call. */
static void window_used(struct pager *pager, const struct pager_run *run)
{
    if (run->faults > 0 && run->stride > 0)
        env_close(pager, run->last);
    for (uint32_t i = 0; i < run->length; i++) {
        sp_page page = ascending(run, i);

        if (pager->page[page].state == PAGE_RESIDENT)
            judge_used(pager, &pager->page[page]);
        env_close(pager, page);
    }
    if (run->faults > 0 && run->stride < 0)
        env_close(pager, run->last);
    check(run->last < pager->config.pages);
}

/* ---- Reading ahead ---- */

static uint32_t window_of(const struct pager *pager, const struct pager_run *run)
{
    uint32_t enough = run->stride == 1 || run->stride == -1 ? 2 : 3;
    uint32_t window = run->window == 0 ? WINDOW_FIRST : 2 * run->window;

    check(run->faults > 0 && run->last < pager->config.pages);
    if (run->faults < enough)
        return 0;
    window = least_of(window, least_of(pager->ahead.most, pager->config.read_ahead));
    return least_of(window, pager->held / FRAMES_SHARE);
}

/* Is the page one that can be read ahead? */
static bool is_wanted(const struct pager *pager, sp_page page)
{
    const struct sp_policy *policy = pager->config.policy;

    check(page < pager->config.pages);
    return pager->page[page].state == PAGE_SWAPPED &&
           (policy->ahead == NULL || policy->ahead(pager->policy_state, page));
}

static void load_page(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];

    check(p->state == PAGE_LOADING && (p->flags & PAGE_HAS_SWAP) != 0);
    effects_add(pager, (struct pager_effect){
                           .kind = EFFECT_LOAD, .page = page, .slot = p->slot, .swap = p->swap});
}

/* Load a page ahead. False: physmem has taken the last frame meanwhile. */
static bool load_ahead(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];

    check(p->state == PAGE_SWAPPED);
    if (!slots_take(pager, page))
        return false;
    pager->slot[p->slot].flags &= (uint8_t)~SLOT_ZERO;
    p->state = PAGE_LOADING;
    p->ahead = true;
    p->open = true;
    pager->loading++;
    pager->stats->read_ahead++;
    load_page(pager, page);
    return true;
}

static sp_page page_at(const struct pager_run *run, uint32_t step)
{
    check(run->stride != 0 && step <= run->window);
    return (sp_page)((int64_t)run->from + (int64_t)step * run->stride);
}

/* The number of steps of the window that lie in the region of the page and for which there are frames. */
static uint32_t length_of(const struct pager *pager, const struct pager_run *run, sp_page page)
{
    const struct pager_region *region = &pager->region[pager->page[page].region - 1];
    uint32_t span = (uint32_t)(run->stride > 0 ? run->stride : -run->stride);
    uint32_t left =
        run->stride > 0 ? region->first + region->pages - 1 - page : page - region->first;
    uint32_t frames = pager->free > slots_low(pager) / 2 ? pager->free - slots_low(pager) / 2 : 0;
    uint32_t length = 0;

    if (run->stride == 0)
        return 0;
    check(page >= region->first && page - region->first < region->pages);
    for (; length < run->window && length < left / span; length++)
        if (is_wanted(pager, page_at(run, length)) && frames-- == 0)
            break;
    return length;
}

/* Load the pages of the run's window in ascending order. */
static void load_window(struct pager *pager, const struct pager_run *run)
{
    for (uint32_t i = 0; i < run->length; i++) {
        sp_page page = ascending(run, i);

        check(page < pager->config.pages);
        if (is_wanted(pager, page) && !load_ahead(pager, page))
            return;
    }
}

/* How many pages have to go for so many frames to be free, or about to be. */
static uint32_t too_few(const struct pager *pager, uint32_t wanted)
{
    uint32_t there = pager->free + pager->leaving;

    check(there <= pager->held);
    if (pager->allocating || growth_may_ask(pager))
        return 0;
    return there < wanted ? wanted - there : 0;
}

/* Is there a load, to evict pages during it? */
static bool evicts_later(const struct pager *pager, sp_page page)
{
    const struct pager_page *p = &pager->page[page];

    check(p->state <= PAGE_LOADING && pager->slot[p->slot].state == SLOT_USED);
    return pager->config.evicts_later && p->state >= PAGE_SWAPPED;
}

/* Have so many frames free: now, or when the load is under way. */
static void frames_refill(struct pager *pager, sp_page page, uint32_t wanted)
{
    uint32_t pages = too_few(pager, wanted);

    check(pages == 0 || pages <= wanted);
    if (pages == 0)
        return;
    if (!evicts_later(pager, page)) {
        evict_pages(pager, pages, false);
        return;
    }
    pager->late_wanted = wanted > pager->late_wanted ? wanted : pager->late_wanted;
    pager->late_page = page;
}

bool pager_ahead_evict(struct pager *pager, uint32_t most)
{
    uint32_t pages = too_few(pager, pager->late_wanted);
    uint32_t now = least_of(pages, most);

    ensure(pager->faulting == SP_NO_PAGE && most > 0);
    slots_begin(pager);
    /* Policies are told which page comes, if it has not come. */
    if (pager->page[pager->late_page].state == PAGE_LOADING)
        pager->faulting = pager->late_page;
    pager->apart = pager->config.evicts_apart;
    if (now == 0 || evict_pages(pager, now, false) < now || now == pages)
        pager->late_wanted = 0;
    pager->apart = false;
    pager->faulting = SP_NO_PAGE;
    return pager->late_wanted > 0;
}

uint32_t pager_ahead_more(struct pager *pager, sp_page page, int32_t stride, uint32_t pages)
{
    const struct pager_region *region = &pager->region[pager->page[page].region - 1];
    int64_t next = (int64_t)page + stride;
    uint32_t loaded = 0;

    check(stride != 0 && pager->page[page].state == PAGE_LOADING);
    for (uint32_t i = 0;
         i < pages && next >= region->first && next < (int64_t)region->first + region->pages;
         i++, next += stride) {
        if (!is_wanted(pager, (sp_page)next))
            continue;
        if (pager->free <= slots_low(pager) / 2 || !load_ahead(pager, (sp_page)next))
            break;
        loaded++;
    }
    if (loaded > 0)
        frames_refill(pager, page, slots_high(pager) + loaded);
    return loaded;
}

void pager_ahead_used(struct pager *pager, sp_page from, int32_t stride, uint32_t pages)
{
    struct pager_run run = {.from = from, .stride = stride, .length = pages};

    ensure((int64_t)from + (int64_t)pages * stride >= 0 &&
           (int64_t)from + (int64_t)pages * stride <= (int64_t)pager->config.pages);
    window_used(pager, &run);
}

void ahead_load(struct pager *pager, sp_page page)
{
    struct pager_run *run;

    if (pager->config.read_ahead == 0) {
        load_page(pager, page);
        return;
    }
    run = run_of(pager, page);
    if (run->faults > 0 && run->length > 0)
        window_used(pager, run);
    run->faults += run->faults < UINT8_MAX;
    run->time = pager->ahead.clock;
    run->last = page;
    run->window = window_of(pager, run);
    run->from = (sp_page)((int64_t)page + run->stride);
    run->length = length_of(pager, run, page);
    run->next = run->from + (int64_t)run->length * run->stride;
    check(run->length <= run->window);
    pager->page[page].open = run->length > 0;
    if (run->stride > 0)
        load_page(pager, page);
    load_window(pager, run);
    if (run->stride <= 0)
        load_page(pager, page);
    if (run->length > 0)
        frames_refill(pager, page, slots_high(pager) + run->length);
}

void ahead_reserve(struct pager *pager, sp_page page)
{
    uint32_t high = slots_high(pager), few = slots_low(pager);

    if (evicts_later(pager, page) && high > few + LATE_PAGES)
        few = high - LATE_PAGES;
    check(few < high);
    if (pager->free + pager->leaving < few)
        frames_refill(pager, page, high);
}
