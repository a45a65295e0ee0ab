/* Pages that have no contents yet are brought in before they are touched: many by one call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/pager/pager.h"
#include "story.h"

static uint32_t populate(struct story *story, sp_page page, uint32_t count, bool *growsp)
{
    uint32_t looked = pager_advice_populate(&story->pager, page, count, growsp);

    story_take_effects(story);
    return looked;
}

static void pages_are_cleared_and_then_mapped_for_writing(void **state)
{
    struct story *story = story_begin(&policy_fifo, 20, 8, 0, UINT32_MAX);
    bool grows;

    (void)state;
    pager_regions_create(&story->pager, 10, SP_PRECIOUS, false, false);
    story_get_frames(story, 8, false);
    assert_int_equal(populate(story, 2, 3, &grows), 3);
    assert_false(grows);
    for (int i = 0; i < 3; i++)
        story_expect(story, EFFECT_CLEAR, SP_NO_PAGE);
    for (sp_page page = 2; page < 5; page++)
        story_expect_mapping(story, EFFECT_MAP, page, RW);
    /* A touch is no fault any more, and what it writes is not lost. */
    assert_int_equal(story_writes(story, 3), PAGER_DONE);
    assert_int_equal(story->effects, 0);
    assert_int_equal(story->stats.faults, 0);
    assert_int_equal(story->pager.dirty, 3);
    assert_int_equal(story->stats.resident, 3);
    /* They are there now. */
    assert_int_equal(populate(story, 2, 3, &grows), 3);
    assert_int_equal(story->effects, 0);
    story_end(story);
}

/* Frames at hand are used, but for the last ones; then physmem is asked, and nothing is evicted. */
static void more_pages_than_frames_at_hand_grow(void **state)
{
    struct story *story = story_begin(&policy_fifo, 100, 64, 0, UINT32_MAX);
    struct pager_effect effect;
    bool grows;

    (void)state;
    pager_regions_create(&story->pager, 90, SP_DISCARDABLE, false, false);
    assert_int_equal(populate(story, 0, 20, &grows), 0);
    assert_true(grows);
    effect = story_expect(story, EFFECT_ALLOCATE, SP_NO_PAGE);
    /* Nobody asks twice. */
    assert_int_equal(populate(story, 0, 20, &grows), 0);
    assert_false(grows);
    pager_growth_allocated(&story->pager, effect.slot, effect.count, RW, true);
    assert_int_equal(populate(story, 0, 20, &grows), effect.count);
    assert_true(grows);
    for (sp_page page = 0; page < effect.count; page++)
        story_expect_mapping(story, EFFECT_MAP, page, RW);
    story_expect(story, EFFECT_ALLOCATE, SP_NO_PAGE);
    story_end(story);
}

static void the_last_frames_and_owed_ones_are_left_alone(void **state)
{
    struct story *story = story_begin_region(SP_DISCARDABLE, 60, 32);
    bool grows;

    (void)state;
    assert_int_equal(populate(story, 0, 60, &grows), 30);
    assert_false(grows);
    assert_int_equal(story->pager.free, 2);
    story_forget_effects(story);
    assert_int_equal(pager_discard(&story->pager, 0), 1);
    story_forget_effects(story);
    story->pager.owed = 1;
    assert_int_equal(populate(story, 0, 1, &grows), 0);
    story->pager.owed = 0;
    story_end(story);
}

static void pages_that_a_callback_makes_are_passed_over(void **state)
{
    struct story *story = story_begin(&policy_fifo, 20, 8, 0, UINT32_MAX);
    bool grows;

    (void)state;
    pager_regions_create(&story->pager, 10, SP_REMANUFACTURABLE, false, true);
    story_get_frames(story, 8, true);
    assert_int_equal(populate(story, 0, 5, &grows), 5);
    assert_int_equal(story->stats.resident, 0);
    story_end(story);
}

/* A policy watches older pages as new ones come: one call maps them all nevertheless, and one protects
 * those that are watched. */
static void one_call_maps_pages_that_a_policy_watches_between(void **state)
{
    struct story *story = story_begin(&policy_clock, 100, 40, 0, UINT32_MAX);
    struct pager *pager = &story->pager;
    struct pager_effect effect;
    uint32_t maps = 0, protects = 0, mapped = 0, protected = 0;
    bool grows;

    (void)state;
    pager_regions_create(pager, 90, SP_DISCARDABLE, true, false);
    story_get_frames(story, 40, true);
    assert_int_equal(pager_advice_populate(pager, 0, 32, &grows), 32);
    while (pager_next_effect(pager, &effect)) {
        uint32_t count = pager_next_neighbours(pager, &effect);

        assert_true(effect.kind == EFFECT_MAP || effect.kind == EFFECT_PROTECT);
        maps += effect.kind == EFFECT_MAP;
        mapped += effect.kind == EFFECT_MAP ? count : 0;
        protects += effect.kind == EFFECT_PROTECT;
        protected += effect.kind == EFFECT_PROTECT ? count : 0;
    }
    assert_int_equal(mapped, 32);
    assert_true(protected > 16);
    /* Extents end within the run. */
    assert_true(maps <= 1 + 32 / pager->config.extent_pages);
    assert_int_equal(protects, 1);
    story_end(story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_cleared_and_then_mapped_for_writing),
        cmocka_unit_test(more_pages_than_frames_at_hand_grow),
        cmocka_unit_test(the_last_frames_and_owed_ones_are_left_alone),
        cmocka_unit_test(pages_that_a_callback_makes_are_passed_over),
        cmocka_unit_test(one_call_maps_pages_that_a_policy_watches_between),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
