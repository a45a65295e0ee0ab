/* See outside.h: the program's threads, and which thing happens next. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "outside.h"

/* Rounds in which a fault ends once nobody refuses anything: one to grow, one to evict, one to
 * load, one for rights, one to map; a few more for mappings that fail. Debts come on top. */
#define ROUNDS_MOST 16u

/* ---- Regions ---- */

static sp_page random_page(struct outside *outside)
{
    sp_page page = outside_random(outside, outside->options.pages);

    /* Half of all references go to a few pages. */
    if (outside_random(outside, 2) == 0)
        page %= 1 + outside->options.slots;
    return pager_regions_of(&outside->pager, page) != NULL ? page : SP_NO_PAGE;
}

static void region_create(struct outside *outside)
{
    enum sp_kind kind = (enum sp_kind)outside_random(outside, SP_KINDS);
    uint32_t pages = 1 + outside_random(outside, 1 + outside->options.pages / 4);
    bool undefined = outside_random(outside, 4) == 0;
    sp_page first =
        pager_regions_create(&outside->pager, pages, kind, undefined, kind == SP_REMANUFACTURABLE);

    for (sp_page page = first; first != SP_NO_PAGE && page < first + pages; page++) {
        outside_require(outside, outside->page[page].state == PAGE_ABSENT, "regions overlap");
        outside_forget(outside, page);
        outside->page[page].lost = false;
    }
}

static int discard(struct outside *outside, sp_page page)
{
    bool pinned = outside->page[page].pins > 0;
    bool resident = outside->page[page].state == PAGE_RESIDENT;
    int result;

    outside_enter(outside, -1, false);
    result = pager_discard(&outside->pager, page);
    outside_leave(outside);
    outside_require(outside, result <= (int)(resident && !pinned), "a page is discarded twice");
    if (result < 0) {
        outside_require(outside, outside->ops > 0, "a page is in transit, and nothing is");
    } else if (!pinned) {
        outside_forget(outside, page);
        outside->page[page].lost |= resident;
        outside->page[page].state = PAGE_ABSENT;
    }
    return result;
}

static bool in_use(const struct outside *outside, const struct pager_region *region)
{
    for (uint32_t i = 0; i < OUTSIDE_THREADS; i++)
        if (outside->thread[i].state != THREAD_IDLE &&
            outside->thread[i].page - region->first < region->pages)
            return true;
    for (uint32_t i = 0; i < region->pages; i++)
        if (outside->page[region->first + i].pins > 0)
            return true;
    return false;
}

static void region_destroy(struct outside *outside, const struct pager_region *region)
{
    bool all = true;

    if (region == NULL || in_use(outside, region))
        return;
    for (uint32_t i = 0; i < region->pages; i++)
        all = discard(outside, region->first + i) >= 0 && all;
    if (all)
        pager_regions_destroy(&outside->pager, region->first);
}

/* ---- Threads ---- */

static bool kernel_permits(const struct outside *outside, sp_page page, bool write)
{
    return pager_shell_permits(&outside->shell, page, write);
}

static void touch(struct outside *outside, sp_page page, bool write)
{
    struct outside_page *p = &outside->page[page];
    uint64_t *frame = &outside->slot[outside->page[page].place].frame;

    outside_kernel_refer(outside, page);
    if (!p->undefined && *frame != p->value)
        outside_fail(outside, *frame == 0 ? "contents are lost" : "contents are stale or foreign");
    if (!write)
        return;
    p->value = *frame = ++outside->written;
    p->undefined = false;
}

/* True if no frame can come free for a page but by new frames, or by pages being unpinned. */
static bool nothing_to_evict(const struct outside *outside)
{
    const struct pager *pager = &outside->pager;

    return pager->free == 0 && pager->with_policy == 0 && pager->stores == 0 &&
           pager->loading == 0 && !pager->allocating;
}

static bool only_pinned_are_mapped(const struct outside *outside, sp_page but)
{
    for (sp_page page = 0; page < outside->options.pages; page++)
        if (pager_shell_is_mapped(&outside->shell, page) && outside->page[page].pins == 0 &&
            page != but)
            return false;
    return true;
}

static void check_hopeless(struct outside *outside, enum pager_verdict verdict, sp_page page)
{
    const struct pager *pager = &outside->pager;
    uint64_t allowed = (uint64_t)pager->guaranteed + pager->extra;
    bool may_grow = pager->held < allowed && pager->held < outside->options.slots;

    outside_require(outside, pager_fault_stuck_reason(pager)[0] != '\0', "stuck without a reason");
    if (verdict == PAGER_WAIT_GROWTH)
        outside_require(outside, nothing_to_evict(outside) && may_grow,
                        "growth is waited for in vain");
    else
        outside_require(
            outside,
            (nothing_to_evict(outside) && !may_grow) ||
                (pager->maps + 2 > pager->map_limit && only_pinned_are_mapped(outside, page)),
            "a fault is stuck for no good reason");
}

static bool waits_for(const struct outside *outside, bool store)
{
    for (uint32_t i = 0; i < outside->ops; i++)
        if ((outside->op[i].effect.kind == EFFECT_STORE) == store)
            return true;
    return false;
}

static void check_verdict(struct outside *outside, enum pager_verdict verdict, sp_page page,
                          bool write)
{
    switch (verdict) {
    case PAGER_DONE:
        outside_require(outside, outside->map_failed || kernel_permits(outside, page, write),
                        "a fault is done, and the page cannot be accessed");
        break;
    case PAGER_CALL:
        outside_require(outside,
                        (outside->emitted[EFFECT_LOAD] > 0) + outside->emitted[EFFECT_REFILL] +
                                outside->emitted[EFFECT_ALLOCATE] +
                                outside->emitted[EFFECT_GRANT] ==
                            1,
                        "a call, and nothing is called");
        break;
    case PAGER_WAIT:
        outside_require(outside, waits_for(outside, false), "a wait for nothing");
        break;
    case PAGER_WAIT_STORE:
        outside_require(outside, waits_for(outside, true), "a wait for no store");
        break;
    case PAGER_WAIT_GROWTH:
    case PAGER_STUCK:
        check_hopeless(outside, verdict, page);
        break;
    case PAGER_DEAD:
        outside_require(outside,
                        outside->losses > 0 && outside->pager.page[page].state == PAGE_DEAD,
                        "a page is dead that nobody killed");
        break;
    case PAGER_NO_PAGE:
        outside_fail(outside, "a page is in no region");
    }
}

/* The thread that loads has pages evicted meanwhile; sometimes not all of them. */
static void evict_meanwhile(struct outside *outside)
{
    bool more = outside->options.evicts_later && outside_random(outside, 8) != 0;

    while (more) {
        uint32_t most = 1 + outside_random(outside, 8);

        outside_enter(outside, -1, false);
        more = pager_ahead_evict(&outside->pager, most);
        outside_leave(outside);
        outside_require(outside,
                        outside->emitted[EFFECT_LOAD] + outside->emitted[EFFECT_ALLOCATE] == 0,
                        "an eviction that loads or asks for frames");
        more = more && outside_random(outside, 4) != 0;
    }
}

static void thread_fault(struct outside *outside, uint32_t index)
{
    struct outside_thread *thread = &outside->thread[index];
    enum pager_verdict verdict;

    outside_enter(outside, (int)index, thread->write);
    verdict = pager_fault(&outside->pager, thread->page, thread->write);
    outside_leave(outside);
    check_verdict(outside, verdict, thread->page, thread->write);
    switch (verdict) {
    case PAGER_DONE:
        if (!kernel_permits(outside, thread->page, thread->write) ||
            outside_random(outside, 2) == 0)
            break;
        touch(outside, thread->page, thread->write);
        thread->state = THREAD_IDLE;
        break;
    case PAGER_CALL:
        thread->state = THREAD_CALL;
        evict_meanwhile(outside);
        break;
    case PAGER_DEAD:
        /* A program would die of it; this one goes on without what it lost. */
        outside->deaths++;
        discard(outside, thread->page);
        thread->state = THREAD_IDLE;
        break;
    case PAGER_STUCK:
        thread->state = THREAD_IDLE;
        break;
    case PAGER_WAIT_GROWTH:
        pager_growth_possible(&outside->pager);
        break;
    default:
        thread->state = THREAD_SLEEP;
        thread->seen = outside->ends;
        break;
    }
}

/* Any page; with read-ahead, mostly the one behind the last. */
static sp_page next_page(struct outside *outside, const struct outside_thread *thread)
{
    if (outside->options.read_ahead > 0 && outside_random(outside, 4) != 0 &&
        pager_regions_of(&outside->pager, thread->page + 1) != NULL)
        return thread->page + 1;
    return random_page(outside);
}

static void thread_step(struct outside *outside, uint32_t index)
{
    struct outside_thread *thread = &outside->thread[index];

    switch (thread->state) {
    case THREAD_IDLE:
        thread->page = next_page(outside, thread);
        thread->write = outside_random(outside, 2) == 0;
        if (thread->page != SP_NO_PAGE)
            thread->state = THREAD_ACCESS;
        break;
    case THREAD_ACCESS:
        if (kernel_permits(outside, thread->page, thread->write)) {
            touch(outside, thread->page, thread->write);
            thread->state = THREAD_IDLE;
        } else {
            thread_fault(outside, index);
        }
        break;
    case THREAD_SLEEP:
        if (thread->seen != outside->ends)
            thread->state = THREAD_ACCESS;
        else
            outside_require(outside, outside->ops > 0, "a thread sleeps for ever");
        break;
    case THREAD_CALL:
        break;
    }
}

/* ---- What else a program does ---- */

static void pin(struct outside *outside, sp_page page)
{
    struct pager_page *p = &outside->pager.page[page];

    if (!outside->options.pins || p->state != PAGE_RESIDENT || (p->protection & PAGE_WRITE) == 0 ||
        outside->page[page].pins == 3)
        return;
    outside->page[page].pins++;
    outside_enter(outside, -1, false);
    outside_require(outside, pager_pin(&outside->pager, page), "a page cannot be pinned");
    outside_leave(outside);
}

static void unpin(struct outside *outside, sp_page page)
{
    if (outside->page[page].pins == 0)
        return;
    outside->page[page].pins--;
    outside_enter(outside, -1, false);
    pager_pin_undo(&outside->pager, page);
    outside_leave(outside);
}

/* A pin in three, an unpin in two: few pages are pinned at a time, but now and then all. */
static void pin_or_unpin(struct outside *outside, sp_page page)
{
    if (outside_random(outside, 3) == 0)
        pin(outside, page);
    for (sp_page p = 0; p < outside->options.pages; p++)
        if (outside_random(outside, 4) == 0)
            unpin(outside, p);
}

static void prefetch(struct outside *outside, sp_page page)
{
    uint32_t free = outside->pager.free;
    bool started;

    outside_enter(outside, -1, false);
    started = pager_advice_prefetch(&outside->pager, page);
    outside_leave(outside);
    outside_require(outside, outside->emitted[EFFECT_LOAD] == started, "a prefetch without a load");
    outside_require(outside,
                    outside->pager.free == free - started ||
                        (outside->stack != NULL && outside->pager.free < free - started),
                    "a prefetch evicts");
}

static void populate(struct outside *outside, sp_page page)
{
    const struct pager_region *region = pager_regions_of(&outside->pager, page);
    uint32_t count = 1 + outside_random(outside, region->first + region->pages - page);
    uint32_t free = outside->pager.free;
    uint32_t looked;
    bool grows;

    if (count > PAGER_POPULATE_MOST)
        count = PAGER_POPULATE_MOST;
    outside_enter(outside, -1, false);
    looked = pager_advice_populate(&outside->pager, page, count, &grows);
    outside_leave(outside);
    outside_require(
        outside, looked <= count && (looked == count || !region->refill),
        "populate looks at pages that it was not given, or makes what a callback makes");
    outside_require(outside, outside->emitted[EFFECT_ALLOCATE] == grows,
                    "populate grows without a word");
    outside_require(outside,
                    outside->emitted[EFFECT_LOAD] + outside->emitted[EFFECT_STORE] == 0 &&
                        outside->pager.free <= free,
                    "populate evicts, or loads");
}

static void take_lost(struct outside *outside, sp_page page)
{
    outside_require(outside, pager_discard_noted(&outside->pager, page) == outside->page[page].lost,
                    "a loss is not reported, or reported twice, or there was none");
    outside->page[page].lost = false;
}

static void clean(struct outside *outside)
{
    uint32_t emitted;

    outside_enter(outside, -1, false);
    emitted =
        pager_evict_clean(&outside->pager, outside_random(outside, 1 + outside->options.slots));
    outside_leave(outside);
    outside_require(outside, emitted == outside->emitted[EFFECT_STORE], "stores are misreported");
}

/* ---- What else physmem does ---- */

static void recall(struct outside *outside)
{
    uint32_t frames = outside->allocated - outside->owed;

    if (frames == 0)
        return;
    frames = 1 + outside_random(outside, frames);
    outside_enter(outside, -1, false);
    pager_debts_owe(&outside->pager, frames);
    outside_leave(outside);
    outside->owed += frames;
}

static void pay(struct outside *outside)
{
    uint32_t limit = 1 + outside_random(outside, PAGER_BATCH);
    bool drop_only = outside_random(outside, 2) == 0;
    uint32_t owed;

    outside_enter(outside, -1, false);
    owed = pager_debts_pay(&outside->pager, limit, drop_only);
    outside_leave(outside);
    outside_require(outside, owed == outside->pager.owed, "the debt is misreported");
    outside_require(outside, outside->emitted[EFFECT_RETURN] <= limit,
                    "more is paid than permitted");
    outside_require(outside, !drop_only || outside->emitted[EFFECT_STORE] == 0,
                    "a store for a drop");
}

/* Contracts change between nothing and twice what they were at first. */
static void change_allowance(struct outside *outside)
{
    uint32_t guaranteed = outside_random(outside, 2 * outside->options.guaranteed + 1);
    uint32_t extra = outside_random(outside, 2 * outside->options.extra + 1);

    if (outside_random(outside, 3) != 0) {
        guaranteed = outside->options.guaranteed;
        extra = outside->options.extra;
    }
    pager_growth_allow(&outside->pager, guaranteed, extra);
}

/* ---- Steps ---- */

static void server_step(struct outside *outside)
{
    switch (outside_random(outside, 8)) {
    case 0:
    case 1:
        outside_unmap_deliver(outside);
        break;
    case 2:
        if (outside->options.chaos)
            outside_unmap_send(outside);
        break;
    case 3:
        if (outside->options.recalls && outside_random(outside, 8) == 0)
            recall(outside);
        break;
    case 4:
        pay(outside);
        if (outside_random(outside, 4) == 0)
            outside_take(outside, 1 + outside_random(outside, outside->options.slots));
        break;
    case 5:
        clean(outside);
        if (outside->options.losses && outside_random(outside, 4) == 0)
            outside_lose(outside, outside_random(outside, outside->options.slots),
                         1 + outside_random(outside, outside->options.extent_pages));
        break;
    case 6:
        outside->pool = outside_random(outside, outside->options.extra + 1);
        if (outside_random(outside, 4) == 0)
            pager_growth_possible(&outside->pager);
        break;
    default:
        if (outside->options.recalls && outside_random(outside, 16) == 0)
            change_allowance(outside);
        break;
    }
}

static void program_step(struct outside *outside)
{
    sp_page page = random_page(outside);

    if (page == SP_NO_PAGE) {
        region_create(outside);
        return;
    }
    switch (outside_random(outside, 8)) {
    case 0:
        if (outside_random(outside, 16) == 0)
            region_destroy(outside, pager_regions_of(&outside->pager, page));
        break;
    case 1:
        if (outside_random(outside, 4) == 0)
            discard(outside, page);
        break;
    case 2:
        if (outside_random(outside, 2) == 0)
            prefetch(outside, page);
        else
            populate(outside, page);
        break;
    case 3:
        take_lost(outside, page);
        break;
    case 4:
        outside_enter(outside, -1, false);
        pager_advice_hint(&outside->pager, page,
                          (enum sp_hint)outside_random(outside, SP_HINT_SCRATCH + 1));
        outside_leave(outside);
        break;
    default:
        pin_or_unpin(outside, page);
        break;
    }
}

void outside_step(struct outside *outside)
{
    uint32_t dice = outside_random(outside, 16);

    outside->step++;
    if (dice < 7)
        thread_step(outside, outside_random(outside, OUTSIDE_THREADS));
    else if (dice < 12 && outside->ops > 0)
        outside_op_progress(outside, outside_random(outside, outside->ops));
    else if (dice < 14)
        server_step(outside);
    else
        program_step(outside);
    outside_check(outside);
}

/* ---- Coming to an end ---- */

static void fault_to_its_end(struct outside *outside, sp_page page, bool write)
{
    uint32_t rounds = ROUNDS_MOST + outside->owed;

    while (!kernel_permits(outside, page, write)) {
        enum pager_verdict verdict;

        outside_require(outside, rounds-- > 0, "a fault does not come to its end");
        pager_growth_possible(&outside->pager);
        outside_enter(outside, 0, write);
        verdict = pager_fault(&outside->pager, page, write);
        outside_leave(outside);
        check_verdict(outside, verdict, page, write);
        if (verdict == PAGER_WAIT_GROWTH)
            outside_require(outside, outside->owed > 0, "physmem has frames, and is not asked");
        if (verdict == PAGER_STUCK || verdict == PAGER_WAIT_GROWTH || verdict == PAGER_DEAD)
            return;
        outside_drain(outside);
        outside_check(outside);
    }
    touch(outside, page, write);
}

void outside_settle(struct outside *outside)
{
    outside->generous = true;
    outside_take(outside, 0);
    outside_drain(outside);
    outside_check(outside);
    for (uint32_t i = 0; i < OUTSIDE_THREADS; i++) {
        const struct outside_thread *thread = &outside->thread[i];

        outside_require(outside, thread->calls == 0 && thread->state != THREAD_CALL,
                        "a thread waits for what has ended");
        if (thread->state != THREAD_IDLE)
            fault_to_its_end(outside, thread->page, thread->write);
    }
    for (uint32_t i = 0; i < 4; i++) {
        sp_page page = random_page(outside);

        if (page != SP_NO_PAGE)
            fault_to_its_end(outside, page, outside_random(outside, 2) == 0);
    }
    for (uint32_t i = 0; i < OUTSIDE_THREADS; i++)
        outside->thread[i].state = THREAD_IDLE;
    outside->generous = false;
}

static void return_everything(struct outside *outside)
{
    uint32_t rounds = 2 + outside->allocated;

    pager_growth_allow(&outside->pager, 0, 0);
    outside_enter(outside, -1, false);
    pager_debts_owe(&outside->pager, UINT32_MAX);
    outside_leave(outside);
    outside->owed = outside->allocated;
    while (outside->owed > 0) {
        outside_require(outside, rounds-- > 0, "not everything is returned");
        outside_enter(outside, -1, false);
        pager_debts_pay(&outside->pager, PAGER_BATCH, false);
        outside_leave(outside);
        outside_drain(outside);
        outside_check(outside);
    }
}

void outside_fini(struct outside *outside)
{
    struct pager *pager = &outside->pager;

    outside_settle(outside);
    outside->generous = true;
    for (sp_page page = 0; page < outside->options.pages; page++)
        while (outside->page[page].pins > 0)
            unpin(outside, page);
    if (outside_random(outside, 2) == 0)
        return_everything(outside);
    for (uint32_t i = 0; i < pager->regions; i++)
        if (pager->region[i].pages > 0)
            region_destroy(outside, &pager->region[i]);
    outside_check(outside);
    return_everything(outside);
    outside_require(outside,
                    pager->maps == 0 && pager->held == 0 && pager->with_policy == 0 &&
                        pager->dirty == 0 && outside->stats.pages == 0 &&
                        outside->stats.resident == 0 &&
                        strict_policy_count(pager->policy_state) == 0,
                    "something is left");
    free(outside->stack);
    free(outside->memory);
    free(outside->page);
    free(outside->slot);
    free(outside->swap);
    free(outside->swap_used);
}
