/* Pages that are unmapped after others have called the pager again: they are going. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "story.h"

#define PAGES  400u
#define FRAMES 256u

/* Take the effects of a call. Stores end well, except those of pages that are going, which have not begun. */
static void answer(struct story *story)
{
    story_take_effects(story);
    while (story->effects > 0) {
        struct pager_effect effect = story_expect(story, story->effect[0].kind, SP_NO_PAGE);

        if (effect.kind == EFFECT_STORE && !story->pager.page[effect.page].going)
            pager_evict_stored(&story->pager, effect.page, effect.page, 0);
        story_take_effects(story);
    }
}

static void refer(struct story *story, sp_page page, bool write)
{
    enum pager_verdict verdict;

    do {
        verdict = pager_fault(&story->pager, page, write);
        answer(story);
    } while (verdict == PAGER_WAIT_STORE);
    if (verdict == PAGER_CALL)
        pager_fault_loaded(&story->pager, page, true, true, write);
    answer(story);
}

/* One page is going: the oldest one, which was written if `dirty`, and is in swap otherwise. */
static struct story *one_goes(bool dirty, sp_page *page)
{
    struct story *story = story_begin_ahead(&policy_fifo, PAGES, FRAMES, 31);
    struct pager *pager = &story->pager;
    sp_page next = 0;

    assert_int_equal(pager_regions_create(pager, PAGES, SP_PRECIOUS, false, false), 0);
    story_get_frames(story, FRAMES, true);
    for (sp_page n = 0; n < PAGES; n++)
        refer(story, n, true);
    if (!dirty)
        for (uint32_t n = 0; pager->dirty > 0 && n < PAGES; n++) {
            pager_evict_clean(pager, FRAMES);
            answer(story);
        }
    pager->config.evicts_later = pager->config.evicts_apart = true;
    while (pager->late_wanted == 0)
        refer(story, next++ * 29 % 116, false);
    pager_ahead_evict(pager, 1);
    story_take_effects(story);
    *page = story->effect[0].page;
    assert_true(story_expect(story, EFFECT_UNMAP, *page).apart);
    assert_true(pager->page[*page].going);
    assert_int_equal(pager->page[*page].flags & PAGE_DIRTY, dirty ? PAGE_DIRTY : 0);
    if (dirty)
        story_expect(story, EFFECT_STORE, *page);
    assert_null(pager_check(pager));
    return story;
}

static void a_page_that_is_going_keeps_its_frame(void **state)
{
    sp_page page;
    struct story *story = one_goes(false, &page);
    uint32_t free = story->pager.free;

    (void)state;
    assert_int_equal(story->pager.leaving, 1);
    assert_true(pager_evict_unmapped(&story->pager, page));
    assert_int_equal(story->pager.page[page].state, PAGE_SWAPPED);
    assert_int_equal(story->pager.free, free + 1);
    assert_int_equal(story->pager.leaving, 0);
    story_end(story);
}

static void a_fault_on_it_waits_and_a_discard_too(void **state)
{
    sp_page page;
    struct story *story = one_goes(false, &page);

    (void)state;
    assert_int_equal(story_reads(story, page), PAGER_WAIT);
    assert_int_equal(pager_discard(&story->pager, page), -1);
    assert_true(pager_evict_unmapped(&story->pager, page));
    assert_int_equal(story_reads(story, page), PAGER_CALL);
    story_expect(story, EFFECT_LOAD, page);
    pager_fault_loaded(&story->pager, page, true, true, false);
    story_forget_effects(story);
    story_end(story);
}

static void a_dirty_one_leaves_when_it_is_unmapped_and_stored(void **state)
{
    sp_page page;
    struct story *story = one_goes(true, &page);

    (void)state;
    assert_int_equal(story_writes(story, page), PAGER_WAIT);
    assert_false(pager_evict_unmapped(&story->pager, page));
    assert_int_equal(story->pager.page[page].state, PAGE_LEAVING);
    pager_evict_stored(&story->pager, page, 1000, 0);
    assert_int_equal(story->pager.page[page].state, PAGE_SWAPPED);
    story_end(story);
}

/* A store that was sent earlier may be answered first. */
static void an_answer_to_its_store_waits_for_the_unmapping(void **state)
{
    for (int error = 0; error <= EIO; error += EIO) {
        sp_page page;
        struct story *story = one_goes(true, &page);

        pager_evict_stored(&story->pager, page, 1000, error);
        assert_null(pager_check(&story->pager));
        assert_int_equal(story->pager.page[page].state, PAGE_LEAVING);
        assert_true(pager_evict_unmapped(&story->pager, page));
        assert_int_equal(story->pager.page[page].state, error == 0 ? PAGE_SWAPPED : PAGE_RESIDENT);
        assert_null(pager_check(&story->pager));
        story_end(story);
    }
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_that_is_going_keeps_its_frame),
        cmocka_unit_test(a_fault_on_it_waits_and_a_discard_too),
        cmocka_unit_test(a_dirty_one_leaves_when_it_is_unmapped_and_stored),
        cmocka_unit_test(an_answer_to_its_store_waits_for_the_unmapping),
    };

    return cmocka_run_group_tests_name("core_pager_apart", tests, NULL, NULL);
}
