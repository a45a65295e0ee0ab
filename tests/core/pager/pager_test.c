/* The pager, one rule at a time: regions, faults, discarding and pinning, mappings, policies. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/least.h"
#include "core/pager/slots.h"
#include "policy/ahead.h"
#include "story.h"

/* ---- Regions ---- */

static void test_regions(void **state)
{
    struct story *story = story_begin(&policy_fifo, 300, 4, 0, UINT32_MAX);
    struct pager *pager = &story->pager;

    (void)state;
    assert_int_equal(pager_regions_create(pager, 301, SP_PRECIOUS, false, false), SP_NO_PAGE);
    assert_int_equal(pager_regions_create(pager, UINT32_MAX, SP_PRECIOUS, false, false),
                     SP_NO_PAGE);
    assert_int_equal(pager_regions_create(pager, 10, SP_PRECIOUS, false, false), 0);
    assert_int_equal(pager_regions_create(pager, 10, SP_DISCARDABLE, false, false), 11);
    assert_int_equal(story->stats.pages, 20);
    /* The page between them belongs to neither, nor do those that do not exist. */
    assert_int_equal(story_reads(story, 10), PAGER_NO_PAGE);
    assert_int_equal(story_reads(story, 300), PAGER_NO_PAGE);
    assert_int_equal(story_writes(story, SP_NO_PAGE), PAGER_NO_PAGE);
    assert_int_equal(pager_regions_of(pager, 20)->kind, SP_DISCARDABLE);
    pager_regions_destroy(pager, 0);
    assert_null(pager_regions_of(pager, 9));
    assert_int_equal(pager_regions_create(pager, 11, SP_PRECIOUS, false, false), 22);
    assert_int_equal(pager_regions_create(pager, 10, SP_PRECIOUS, false, false), 0);
    assert_int_equal(pager_regions_create(pager, 266, SP_PRECIOUS, false, false), 34);
    assert_int_equal(pager_regions_create(pager, 1, SP_PRECIOUS, false, false), SP_NO_PAGE);
    story_end(story);
}

static void test_too_many_regions(void **state)
{
    struct story *story = story_begin(&policy_fifo, 1000, 4, 0, UINT32_MAX);

    (void)state;
    for (uint32_t i = 0; i < PAGER_REGIONS_MAX; i++)
        assert_int_equal(pager_regions_create(&story->pager, 1, SP_PRECIOUS, false, false), 2 * i);
    assert_int_equal(pager_regions_create(&story->pager, 1, SP_PRECIOUS, false, false), SP_NO_PAGE);
    pager_regions_destroy(&story->pager, 6);
    assert_int_equal(pager_regions_create(&story->pager, 1, SP_PRECIOUS, false, false), 6);
    story_end(story);
}

/* ---- Faults ---- */

static void test_first_touch(void **state)
{
    struct story *story = story_begin(&policy_fifo, 10, 4, 0, UINT32_MAX);
    struct pager_effect effect;

    (void)state;
    pager_regions_create(&story->pager, 10, SP_PRECIOUS, false, false);
    assert_int_equal(story_reads(story, 2), PAGER_CALL);
    effect = story_expect(story, EFFECT_ALLOCATE, SP_NO_PAGE);
    assert_int_equal(effect.slot, 0);
    assert_int_equal(effect.count, 4);
    assert_false(effect.extra);
    assert_int_equal(story_writes(story, 3), PAGER_WAIT);
    pager_growth_allocated(&story->pager, 0, 2, RW, true);
    assert_int_equal(story_reads(story, 2), PAGER_DONE);
    story_expect_mapping(story, EFFECT_MAP, 2, PAGE_READ);
    assert_int_equal(story_writes(story, 3), PAGER_DONE);
    story_expect_mapping(story, EFFECT_MAP, 3, RW);
    /* Neighbours lie side by side. */
    assert_int_equal(story->pager.page[2].slot + 1, story->pager.page[3].slot);
    assert_int_equal(story_writes(story, 2), PAGER_DONE);
    story_expect_mapping(story, EFFECT_PROTECT, 2, RW);
    assert_int_equal(story->stats.faults, 2);
    assert_int_equal(story->stats.soft_faults, 1);
    assert_int_equal(story_writes(story, 2), PAGER_DONE);
    story_end(story);
}

/* A page takes the slot behind that of the page before it, or else the one before that of the page behind it: then one
 * call maps both. */
static void test_neighbours_lie_side_by_side(void **state)
{
    struct story *story = story_begin(&policy_fifo, 64, 8, 0, UINT32_MAX);
    const struct pager_page *page = story->pager.page;

    (void)state;
    pager_regions_create(&story->pager, 64, SP_PRECIOUS, false, false);
    story_get_frames(story, 8, true);
    for (sp_page i = 0; i < 8; i++) /* far from each other: slots as they were given */
        story_touch(story, 8 * i, 1, true);
    assert_int_equal(page[8].slot, 1);
    assert_int_equal(page[40].slot, 5);
    for (sp_page i = 8; i < 64; i += 16) /* slots 1, 3, 5 and 7 are free, 1 for longest */
        assert_int_equal(pager_discard(&story->pager, i), 1);
    story_forget_effects(story);
    story_touch(story, 33, 1, true);
    assert_int_equal(page[33].slot, page[32].slot + 1);
    story_touch(story, 31, 1, true);
    assert_int_equal(page[31].slot, page[32].slot - 1);
    story_touch(story, 24, 1, true); /* nothing lies beside it */
    assert_int_equal(page[24].slot, 1);
    story_end(story);
}

/* Policies reckon with the frames that the pager keeps free (policy/ahead.h), of which it does not tell them. */
static void test_policies_know_how_many_frames_are_kept_free(void **state)
{
    (void)state;
    for (uint32_t held = 1; held < 1000; held++) {
        const struct pager pager = {.held = held, .config.slots = held};
        uint32_t kept = slots_low(&pager);

        assert_in_range(ahead_most(held - kept), kept, least_of(kept + 1, AHEAD_MOST));
    }
}

static void test_recycled_frames_are_cleared(void **state)
{
    struct story *story = story_begin(&policy_fifo, 10, 4, 0, UINT32_MAX);

    (void)state;
    pager_regions_create(&story->pager, 4, SP_PRECIOUS, false, false);
    pager_regions_create(&story->pager, 4, SP_PRECIOUS, true, false);
    story_get_frames(story, 4, false);
    assert_int_equal(story_reads(story, 0), PAGER_DONE);
    assert_int_equal(story_expect(story, EFFECT_CLEAR, SP_NO_PAGE).slot, story->pager.page[0].slot);
    story_expect_mapping(story, EFFECT_MAP, 0, PAGE_READ);
    assert_int_equal(story_reads(story, 5),
                     PAGER_DONE); /* of the region whose contents are undefined */
    story_expect_mapping(story, EFFECT_MAP, 5, PAGE_READ);
    assert_int_equal(story->stats.zeroed, 1);
    story_end(story);
}

static void test_swapping_out_and_in(void **state)
{
    struct story *story = story_begin_region(SP_PRECIOUS, 4, 1);
    struct pager_effect effect;

    (void)state;
    story_touch(story, 0, 1, true);
    assert_int_equal(story_reads(story, 1), PAGER_WAIT_STORE);
    story_expect(story, EFFECT_UNMAP, 0);
    effect = story_expect(story, EFFECT_STORE, 0);
    assert_int_equal(effect.swap, PAGER_NONE);
    assert_int_equal(story_reads(story, 1), PAGER_WAIT_STORE);
    pager_evict_stored(&story->pager, 0, 77, 0);
    assert_int_equal(story->pager.page[0].state, PAGE_SWAPPED);
    assert_int_equal(story_reads(story, 1), PAGER_DONE);
    story_expect(story, EFFECT_CLEAR, SP_NO_PAGE);
    story_expect_mapping(story, EFFECT_MAP, 1, PAGE_READ);
    /* Page 1 was never written: it just goes. */
    assert_int_equal(story_writes(story, 0), PAGER_CALL);
    story_expect(story, EFFECT_UNMAP, 1);
    assert_int_equal(story->pager.page[1].state, PAGE_ABSENT);
    effect = story_expect(story, EFFECT_LOAD, 0);
    assert_int_equal(effect.swap, 77);
    assert_int_equal(story_reads(story, 0), PAGER_WAIT);
    pager_fault_loaded(&story->pager, 0, true, true, true);
    story_expect_mapping(story, EFFECT_MAP, 0, RW);
    /* Stored again, it leaves its stale copy. */
    assert_int_equal(story_reads(story, 1), PAGER_WAIT_STORE);
    story_expect(story, EFFECT_UNMAP, 0);
    assert_int_equal(story_expect(story, EFFECT_STORE, 0).swap, 77);
    assert_int_equal(story->stats.swapped_in, 1);
    story_end(story);
}

static void test_a_clean_page_needs_no_store(void **state)
{
    struct story *story = story_begin_region(SP_PRECIOUS, 4, 1);

    (void)state;
    story_touch(story, 0, 1, true);
    assert_int_equal(pager_evict_clean(&story->pager, 1), 1);
    story_expect_mapping(story, EFFECT_PROTECT, 0, PAGE_READ);
    story_expect(story, EFFECT_STORE, 0);
    pager_evict_stored(&story->pager, 0, 5, 0);
    assert_int_equal(pager_evict_clean(&story->pager, 1), 0);
    assert_int_equal(story_reads(story, 1), PAGER_DONE);
    story_expect(story, EFFECT_UNMAP, 0);
    story_expect(story, EFFECT_CLEAR, SP_NO_PAGE);
    story_expect(story, EFFECT_MAP, 1);
    assert_int_equal(story->pager.page[0].state, PAGE_SWAPPED);
    story_end(story);
}

static void test_written_while_being_stored(void **state)
{
    struct story *story = story_begin_region(SP_PRECIOUS, 4, 1);

    (void)state;
    story_touch(story, 0, 1, true);
    assert_int_equal(pager_evict_clean(&story->pager, 1), 1);
    story_forget_effects(story);
    assert_int_equal(story_writes(story, 0), PAGER_DONE);
    story_expect_mapping(story, EFFECT_PROTECT, 0, RW);
    /* What swap gets is old, and the page cannot leave before that is over. */
    assert_int_equal(story_reads(story, 1), PAGER_WAIT_STORE);
    pager_evict_stored(&story->pager, 0, 9, 0);
    assert_int_equal(story_reads(story, 1), PAGER_WAIT_STORE);
    story_expect(story, EFFECT_UNMAP, 0);
    assert_int_equal(story_expect(story, EFFECT_STORE, 0).swap, 9);
    story_end(story);
}

static void test_rescue_of_a_leaving_page(void **state)
{
    struct story *story = story_begin_region(SP_PRECIOUS, 4, 1);

    (void)state;
    story_touch(story, 0, 1, true);
    assert_int_equal(story_reads(story, 1), PAGER_WAIT_STORE);
    story_forget_effects(story);
    assert_int_equal(story_reads(story, 0), PAGER_DONE);
    story_expect_mapping(story, EFFECT_MAP, 0, PAGE_READ);
    pager_evict_stored(&story->pager, 0, 3, 0);
    assert_int_equal(story->pager.page[0].state, PAGE_RESIDENT);
    assert_int_equal(story->pager.dirty, 0);
    assert_int_equal(story_reads(story, 1), PAGER_DONE);
    story_forget_effects(story);
    story_end(story);
}

static void test_discardable_pages_are_dropped_and_said_lost_once(void **state)
{
    struct story *story = story_begin_region(SP_DISCARDABLE, 4, 1);

    (void)state;
    story_touch(story, 0, 1, true);
    assert_int_equal(story_reads(story, 1), PAGER_DONE);
    story_expect(story, EFFECT_UNMAP, 0);
    story_expect(story, EFFECT_CLEAR, SP_NO_PAGE);
    story_expect_mapping(story, EFFECT_MAP, 1, RW);
    assert_true(pager_discard_noted(&story->pager, 0));
    assert_false(pager_discard_noted(&story->pager, 0));
    assert_false(pager_discard_noted(&story->pager, 1));
    assert_int_equal(story->stats.dropped, 1);
    story_end(story);
}

static void test_refill(void **state)
{
    struct story *story = story_begin_region(SP_REMANUFACTURABLE, 4, 1);

    (void)state;
    assert_int_equal(story_reads(story, 0), PAGER_CALL);
    story_expect(story, EFFECT_REFILL, 0);
    pager_fault_loaded(&story->pager, 0, false, true, false);
    assert_int_equal(story->pager.page[0].state, PAGE_ABSENT);
    assert_int_equal(story_reads(story, 0), PAGER_CALL);
    story_expect(story, EFFECT_REFILL, 0);
    pager_fault_loaded(&story->pager, 0, true, true, false);
    story_expect_mapping(story, EFFECT_MAP, 0, RW);
    assert_int_equal(story_reads(story, 1), PAGER_CALL);
    story_expect(story, EFFECT_UNMAP, 0);
    story_expect(story, EFFECT_REFILL, 1);
    assert_int_equal(story->stats.refilled, 1);
    story_end(story);
}

static void test_reserve_is_stored_ahead(void **state)
{
    struct story *story = story_begin_region(SP_PRECIOUS, 100, 32);

    (void)state;
    story_touch(story, 0, 30, true);
    assert_int_equal(story_writes(story, 30), PAGER_DONE);
    story_expect(story, EFFECT_UNMAP, 0);
    story_expect(story, EFFECT_STORE, 0);
    story_expect(story, EFFECT_UNMAP, 1);
    story_expect(story, EFFECT_STORE, 1);
    story_expect(story, EFFECT_UNMAP, 2);
    story_expect(story, EFFECT_STORE, 2);
    story_expect(story, EFFECT_MAP, 30);
    /* One frame is still at hand: nobody has waited. */
    assert_int_equal(story_writes(story, 31), PAGER_DONE);
    story_expect(story, EFFECT_MAP, 31);
    assert_int_equal(story->pager.leaving, 3);
    for (sp_page page = 0; page < 3; page++)
        pager_evict_stored(&story->pager, page, page, 0);
    /* Reading ahead leaves the reserve alone. */
    assert_true(pager_advice_prefetch(&story->pager, 1));
    story_expect(story, EFFECT_LOAD, 1);
    assert_false(pager_advice_prefetch(&story->pager, 0));
    story_end(story);
}

/* ---- Discard and pins ---- */

static void test_discard(void **state)
{
    struct story *story = story_begin_region(SP_PRECIOUS, 4, 2);

    (void)state;
    story_touch(story, 0, 2, true);
    assert_int_equal(pager_evict_clean(&story->pager, 2), 2);
    story_forget_effects(story);
    assert_int_equal(pager_discard(&story->pager, 0), -1);
    pager_evict_stored(&story->pager, 0, 8, 0);
    pager_evict_stored(&story->pager, 1, 9, EIO);
    assert_int_equal(pager_discard(&story->pager, 0), 1);
    assert_int_equal(story_expect(story, EFFECT_FREE_SWAP, 0).swap, 8);
    story_expect(story, EFFECT_UNMAP, 0);
    assert_int_equal(pager_discard(&story->pager, 0), 0);
    assert_true(pager_pin(&story->pager, 1));
    assert_int_equal(pager_discard(&story->pager, 1), 0);
    pager_pin_undo(&story->pager, 1);
    assert_int_equal(pager_discard(&story->pager, 1), 1);
    story_expect(story, EFFECT_UNMAP, 1);
    assert_int_equal(story->pager.free, 2);
    story_end(story);
}

static void test_pins(void **state)
{
    struct story *story = story_begin_region(SP_PRECIOUS, 4, 1);

    (void)state;
    story_touch(story, 0, 1, true);
    for (uint32_t i = 0; i < 255; i++)
        assert_true(pager_pin(&story->pager, 0));
    assert_false(pager_pin(&story->pager, 0));
    assert_int_equal(story->stats.pinned, 1);
    assert_int_equal(story_writes(story, 1), PAGER_STUCK);
    assert_string_equal(pager_fault_stuck_reason(&story->pager), "all frames are pinned");
    pager_debts_owe(&story->pager, 1);
    assert_int_equal(pager_debts_pay(&story->pager, 1, false), 1);
    for (uint32_t i = 0; i < 255; i++)
        pager_pin_undo(&story->pager, 0);
    assert_int_equal(story_writes(story, 1), PAGER_WAIT_STORE);
    story_forget_effects(story);
    story_end(story);
}

/* ---- Mappings ---- */

static void test_areas(void **state)
{
    struct story *story = story_begin_region(SP_DISCARDABLE, 20, 20);
    struct pager *pager = &story->pager;

    (void)state;
    story_touch(story, 4, 3, true);
    assert_int_equal(pager->maps, 2); /* unmapped, three pages in a row, unmapped */
    story_touch(story, 10, 1, true);
    assert_int_equal(pager->maps, 4);
    pager_discard(pager, 5);
    assert_int_equal(pager->maps, 6);
    pager_discard(pager, 4);
    pager_discard(pager, 6);
    assert_int_equal(pager->maps, 2);
    story_touch(story, 0, 1, true); /* the first page of all, and the last */
    story_touch(story, 19, 1, true);
    assert_int_equal(pager->maps, 6);
    story_forget_effects(story);
    story_end(story);
}

static void test_pages_touched_again_in_sequence_share_an_area(void **state)
{
    struct story *story = story_begin_region(SP_DISCARDABLE, 16, 8);
    struct pager *pager = &story->pager;

    (void)state;
    story_touch(story, 0, 8, true);
    assert_int_equal(pager->maps, 2); /* all of them, and the unmapped ones behind them */
    for (sp_page page = 0; page < 8; page++)
        assert_int_equal(pager_discard(pager, page), 1);
    assert_int_equal(pager->maps, 0);
    for (sp_page page = 0; page < 8; page++)
        story_writes(story, page);
    assert_int_equal(pager->maps, 2);
    story_forget_effects(story);
    story_end(story);
}

static void test_mappings_are_given_up_for_others(void **state)
{
    struct story *story = story_begin(&policy_fifo, 20, 8, 0, 4);

    (void)state;
    pager_regions_create(&story->pager, 20, SP_PRECIOUS, false, false);
    story_get_frames(story, 8, true);
    story_touch(story, 2, 1, true);
    story_touch(story, 6, 1, true);
    assert_int_equal(story_writes(story, 10), PAGER_DONE);
    story_expect(story, EFFECT_UNMAP, 6);
    story_expect(story, EFFECT_MAP, 10);
    assert_int_equal(story->pager.page[6].flags & PAGE_REFERENCED, PAGE_REFERENCED);
    /* It kept its frame: a soft fault brings it back. */
    assert_int_equal(story_writes(story, 6), PAGER_DONE);
    story_forget_effects(story);
    assert_int_equal(story->stats.soft_faults, 1);
    assert_int_equal(story->stats.evictions, 0);
    assert_int_equal(story->stats.map_limited, 2);
    assert_true(story->pager.maps <= 4);
    story_end(story);
}

static void test_splitting_an_area_costs_others(void **state)
{
    struct story *story = story_begin(&policy_clock, 20, 8, 0, UINT32_MAX);
    struct sp_policy_env *env = &story->pager.env;
    uint32_t ignored = 0;

    (void)state;
    pager_regions_create(&story->pager, 20, SP_PRECIOUS, false, false);
    story_get_frames(story, 8, true);
    story_touch(story, 2, 5, true);
    assert_int_equal(story->pager.maps, 2);
    story->pager.map_limit = 3;
    /* There is no area left to watch a page with: it is as if nothing was referenced. */
    assert_false(env->referenced(env, 4));
    env->watch(env, 4);
    assert_int_equal(story->effects, 0);
    pager_rights_taken(&story->pager, story->pager.page[4].slot, 1, PAGE_WRITE, &ignored, &ignored);
    story_expect_mapping(story, EFFECT_PROTECT, 4, PAGE_READ);
    assert_true(story->pager.maps <= 3);
    story_touch(story, 2, 2, true);
    assert_true(story->pager.maps <= 3);
    assert_int_equal(pager_discard(&story->pager, 3), 1);
    assert_true(story->pager.maps <= 3);
    story_forget_effects(story);
    story_end(story);
}

static void test_no_mappings_at_all(void **state)
{
    struct story *story = story_begin(&policy_fifo, 40, 8, 0, 20);
    enum pager_verdict verdict = PAGER_DONE;

    (void)state;
    pager_regions_create(&story->pager, 40, SP_PRECIOUS, false, false);
    story_get_frames(story, 8, true);
    story_touch(story, 2, 1, true);
    story->maps_fail = true;
    for (uint32_t i = 0; i < 8 && verdict == PAGER_DONE; i++)
        verdict = story_writes(story, 6);
    assert_int_equal(verdict, PAGER_STUCK);
    assert_non_null(strstr(pager_fault_stuck_reason(&story->pager), "vm.max_map_count"));
    story_forget_effects(story);
    story_end(story);
}

/* ---- Policies ---- */

static sp_page no_victim(void *self, sp_page incoming)
{
    (void)self;
    return incoming;
}

static void test_a_wrong_policy_is_overruled(void **state)
{
    struct sp_policy wrong = policy_fifo;
    struct story *story;

    (void)state;
    wrong.victim = no_victim;
    story = story_begin(&wrong, 10, 2, 0, UINT32_MAX);
    pager_regions_create(&story->pager, 10, SP_DISCARDABLE, false, false);
    story_get_frames(story, 2, true);
    story_touch(story, 0, 10, true);
    assert_int_equal(story->stats.policy_errors, 8);
    assert_int_equal(story->stats.resident, 2);
    story_end(story);
}

static struct sp_policy_env *eager_env;

static void eager_init(void *self, const struct sp_policy_config *config)
{
    (void)self;
    eager_env = config->env;
}

static void eager_hit(void *self, sp_page page, enum sp_access access)
{
    (void)self;
    (void)access;
    eager_env->watch(eager_env, page);
    assert_true(eager_env->referenced(eager_env, page));
}

static void test_a_reference_ends_although_it_is_watched(void **state)
{
    struct sp_policy eager = policy_fifo;
    struct story *story;

    (void)state;
    eager.init = eager_init;
    eager.hit = eager_hit;
    story = story_begin(&eager, 10, 2, 0, UINT32_MAX);
    pager_regions_create(&story->pager, 10, SP_PRECIOUS, false, false);
    story_get_frames(story, 2, true);
    story_touch(story, 0, 1, false);
    assert_int_equal(story_writes(story, 0), PAGER_DONE);
    story_expect_mapping(story, EFFECT_PROTECT, 0, RW);
    assert_int_equal(story->pager.page[0].protection, RW);
    story_end(story);
}

static void test_reference_bits(void **state)
{
    struct story *story = story_begin(&policy_clock, 10, 3, 0, UINT32_MAX);
    struct sp_policy_env *env = &story->pager.env;
    uint32_t ignored = 0;

    (void)state;
    pager_regions_create(&story->pager, 10, SP_PRECIOUS, false, false);
    story_get_frames(story, 3, true);
    story_touch(story, 0, 3, true);
    assert_true(env->referenced(env, 0));
    story_expect_mapping(story, EFFECT_PROTECT, 0, 0);
    assert_false(env->referenced(env, 0));
    assert_true(env->dirty(env, 0));
    /* A page that physmem unmapped had been referenced, once. */
    pager_rights_taken(&story->pager, story->pager.page[1].slot, 1, RW, &ignored, &ignored);
    story_expect(story, EFFECT_UNMAP, 1);
    assert_true(env->referenced(env, 1));
    assert_false(env->referenced(env, 1));
    env->watch(env, 2);
    story_expect_mapping(story, EFFECT_PROTECT, 2, 0);
    env->watch(env, 2);
    assert_false(env->referenced(env, 9)); /* not resident */
    assert_false(env->referenced(env, SP_NO_PAGE));
    /* The bit does not outlive the contents. */
    story_touch(story, 2, 1, false);
    pager_rights_taken(&story->pager, story->pager.page[2].slot, 1, RW, &ignored, &ignored);
    assert_int_equal(story->pager.page[2].flags & PAGE_REFERENCED, PAGE_REFERENCED);
    assert_int_equal(pager_discard(&story->pager, 2), 1);
    assert_int_equal(story->pager.page[2].flags & PAGE_REFERENCED, 0);
    story_forget_effects(story);
    story_end(story);
}

/* A task asks for extra frames in small batches, and is refused them. What it states is what its loop
 * would need: its pages, and the frames that the pager keeps free. */
static void test_a_loop_states_the_frames_it_would_use(void **state)
{
    enum { FRAMES = 40, LOOP = 150 };
    struct story *story = story_begin(&policy_fifo, 400, FRAMES, 400, UINT32_MAX);
    struct pager *pager = &story->pager;

    (void)state;
    assert_int_equal(pager_regions_create(pager, 400, SP_DISCARDABLE, false, false), 0);
    story_get_frames(story, FRAMES, true);
    for (sp_page touch = 0; touch < 6 * LOOP; touch++) {
        while (story_reads(story, touch % LOOP) != PAGER_DONE)
            pager_growth_allocated(pager, pager->allocate_slot, 0, 0, false);
        story_forget_effects(story);
        if (touch < LOOP) /* nobody knows yet that the pages come back */
            assert_int_equal(pager->demand, 0);
    }
    assert_in_range(pager->demand, LOOP, LOOP + FRAMES);
    story_end(story);
}

/* An instruction needs pages 0 and 1 at once; the policy, left alone, would let the older one go. */
static void test_pages_that_one_instruction_needs_are_kept(void **state)
{
    const sp_page both[] = {0, 1};
    struct story *story = story_begin_region(SP_DISCARDABLE, 4, 2);

    (void)state;
    story_touch(story, 0, 1, true);
    story_touch(story, 2, 1, true);
    pager_evict_keep(&story->pager, both, 2);
    assert_int_equal(story_writes(story, 1), PAGER_DONE);
    assert_int_equal(story->pager.page[0].state, PAGE_RESIDENT);
    assert_int_equal(story->pager.page[2].state, PAGE_ABSENT);
    /* Somebody else gets a frame all the same. */
    story_forget_effects(story);
    assert_int_equal(story_writes(story, 3), PAGER_DONE);
    story_forget_effects(story);
    story_end(story);
}

static void test_too_few_frames_for_one_instruction(void **state)
{
    const sp_page both[] = {0, 1};
    struct story *story = story_begin_region(SP_DISCARDABLE, 4, 1);

    (void)state;
    story_touch(story, 0, 1, true);
    pager_evict_keep(&story->pager, both, 2);
    assert_int_equal(story_writes(story, 1), PAGER_STUCK);
    assert_non_null(strstr(pager_fault_stuck_reason(&story->pager), "one instruction"));
    story_end(story);
}

/* Physmem may take a frame that is on the stack at once: it must be mapped nowhere by then. */
static void test_a_frame_is_offered_after_its_page_was_unmapped(void **state)
{
    struct story *story = story_begin_region(SP_DISCARDABLE, 4, 2);
    uint64_t memory[64] = {0};
    struct pager_effect effect;

    (void)state;
    pager_slots_publish(&story->pager, (struct frame_stack *)(void *)memory, 64);
    story_touch(story, 0, 2, true);
    assert_int_equal(story->pager.offers.live, 0);
    assert_int_equal(pager_discard(&story->pager, 0), 1);
    assert_true(pager_next_effect(&story->pager, &effect));
    assert_int_equal(effect.kind, EFFECT_UNMAP);
    assert_int_equal(story->pager.offers.live, 0);
    assert_false(pager_next_effect(&story->pager, &effect));
    assert_int_equal(story->pager.offers.live, 1);
    story_end(story);
}

/* Bytes a page of a policy's sketch, whose size is a parameter; 0: it has none. */
static size_t sketch_of(const struct policy_choice *choice)
{
    const struct sp_policy_param *params = choice->policy->params;

    for (size_t i = 0; params != NULL && params[i].name != NULL; i++)
        if (strcmp(params[i].name, "counters") == 0)
            return (size_t)choice->params[i];
    return 0;
}

static void test_memory_per_page(void **state)
{
    enum { PAGES = 1 << 16 };
    const size_t queue = (2 * (size_t)PAGES + 512) * sizeof(struct pager_effect);

    (void)state;
    assert_int_equal(sizeof(struct pager_effect), 16);
    for (size_t i = 0; policy_registry_builtin(i) != NULL; i++) {
        const struct sp_policy *policy = policy_registry_builtin(i);
        struct policy_choice choice;
        struct sp_error error;
        struct pager_config config = {.pages = PAGES,
                                      .slots = PAGES,
                                      .extent_pages = 32,
                                      .policy = policy,
                                      .params = choice.params};

        if ((policy->flags & SP_POLICY_LIVE) == 0)
            continue;
        assert_int_equal(policy_params_adopt(&choice, policy, NULL, &error), 0);
        /* As many frames as pages is the worst case. Of the queue of effects only what a call fills is
         * ever touched; the rest costs addresses. A user says how many bytes a frame a sketch has. */
        if ((pager_size(&config) + sizeof(struct pager) - queue) / PAGES > 48 + sketch_of(&choice))
            fail_msg("%s: %zu bytes for %d pages", policy->name, pager_size(&config), PAGES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_regions),
        cmocka_unit_test(test_too_many_regions),
        cmocka_unit_test(test_first_touch),
        cmocka_unit_test(test_neighbours_lie_side_by_side),
        cmocka_unit_test(test_policies_know_how_many_frames_are_kept_free),
        cmocka_unit_test(test_recycled_frames_are_cleared),
        cmocka_unit_test(test_swapping_out_and_in),
        cmocka_unit_test(test_a_clean_page_needs_no_store),
        cmocka_unit_test(test_written_while_being_stored),
        cmocka_unit_test(test_rescue_of_a_leaving_page),
        cmocka_unit_test(test_discardable_pages_are_dropped_and_said_lost_once),
        cmocka_unit_test(test_refill),
        cmocka_unit_test(test_reserve_is_stored_ahead),
        cmocka_unit_test(test_discard),
        cmocka_unit_test(test_pins),
        cmocka_unit_test(test_areas),
        cmocka_unit_test(test_pages_touched_again_in_sequence_share_an_area),
        cmocka_unit_test(test_mappings_are_given_up_for_others),
        cmocka_unit_test(test_splitting_an_area_costs_others),
        cmocka_unit_test(test_no_mappings_at_all),
        cmocka_unit_test(test_a_wrong_policy_is_overruled),
        cmocka_unit_test(test_a_reference_ends_although_it_is_watched),
        cmocka_unit_test(test_reference_bits),
        cmocka_unit_test(test_a_loop_states_the_frames_it_would_use),
        cmocka_unit_test(test_pages_that_one_instruction_needs_are_kept),
        cmocka_unit_test(test_too_few_frames_for_one_instruction),
        cmocka_unit_test(test_a_frame_is_offered_after_its_page_was_unmapped),
        cmocka_unit_test(test_memory_per_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
