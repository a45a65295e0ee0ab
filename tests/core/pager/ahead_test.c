/* Read-ahead: which pages are loaded with the one that is needed, and what is made of their fate. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/pager/env.h"
#include "core/pager/judge.h"
#include "core/pager/slots.h"
#include "story.h"

#define PAGES      400u
#define FRAMES     256u
#define READ_AHEAD 31u
#define LOADS_MOST 64u

/* What the last reference loaded, in the order of the effects. */
struct loads {
    uint32_t count;
    sp_page page[LOADS_MOST];
};

static void answer(struct story *story, const struct pager_effect *effect, struct loads *loads)
{
    switch (effect->kind) {
    case EFFECT_STORE: /* a page's slot has its number */
        pager_evict_stored(&story->pager, effect->page, effect->page, 0);
        break;
    case EFFECT_LOAD:
        assert_true(loads->count < LOADS_MOST);
        loads->page[loads->count++] = effect->page;
        break;
    default:
        break;
    }
}

static void answer_all(struct story *story, struct loads *loads)
{
    story_take_effects(story);
    while (story->effects > 0) {
        struct pager_effect effect = story_expect(story, story->effect[0].kind, SP_NO_PAGE);

        answer(story, &effect, loads);
        story_take_effects(story);
    }
}

/* Refer to a page. What it loads comes, if `comes`. */
static struct loads refer(struct story *story, sp_page page, bool write)
{
    struct loads loads = {0};
    enum pager_verdict verdict;

    do {
        verdict = pager_fault(&story->pager, page, write);
        answer_all(story, &loads);
        assert_true(verdict == PAGER_DONE || verdict == PAGER_CALL || verdict == PAGER_WAIT_STORE);
    } while (verdict == PAGER_WAIT_STORE);
    for (uint32_t i = 0; i < loads.count; i++) {
        struct loads none = {0};

        pager_fault_loaded(&story->pager, loads.page[i], true, true,
                           write && loads.page[i] == page);
        answer_all(story, &none);
        assert_int_equal(none.count, 0);
    }
    assert_null(pager_check(&story->pager));
    return loads;
}

/* Pages 0 to PAGES - 1 were written in sequence; the last of them are in memory, the others in swap. */
static struct story *scanned(const struct sp_policy *policy)
{
    struct story *story = story_begin_ahead(policy, PAGES, FRAMES, READ_AHEAD);

    assert_int_equal(pager_regions_create(&story->pager, PAGES, SP_PRECIOUS, false, false), 0);
    story_get_frames(story, FRAMES, true);
    for (sp_page page = 0; page < PAGES; page++)
        assert_int_equal(refer(story, page, true).count, 0);
    assert_int_equal(story->pager.page[0].state, PAGE_SWAPPED);
    assert_int_equal(story->pager.page[100].state, PAGE_SWAPPED);
    return story;
}

static void expect_loads(const struct loads *loads, sp_page first, uint32_t count, uint32_t step)
{
    assert_int_equal(loads->count, count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(loads->page[i], first + i * step);
}

static void a_second_neighbour_begins_a_run_that_doubles(void **state)
{
    struct story *story = scanned(&policy_fifo);
    struct loads loads;

    (void)state;
    loads = refer(story, 0, false);
    expect_loads(&loads, 0, 1, 1);
    loads = refer(story, 1, false);
    expect_loads(&loads, 1, 5, 1); /* itself and four */
    for (sp_page page = 2; page < 6; page++)
        assert_int_not_equal(story->pager.page[page].flags & PAGE_MAPPED, 0); /* without a fault */
    loads = refer(story, 6, false);
    expect_loads(&loads, 6, 9, 1);
    loads = refer(story, 15, false);
    expect_loads(&loads, 15, 17, 1);
    loads = refer(story, 32, false);
    expect_loads(&loads, 32, 32, 1); /* the most: 31 and itself */
    assert_int_equal(story->stats.read_ahead, 4 + 8 + 16 + 31);
    assert_int_equal(story->stats.read_ahead_used, 4 + 8 + 16);
    story_end(story);
}

static void a_run_goes_down_too_and_loads_in_ascending_order(void **state)
{
    struct story *story = scanned(&policy_fifo);
    struct loads loads;

    (void)state;
    (void)refer(story, 100, false);
    loads = refer(story, 99, false);
    expect_loads(&loads, 95, 5, 1);
    loads = refer(story, 94, false);
    expect_loads(&loads, 86, 9, 1);
    story_end(story);
}

static void a_stride_needs_three_faults(void **state)
{
    struct story *story = scanned(&policy_fifo);
    struct loads loads;

    (void)state;
    (void)refer(story, 10, false);
    loads = refer(story, 17, false);
    expect_loads(&loads, 17, 1, 1);
    loads = refer(story, 24, false);
    expect_loads(&loads, 24, 5, 7);
    loads = refer(story, 59, false);
    expect_loads(&loads, 59, 9, 7);
    story_end(story);
}

static void two_runs_go_on_side_by_side(void **state)
{
    struct story *story = scanned(&policy_fifo);
    struct loads loads;

    (void)state;
    (void)refer(story, 0, false);
    (void)refer(story, 70, false);
    loads = refer(story, 1, false);
    expect_loads(&loads, 1, 5, 1);
    loads = refer(story, 71, false);
    expect_loads(&loads, 71, 5, 1);
    loads = refer(story, 6, false);
    expect_loads(&loads, 6, 9, 1);
    story_end(story);
}

static void faults_without_order_load_nothing_ahead(void **state)
{
    struct story *story = scanned(&policy_fifo);

    (void)state;
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(refer(story, i * 29 % 116, false).count, 1);
    assert_int_equal(story->stats.read_ahead, 0);
    story_end(story);
}

static void a_run_ends_with_its_region(void **state)
{
    struct story *story = story_begin_ahead(&policy_fifo, PAGES, 128, READ_AHEAD);

    (void)state;
    assert_int_equal(pager_regions_create(&story->pager, 40, SP_PRECIOUS, false, false), 0);
    assert_int_equal(pager_regions_create(&story->pager, 300, SP_PRECIOUS, false, false), 41);
    story_get_frames(story, 128, true);
    for (sp_page page = 0; page < 341; page++)
        if (page != 40)
            (void)refer(story, page, true);
    (void)refer(story, 36, false);
    assert_int_equal(refer(story, 37, false).count, 3); /* 37, 38, 39 */
    story_end(story);
}

static void what_is_read_for_nothing_is_counted_and_bounds_the_next(void **state)
{
    struct story *story = scanned(&policy_fifo);
    uint32_t most = story->pager.ahead.most;

    (void)state;
    assert_int_equal(most, READ_AHEAD);
    /* Begin a run, and leave it; others take the frames. */
    for (uint32_t round = 0; round < 60 && story->pager.ahead.most == most; round++) {
        sp_page at = round * 6 % 360;

        (void)refer(story, at, false);
        (void)refer(story, at + 1, false);
        for (sp_page page = 1; page < 30; page++)
            (void)refer(story, (at + 100 + page * 37) % PAGES, false);
    }
    assert_true(story->stats.read_ahead_wasted > 0);
    assert_true(story->stats.read_ahead_wasted + story->stats.read_ahead_used <=
                story->stats.read_ahead);
    assert_true(story->pager.ahead.most < most);
    story_end(story);
}

static void a_page_that_faults_or_is_written_was_used(void **state)
{
    struct story *story = scanned(&policy_fifo);

    (void)state;
    (void)refer(story, 0, false);
    (void)refer(story, 1, false);
    assert_true(story->pager.page[3].ahead);
    assert_int_equal(refer(story, 3, true).count, 0);
    assert_false(story->pager.page[3].ahead);
    assert_int_equal(story->stats.read_ahead_used, 1);
    story_end(story);
}

static void a_page_that_cannot_be_read_ahead_stays_in_swap(void **state)
{
    struct story *story = scanned(&policy_fifo);
    struct loads loads = {0};

    (void)state;
    (void)refer(story, 0, false);
    assert_int_equal(pager_fault(&story->pager, 1, false), PAGER_CALL);
    answer_all(story, &loads);
    expect_loads(&loads, 1, 5, 1);
    for (uint32_t i = 0; i < loads.count; i++) {
        assert_int_equal(story->pager.page[loads.page[i]].ahead, loads.page[i] != 1);
        pager_fault_loaded(&story->pager, loads.page[i], loads.page[i] != 3, true, false);
    }
    story_forget_effects(story);
    assert_int_equal(story->pager.page[3].state, PAGE_SWAPPED);
    assert_int_equal(story->pager.page[4].state, PAGE_RESIDENT);
    assert_int_equal(refer(story, 3, false).page[0], 3);
    story_end(story);
}

static void the_last_free_frames_are_left_to_faults(void **state)
{
    struct story *story = scanned(&policy_fifo);

    (void)state;
    for (sp_page page = 0; page < 120;) {
        struct loads loads = {0};

        assert_int_equal(pager_fault(&story->pager, page, false), PAGER_CALL);
        assert_true(story->pager.free > 0);
        answer_all(story, &loads);
        for (uint32_t i = 0; i < loads.count; i++)
            pager_fault_loaded(&story->pager, loads.page[i], true, true, false);
        story_forget_effects(story);
        page += loads.count;
    }
    assert_null(pager_check(&story->pager));
    story_end(story);
}

static void neighbours_come_and_go_by_one_call(void **state)
{
    struct story *story = scanned(&policy_fifo);
    struct pager *pager = &story->pager;
    struct pager_effect effect;
    struct loads loads = {0};
    uint32_t calls = 0, pages = 0;

    (void)state;
    (void)refer(story, 0, false);
    assert_int_equal(pager_fault(pager, 1, false), PAGER_CALL);
    answer_all(story, &loads);
    for (uint32_t i = 0; i < loads.count; i++)
        pager_fault_loaded(pager, loads.page[i], true, true, false);
    while (pager_next_effect(pager, &effect)) {
        if (effect.kind != EFFECT_MAP)
            continue;
        pages += pager_next_neighbours(pager, &effect);
        calls++;
    }
    assert_int_equal(pages, 5);
    assert_int_equal(calls, 1);
    story_end(story);
}

/* An UNMAP passes the stores between, and nothing else. */
static void neighbours_are_unmapped_by_one_call_before_their_stores(void **state)
{
    struct story *story = story_begin_region(SP_PRECIOUS, 40, 32);
    struct pager *pager = &story->pager;
    struct pager_effect effect;
    uint32_t stores = 0;
    sp_page first;

    (void)state;
    story_touch(story, 0, 28, true);
    pager_debts_owe(pager, 10);
    (void)pager_debts_pay(pager, 10, false);
    while (pager_next_effect(pager, &effect) && effect.kind != EFFECT_UNMAP)
        ;
    assert_int_equal(effect.kind, EFFECT_UNMAP);
    first = effect.page;
    assert_true(pager_next_neighbours(pager, &effect) > 3);
    while (pager_next_effect(pager, &effect)) {
        assert_int_equal(effect.kind, EFFECT_STORE);
        assert_int_equal(effect.page, first + stores++);
    }
    assert_true(stores > 3);
    story_end(story);
}

/* ---- What a policy sees of it ---- */

/* A run has had pages 2 to 5 read with page 1, and 7 to 14 with page 6, under a policy that watches new pages. */
static struct story *cluster(void)
{
    struct story *story = scanned(&policy_clock);

    (void)refer(story, 0, false);
    (void)refer(story, 1, false);
    assert_int_equal(refer(story, 6, false).count, 9);
    return story;
}

static void a_page_read_ahead_is_not_watched_before_its_run_goes_on(void **state)
{
    struct story *story = cluster();
    const struct pager_page *page = story->pager.page;

    (void)state;
    /* Eight newer pages have come since page 6, which would else be watched. */
    for (sp_page i = 6; i < 15; i++)
        assert_int_equal(page[i].protection, PAGE_READ);
    assert_true(page[6].watch);
    env_watch_waiting(&story->pager);
    assert_int_equal(page[1].protection, 0);
    assert_int_equal(page[6].protection, PAGE_READ);
    (void)refer(story, 15, false);
    env_watch_waiting(&story->pager);
    for (sp_page i = 6; i < 15; i++)
        assert_int_equal(page[i].protection, 0);
    assert_false(page[6].watch);
    story_forget_effects(story);
    story_end(story);
}

static void neighbours_are_watched_by_one_call(void **state)
{
    struct story *story = cluster();
    struct pager_effect effect;
    uint32_t calls = 0, pages = 0;

    (void)state;
    env_watch_waiting(&story->pager);
    story_forget_effects(story);
    assert_int_equal(pager_fault(&story->pager, 15, false), PAGER_CALL);
    while (pager_next_effect(&story->pager, &effect)) {
        if (effect.kind != EFFECT_PROTECT)
            continue;
        assert_int_equal(effect.page, 6);
        pages += pager_next_neighbours(&story->pager, &effect);
        calls++;
    }
    assert_int_equal(calls, 1);
    assert_true(pages > 0);
    story_end(story);
}

static void a_policy_that_asks_before_hears_that_it_was_referenced(void **state)
{
    struct story *story = cluster();
    struct sp_policy_env *env = &story->pager.env;

    (void)state;
    assert_true(env->referenced(env, 9));
    assert_int_equal(story->pager.page[9].protection, 0);
    assert_false(env->referenced(env, 9));
    env->watch(env, 10);
    assert_int_equal(story->pager.page[10].protection, PAGE_READ);
    story_forget_effects(story);
    story_end(story);
}

/* A run is left: its pages are like others when they come again. */
static void a_page_that_comes_again_is_not_open(void **state)
{
    struct story *story = cluster();
    struct pager *pager = &story->pager;
    struct loads loads = {0};

    (void)state;
    assert_true(pager->page[8].open);
    assert_int_equal(pager_discard(pager, 8), 1);
    assert_int_equal(pager_fault(pager, 8, true), PAGER_DONE);
    answer_all(story, &loads);
    assert_false(pager->page[8].open);
    assert_false(pager->page[8].watch);
    story_end(story);
}

/* ---- Evictions while a load is under way ---- */

/* A fault that finds few frames free loads first, and has nothing evicted before its load has begun. */
static void pages_leave_once_a_load_has_begun(void **state)
{
    struct story *story = scanned(&policy_fifo);
    struct pager *pager = &story->pager;
    struct loads loads = {0};
    uint64_t evictions = 0;
    uint32_t faults = 0;

    (void)state;
    pager->config.evicts_later = true;
    for (; pager->late_wanted == 0; faults++) {
        evictions = story->stats.evictions;
        assert_int_equal(pager_fault(pager, faults * 29 % 116, false), PAGER_CALL);
        assert_int_equal(story->stats.evictions, evictions);
        answer_all(story, &loads);
        assert_true(pager->free > slots_low(pager));
    }
    assert_true(pager_ahead_evict(pager, 1));
    assert_int_equal(story->stats.evictions, evictions + 1);
    while (pager_ahead_evict(pager, 3))
        answer_all(story, &loads);
    answer_all(story, &loads);
    assert_int_equal(pager->free, slots_high(pager));
    assert_int_equal(loads.count, faults);
    for (uint32_t i = 0; i < loads.count; i++)
        pager_fault_loaded(pager, loads.page[i], true, true, false);
    story_forget_effects(story);
    assert_false(pager_ahead_evict(pager, 8));
    story_end(story);
}

static void a_window_has_its_frames_again_once_it_is_under_way(void **state)
{
    struct story *story = scanned(&policy_fifo);
    struct pager *pager = &story->pager;

    (void)state;
    pager->config.evicts_later = true;
    for (sp_page page = 0; page < 120;) {
        struct loads loads = {0};

        assert_int_equal(pager_fault(pager, page, false), PAGER_CALL);
        answer_all(story, &loads);
        page += loads.count;
        while (pager_ahead_evict(pager, 8))
            answer_all(story, &loads);
        answer_all(story, &loads);
        if (loads.count > 1)
            assert_true(pager->free + pager->leaving >= slots_high(pager) + loads.count - 1);
        for (uint32_t i = 0; i < loads.count; i++)
            pager_fault_loaded(pager, loads.page[i], true, true, false);
        story_forget_effects(story);
    }
    assert_true(story->stats.read_ahead > 60);
    story_end(story);
}

/* ---- Frames ---- */

static void frames_of_loads_lie_side_by_side_in_whichever_order_they_came_free(void **state)
{
    static const sp_page order[] = {302, 300, 303, 301};
    struct story *story = scanned(&policy_fifo);
    struct pager *pager = &story->pager;
    uint32_t first = pager->page[300].slot;
    uint32_t slot, loads = 0;

    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(pager->page[order[i]].slot, first + order[i] - 300);
        assert_int_equal(pager_discard(pager, order[i]), 1);
    }
    story_forget_effects(story);
    /* Others that have been free longer are taken before. */
    do {
        (void)refer(story, 2 * loads, false);
        slot = pager->page[2 * loads].slot;
        loads++;
    } while (slot - first >= 4 && loads < 50);
    for (uint32_t i = 0; i < 4; i++, loads++) {
        assert_int_equal(slot, first + i);
        (void)refer(story, 2 * loads, false);
        slot = pager->page[2 * loads].slot;
    }
    story_end(story);
}

static bool refuse_odd(void *self, sp_page page)
{
    (void)self;
    return page % 2 == 0;
}

static void a_policy_may_refuse(void **state)
{
    struct sp_policy policy = policy_fifo;
    struct story *story;
    struct loads loads;

    (void)state;
    policy.ahead = refuse_odd;
    story = scanned(&policy);
    (void)refer(story, 0, false);
    loads = refer(story, 1, false);
    assert_int_equal(loads.count, 3);
    assert_int_equal(loads.page[1], 2);
    assert_int_equal(loads.page[2], 4);
    story_end(story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_neighbour_begins_a_run_that_doubles),
        cmocka_unit_test(a_run_goes_down_too_and_loads_in_ascending_order),
        cmocka_unit_test(a_stride_needs_three_faults),
        cmocka_unit_test(two_runs_go_on_side_by_side),
        cmocka_unit_test(faults_without_order_load_nothing_ahead),
        cmocka_unit_test(a_run_ends_with_its_region),
        cmocka_unit_test(what_is_read_for_nothing_is_counted_and_bounds_the_next),
        cmocka_unit_test(a_page_that_faults_or_is_written_was_used),
        cmocka_unit_test(a_page_that_cannot_be_read_ahead_stays_in_swap),
        cmocka_unit_test(the_last_free_frames_are_left_to_faults),
        cmocka_unit_test(neighbours_come_and_go_by_one_call),
        cmocka_unit_test(neighbours_are_unmapped_by_one_call_before_their_stores),
        cmocka_unit_test(a_page_read_ahead_is_not_watched_before_its_run_goes_on),
        cmocka_unit_test(neighbours_are_watched_by_one_call),
        cmocka_unit_test(a_policy_that_asks_before_hears_that_it_was_referenced),
        cmocka_unit_test(a_page_that_comes_again_is_not_open),
        cmocka_unit_test(pages_leave_once_a_load_has_begun),
        cmocka_unit_test(a_window_has_its_frames_again_once_it_is_under_way),
        cmocka_unit_test(frames_of_loads_lie_side_by_side_in_whichever_order_they_came_free),
        cmocka_unit_test(a_policy_may_refuse),
    };

    return cmocka_run_group_tests_name("pager_ahead", tests, NULL, NULL);
}
