/* See pager_world.h: the program's threads, and which thing happens next. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "world.h"

/* Rounds in which a fault ends once nobody refuses anything: one to grow, one to evict, one to
 * load, one for rights, one to map; a few more for mappings that fail. Debts come on top. */
#define ROUNDS_MOST 16u

/* ---- Regions ---- */

static sp_page random_page(struct world *world)
{
    sp_page page = world_random(world, world->options.pages);

    /* Half of all references go to a few pages. */
    if (world_random(world, 2) == 0)
        page %= 1 + world->options.slots;
    return pager_regions_of(&world->pager, page) != NULL ? page : SP_NO_PAGE;
}

static void region_create(struct world *world)
{
    enum sp_kind kind = (enum sp_kind)world_random(world, SP_KINDS);
    uint32_t pages = 1 + world_random(world, 1 + world->options.pages / 4);
    bool undefined = world_random(world, 4) == 0;
    sp_page first =
        pager_regions_create(&world->pager, pages, kind, undefined, kind == SP_REMANUFACTURABLE);

    for (sp_page page = first; first != SP_NO_PAGE && page < first + pages; page++) {
        world_require(world, world->page[page].state == PAGE_ABSENT, "regions overlap");
        world_forget(world, page);
        world->page[page].lost = false;
    }
}

static int discard(struct world *world, sp_page page)
{
    bool pinned = world->page[page].pins > 0;
    bool resident = world->page[page].state == PAGE_RESIDENT;
    int result;

    world_enter(world, -1, false);
    result = pager_discard(&world->pager, page);
    world_leave(world);
    world_require(world, result <= (int)(resident && !pinned), "a page is discarded twice");
    if (result < 0) {
        world_require(world, world->ops > 0, "a page is in transit, and nothing is");
    } else if (!pinned) {
        world_forget(world, page);
        world->page[page].lost |= resident;
        world->page[page].state = PAGE_ABSENT;
    }
    return result;
}

static bool in_use(const struct world *world, const struct pager_region *region)
{
    for (uint32_t i = 0; i < WORLD_THREADS; i++)
        if (world->thread[i].state != THREAD_IDLE &&
            world->thread[i].page - region->first < region->pages)
            return true;
    for (uint32_t i = 0; i < region->pages; i++)
        if (world->page[region->first + i].pins > 0)
            return true;
    return false;
}

static void region_destroy(struct world *world, const struct pager_region *region)
{
    bool all = true;

    if (region == NULL || in_use(world, region))
        return;
    for (uint32_t i = 0; i < region->pages; i++)
        all = discard(world, region->first + i) >= 0 && all;
    if (all)
        pager_regions_destroy(&world->pager, region->first);
}

/* ---- Threads ---- */

static bool kernel_permits(const struct world *world, sp_page page, bool write)
{
    uint8_t needed = write ? PAGE_READ | PAGE_WRITE : PAGE_READ;

    return (world->page[page].kernel_protection & needed) == needed;
}

static void touch(struct world *world, sp_page page, bool write)
{
    struct world_page *p = &world->page[page];
    uint64_t *frame = &world->slot[p->kernel_slot].frame;

    if (!p->undefined && *frame != p->value)
        world_fail(world, *frame == 0 ? "contents are lost" : "contents are stale or foreign");
    if (!write)
        return;
    p->value = *frame = ++world->written;
    p->undefined = false;
}

/* True if no frame can come free for a page but by new frames, or by pages being unpinned. */
static bool nothing_to_evict(const struct world *world)
{
    const struct pager *pager = &world->pager;

    return pager->free == 0 && pager->with_policy == 0 && pager->stores == 0 &&
           pager->loading == 0 && !pager->allocating;
}

static bool only_pinned_are_mapped(const struct world *world, sp_page but)
{
    for (sp_page page = 0; page < world->options.pages; page++)
        if (world->page[page].kernel_slot != PAGER_NONE && world->page[page].pins == 0 &&
            page != but)
            return false;
    return true;
}

static void check_hopeless(struct world *world, enum pager_verdict verdict, sp_page page)
{
    const struct pager *pager = &world->pager;
    uint64_t allowed = (uint64_t)pager->guaranteed + pager->extra;
    bool may_grow = pager->held < allowed && pager->held < world->options.slots;

    world_require(world, pager_fault_stuck_reason(pager)[0] != '\0', "stuck without a reason");
    if (verdict == PAGER_WAIT_GROWTH)
        world_require(world, nothing_to_evict(world) && may_grow, "growth is waited for in vain");
    else
        world_require(
            world,
            (nothing_to_evict(world) && !may_grow) ||
                (pager->maps + 2 > pager->map_limit && only_pinned_are_mapped(world, page)),
            "a fault is stuck for no good reason");
}

static bool waits_for(const struct world *world, bool store)
{
    for (uint32_t i = 0; i < world->ops; i++)
        if ((world->op[i].effect.kind == EFFECT_STORE) == store)
            return true;
    return false;
}

static void check_verdict(struct world *world, enum pager_verdict verdict, sp_page page, bool write)
{
    switch (verdict) {
    case PAGER_DONE:
        world_require(world, world->map_failed || kernel_permits(world, page, write),
                      "a fault is done, and the page cannot be accessed");
        break;
    case PAGER_CALL:
        world_require(world,
                      (world->emitted[EFFECT_LOAD] > 0) + world->emitted[EFFECT_REFILL] +
                              world->emitted[EFFECT_ALLOCATE] + world->emitted[EFFECT_GRANT] ==
                          1,
                      "a call, and nothing is called");
        break;
    case PAGER_WAIT:
        world_require(world, waits_for(world, false), "a wait for nothing");
        break;
    case PAGER_WAIT_STORE:
        world_require(world, waits_for(world, true), "a wait for no store");
        break;
    case PAGER_WAIT_GROWTH:
    case PAGER_STUCK:
        check_hopeless(world, verdict, page);
        break;
    case PAGER_DEAD:
        world_require(world, world->losses > 0 && world->pager.page[page].state == PAGE_DEAD,
                      "a page is dead that nobody killed");
        break;
    case PAGER_NO_PAGE:
        world_fail(world, "a page is in no region");
    }
}

static void thread_fault(struct world *world, uint32_t index)
{
    struct world_thread *thread = &world->thread[index];
    enum pager_verdict verdict;

    world_enter(world, (int)index, thread->write);
    verdict = pager_fault(&world->pager, thread->page, thread->write);
    world_leave(world);
    check_verdict(world, verdict, thread->page, thread->write);
    switch (verdict) {
    case PAGER_DONE:
        if (!kernel_permits(world, thread->page, thread->write) || world_random(world, 2) == 0)
            break;
        touch(world, thread->page, thread->write);
        thread->state = THREAD_IDLE;
        break;
    case PAGER_CALL:
        thread->state = THREAD_CALL;
        break;
    case PAGER_DEAD:
        /* A program would die of it; this one goes on without what it lost. */
        world->deaths++;
        discard(world, thread->page);
        thread->state = THREAD_IDLE;
        break;
    case PAGER_STUCK:
        thread->state = THREAD_IDLE;
        break;
    case PAGER_WAIT_GROWTH:
        pager_growth_possible(&world->pager);
        break;
    default:
        thread->state = THREAD_SLEEP;
        thread->seen = world->ends;
        break;
    }
}

/* Any page; with read-ahead, mostly the one behind the last. */
static sp_page next_page(struct world *world, const struct world_thread *thread)
{
    if (world->options.read_ahead > 0 && world_random(world, 4) != 0 &&
        pager_regions_of(&world->pager, thread->page + 1) != NULL)
        return thread->page + 1;
    return random_page(world);
}

static void thread_step(struct world *world, uint32_t index)
{
    struct world_thread *thread = &world->thread[index];

    switch (thread->state) {
    case THREAD_IDLE:
        thread->page = next_page(world, thread);
        thread->write = world_random(world, 2) == 0;
        if (thread->page != SP_NO_PAGE)
            thread->state = THREAD_ACCESS;
        break;
    case THREAD_ACCESS:
        if (kernel_permits(world, thread->page, thread->write)) {
            touch(world, thread->page, thread->write);
            thread->state = THREAD_IDLE;
        } else {
            thread_fault(world, index);
        }
        break;
    case THREAD_SLEEP:
        if (thread->seen != world->ends)
            thread->state = THREAD_ACCESS;
        else
            world_require(world, world->ops > 0, "a thread sleeps for ever");
        break;
    case THREAD_CALL:
        break;
    }
}

/* ---- What else a program does ---- */

static void pin(struct world *world, sp_page page)
{
    struct pager_page *p = &world->pager.page[page];

    if (!world->options.pins || p->state != PAGE_RESIDENT || (p->protection & PAGE_WRITE) == 0 ||
        world->page[page].pins == 3)
        return;
    world->page[page].pins++;
    world_enter(world, -1, false);
    world_require(world, pager_pin(&world->pager, page), "a page cannot be pinned");
    world_leave(world);
}

static void unpin(struct world *world, sp_page page)
{
    if (world->page[page].pins == 0)
        return;
    world->page[page].pins--;
    world_enter(world, -1, false);
    pager_pin_undo(&world->pager, page);
    world_leave(world);
}

/* A pin in three, an unpin in two: few pages are pinned at a time, but now and then all. */
static void pin_or_unpin(struct world *world, sp_page page)
{
    if (world_random(world, 3) == 0)
        pin(world, page);
    for (sp_page p = 0; p < world->options.pages; p++)
        if (world_random(world, 4) == 0)
            unpin(world, p);
}

static void prefetch(struct world *world, sp_page page)
{
    uint32_t free = world->pager.free;
    bool started;

    world_enter(world, -1, false);
    started = pager_advice_prefetch(&world->pager, page);
    world_leave(world);
    world_require(world, world->emitted[EFFECT_LOAD] == started, "a prefetch without a load");
    world_require(world,
                  world->pager.free == free - started ||
                      (world->stack != NULL && world->pager.free < free - started),
                  "a prefetch evicts");
}

static void populate(struct world *world, sp_page page)
{
    const struct pager_region *region = pager_regions_of(&world->pager, page);
    uint32_t count = 1 + world_random(world, region->first + region->pages - page);
    uint32_t free = world->pager.free;
    uint32_t looked;
    bool grows;

    if (count > PAGER_POPULATE_MOST)
        count = PAGER_POPULATE_MOST;
    world_enter(world, -1, false);
    looked = pager_advice_populate(&world->pager, page, count, &grows);
    world_leave(world);
    world_require(world, looked <= count && (looked == count || !region->refill),
                  "populate looks at pages that it was not given, or makes what a callback makes");
    world_require(world, world->emitted[EFFECT_ALLOCATE] == grows, "populate grows without a word");
    world_require(world,
                  world->emitted[EFFECT_LOAD] + world->emitted[EFFECT_STORE] == 0 &&
                      world->pager.free <= free,
                  "populate evicts, or loads");
}

static void take_lost(struct world *world, sp_page page)
{
    world_require(world, pager_discard_noted(&world->pager, page) == world->page[page].lost,
                  "a loss is not reported, or reported twice, or there was none");
    world->page[page].lost = false;
}

static void clean(struct world *world)
{
    uint32_t emitted;

    world_enter(world, -1, false);
    emitted = pager_evict_clean(&world->pager, world_random(world, 1 + world->options.slots));
    world_leave(world);
    world_require(world, emitted == world->emitted[EFFECT_STORE], "stores are misreported");
}

/* ---- What else physmem does ---- */

static void recall(struct world *world)
{
    uint32_t frames = world->allocated - world->owed;

    if (frames == 0)
        return;
    frames = 1 + world_random(world, frames);
    world_enter(world, -1, false);
    pager_debts_owe(&world->pager, frames);
    world_leave(world);
    world->owed += frames;
}

static void pay(struct world *world)
{
    uint32_t limit = 1 + world_random(world, PAGER_BATCH);
    bool drop_only = world_random(world, 2) == 0;
    uint32_t owed;

    world_enter(world, -1, false);
    owed = pager_debts_pay(&world->pager, limit, drop_only);
    world_leave(world);
    world_require(world, owed == world->pager.owed, "the debt is misreported");
    world_require(world, world->emitted[EFFECT_RETURN] <= limit, "more is paid than permitted");
    world_require(world, !drop_only || world->emitted[EFFECT_STORE] == 0, "a store for a drop");
}

/* Contracts change between nothing and twice what they were at first. */
static void change_allowance(struct world *world)
{
    uint32_t guaranteed = world_random(world, 2 * world->options.guaranteed + 1);
    uint32_t extra = world_random(world, 2 * world->options.extra + 1);

    if (world_random(world, 3) != 0) {
        guaranteed = world->options.guaranteed;
        extra = world->options.extra;
    }
    pager_growth_allow(&world->pager, guaranteed, extra);
}

/* ---- Steps ---- */

static void server_step(struct world *world)
{
    switch (world_random(world, 8)) {
    case 0:
    case 1:
        world_unmap_deliver(world);
        break;
    case 2:
        if (world->options.chaos)
            world_unmap_send(world);
        break;
    case 3:
        if (world->options.recalls && world_random(world, 8) == 0)
            recall(world);
        break;
    case 4:
        pay(world);
        if (world_random(world, 4) == 0)
            world_take(world, 1 + world_random(world, world->options.slots));
        break;
    case 5:
        clean(world);
        if (world->options.losses && world_random(world, 4) == 0)
            world_lose(world, world_random(world, world->options.slots),
                       1 + world_random(world, world->options.extent_pages));
        break;
    case 6:
        world->pool = world_random(world, world->options.extra + 1);
        if (world_random(world, 4) == 0)
            pager_growth_possible(&world->pager);
        break;
    default:
        if (world->options.recalls && world_random(world, 16) == 0)
            change_allowance(world);
        break;
    }
}

static void program_step(struct world *world)
{
    sp_page page = random_page(world);

    if (page == SP_NO_PAGE) {
        region_create(world);
        return;
    }
    switch (world_random(world, 8)) {
    case 0:
        if (world_random(world, 16) == 0)
            region_destroy(world, pager_regions_of(&world->pager, page));
        break;
    case 1:
        if (world_random(world, 4) == 0)
            discard(world, page);
        break;
    case 2:
        if (world_random(world, 2) == 0)
            prefetch(world, page);
        else
            populate(world, page);
        break;
    case 3:
        take_lost(world, page);
        break;
    case 4:
        world_enter(world, -1, false);
        pager_advice_hint(&world->pager, page,
                          (enum sp_hint)world_random(world, SP_HINT_SCRATCH + 1));
        world_leave(world);
        break;
    default:
        pin_or_unpin(world, page);
        break;
    }
}

void world_step(struct world *world)
{
    uint32_t dice = world_random(world, 16);

    world->step++;
    if (dice < 7)
        thread_step(world, world_random(world, WORLD_THREADS));
    else if (dice < 12 && world->ops > 0)
        world_op_progress(world, world_random(world, world->ops));
    else if (dice < 14)
        server_step(world);
    else
        program_step(world);
    world_check(world);
}

/* ---- Coming to an end ---- */

static void fault_to_its_end(struct world *world, sp_page page, bool write)
{
    uint32_t rounds = ROUNDS_MOST + world->owed;

    while (!kernel_permits(world, page, write)) {
        enum pager_verdict verdict;

        world_require(world, rounds-- > 0, "a fault does not come to its end");
        pager_growth_possible(&world->pager);
        world_enter(world, 0, write);
        verdict = pager_fault(&world->pager, page, write);
        world_leave(world);
        check_verdict(world, verdict, page, write);
        if (verdict == PAGER_WAIT_GROWTH)
            world_require(world, world->owed > 0, "physmem has frames, and is not asked");
        if (verdict == PAGER_STUCK || verdict == PAGER_WAIT_GROWTH || verdict == PAGER_DEAD)
            return;
        world_drain(world);
        world_check(world);
    }
    touch(world, page, write);
}

void world_settle(struct world *world)
{
    world->generous = true;
    world_take(world, 0);
    world_drain(world);
    world_check(world);
    for (uint32_t i = 0; i < WORLD_THREADS; i++) {
        const struct world_thread *thread = &world->thread[i];

        world_require(world, thread->calls == 0 && thread->state != THREAD_CALL,
                      "a thread waits for what has ended");
        if (thread->state != THREAD_IDLE)
            fault_to_its_end(world, thread->page, thread->write);
    }
    for (uint32_t i = 0; i < 4; i++) {
        sp_page page = random_page(world);

        if (page != SP_NO_PAGE)
            fault_to_its_end(world, page, world_random(world, 2) == 0);
    }
    for (uint32_t i = 0; i < WORLD_THREADS; i++)
        world->thread[i].state = THREAD_IDLE;
    world->generous = false;
}

static void return_everything(struct world *world)
{
    uint32_t rounds = 2 + world->allocated;

    pager_growth_allow(&world->pager, 0, 0);
    world_enter(world, -1, false);
    pager_debts_owe(&world->pager, UINT32_MAX);
    world_leave(world);
    world->owed = world->allocated;
    while (world->owed > 0) {
        world_require(world, rounds-- > 0, "not everything is returned");
        world_enter(world, -1, false);
        pager_debts_pay(&world->pager, PAGER_BATCH, false);
        world_leave(world);
        world_drain(world);
        world_check(world);
    }
}

void world_fini(struct world *world)
{
    struct pager *pager = &world->pager;

    world_settle(world);
    world->generous = true;
    for (sp_page page = 0; page < world->options.pages; page++)
        while (world->page[page].pins > 0)
            unpin(world, page);
    if (world_random(world, 2) == 0)
        return_everything(world);
    for (uint32_t i = 0; i < pager->regions; i++)
        if (pager->region[i].pages > 0)
            region_destroy(world, &pager->region[i]);
    world_check(world);
    return_everything(world);
    world_require(world,
                  pager->maps == 0 && pager->held == 0 && pager->with_policy == 0 &&
                      pager->dirty == 0 && world->stats.pages == 0 && world->stats.resident == 0 &&
                      strict_policy_count(pager->policy_state) == 0,
                  "something is left");
    free(world->stack);
    free(world->memory);
    free(world->page);
    free(world->slot);
    free(world->swap);
    free(world->swap_used);
}
