/* How pages come to be watched: which areas the kernel has to register for that, and which pages wait for others. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/pager/env.h"
#include "story.h"

#define MANY 256u

static bool was_referenced;

static bool referenced(void *arg, sp_page page)
{
    (void)arg;
    (void)page;
    return was_referenced;
}

/* Page 10 was written, and nothing beside it; references are noted by the kernel. */
static struct story *one_alone(void)
{
    struct story *story = story_begin_region(SP_PRECIOUS, 40, 32);

    story->pager.config.referenced = referenced;
    was_referenced = false;
    story_touch(story, 10, 1, true);
    story_forget_effects(story);
    return story;
}

static void watch(struct story *story, sp_page page)
{
    story->pager.env.watch(&story->pager.env, page);
}

static void a_page_that_is_alone_is_watched_without_registering_it(void **state)
{
    struct story *story = one_alone();

    (void)state;
    watch(story, 10);
    assert_true(story_expect(story, EFFECT_ARM, 10).watched);
    assert_null(pager_check(&story->pager));
    story_touch(story, 20, 2, true);
    story_forget_effects(story);
    watch(story, 20);
    assert_false(story_expect(story, EFFECT_ARM, 20).watched);
    assert_null(pager_check(&story->pager));
    story_end(story);
}

/* The kernel would make one area of both, and bring back both for a reference to one. */
static void its_area_is_registered_before_it_gets_a_neighbour(void **state)
{
    struct story *story = one_alone();

    (void)state;
    watch(story, 10);
    story_expect(story, EFFECT_ARM, 10);
    assert_int_equal(story_writes(story, 11), PAGER_DONE);
    assert_int_equal(story->pager.page[11].slot, story->pager.page[10].slot + 1);
    assert_false(story_expect(story, EFFECT_ARM, 10).watched);
    story_expect(story, EFFECT_MAP, 11);
    assert_null(pager_check(&story->pager));
    story_end(story);
}

static void it_is_watched_no_more_if_it_was_referenced_before(void **state)
{
    struct story *story = one_alone();
    struct sp_policy_env *env = &story->pager.env;

    (void)state;
    watch(story, 10);
    story_expect(story, EFFECT_ARM, 10);
    was_referenced = true;
    assert_int_equal(story_writes(story, 11), PAGER_DONE);
    story_expect(story, EFFECT_MAP, 11);
    was_referenced = false; /* nobody may ask now */
    assert_true(env->referenced(env, 10));
    story_forget_effects(story);
    assert_null(pager_check(&story->pager));
    story_end(story);
}

static uint32_t watched_pages(const struct story *story)
{
    uint32_t count = 0;

    for (sp_page page = 0; page < MANY; page++)
        count += (story->pager.page[page].flags & PAGE_MAPPED) != 0 &&
                 story->pager.page[page].protection == 0;
    return count;
}

/* CLOCK has the ninth newest page watched, one at a time. */
static void pages_wait_for_others_or_for_an_eviction(void **state)
{
    struct story *story = story_begin(&policy_clock, 2 * MANY, MANY, 0, 10000);

    (void)state;
    assert_int_equal(pager_regions_create(&story->pager, MANY, SP_PRECIOUS, false, false), 0);
    story_get_frames(story, MANY, true);
    story_touch(story, 0, 8 + MANY / 64, true);
    story_forget_effects(story);
    assert_int_equal(story->pager.watching, MANY / 64);
    assert_int_equal(watched_pages(story), 0);
    story_touch(story, 8 + MANY / 64, 1, true);
    story_forget_effects(story);
    assert_int_equal(watched_pages(story), MANY / 64);
    assert_int_equal(story->pager.watching, 1);
    pager_debts_owe(&story->pager, MANY - 1);
    (void)pager_debts_pay(&story->pager, 1, false);
    story_forget_effects(story);
    (void)pager_debts_pay(&story->pager, MANY, false);
    story_forget_effects(story);
    assert_null(pager_check(&story->pager));
    story_end(story);
}

/* A policy that asks hears what it hears of any page whose use cannot be seen, and the page is watched from then on. */
static void one_that_is_asked_about_does_not_wait(void **state)
{
    struct story *story = story_begin(&policy_clock, 2 * MANY, MANY, 0, 10000);
    struct sp_policy_env *env = &story->pager.env;

    (void)state;
    assert_int_equal(pager_regions_create(&story->pager, MANY, SP_PRECIOUS, false, false), 0);
    story_get_frames(story, MANY, true);
    story_touch(story, 0, 10, true);
    assert_int_equal(story->pager.watching, 2);
    assert_true(env->referenced(env, 0));
    assert_false(env->referenced(env, 0));
    assert_int_equal(watched_pages(story), 1);
    env_watch_waiting(&story->pager);
    assert_int_equal(watched_pages(story), 2);
    story_forget_effects(story);
    story_end(story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_that_is_alone_is_watched_without_registering_it),
        cmocka_unit_test(its_area_is_registered_before_it_gets_a_neighbour),
        cmocka_unit_test(it_is_watched_no_more_if_it_was_referenced_before),
        cmocka_unit_test(pages_wait_for_others_or_for_an_eviction),
        cmocka_unit_test(one_that_is_asked_about_does_not_wait),
    };

    return cmocka_run_group_tests_name("core_pager_watch", tests, NULL, NULL);
}
