/* The pager and those it depends on: contracts and recalls, rights that come and go, swap that
 * fails. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "story.h"

/* ---- Contracts and recalls ---- */

static void test_extra_frames_refused(void **state)
{
    struct story *story = story_begin(&policy_fifo, 100, 1, 8, UINT32_MAX);

    (void)state;
    pager_regions_create(&story->pager, 100, SP_DISCARDABLE, false, false);
    story_get_frames(story, 1, true);
    story_touch(story, 0, 1, true);
    assert_int_equal(story_reads(story, 1), PAGER_CALL);
    assert_true(story_expect(story, EFFECT_ALLOCATE, SP_NO_PAGE).extra);
    pager_growth_allocated(&story->pager, 1, 0, RW, false);
    /* Sixteen faults do without, the next asks again. */
    story_touch(story, 1, 16, true);
    assert_int_equal(story_reads(story, 17), PAGER_CALL);
    assert_int_equal(story_expect(story, EFFECT_ALLOCATE, SP_NO_PAGE).slot, 1);
    pager_growth_allocated(&story->pager, 1, 0, RW, false);
    story_touch(story, 17, 1, true);
    pager_growth_possible(&story->pager);
    assert_int_equal(story_reads(story, 18), PAGER_CALL);
    story_expect(story, EFFECT_ALLOCATE, SP_NO_PAGE);
    story_end(story);
}

/* Ask for frames until there are `frames`, and count those of the fullest extent. */
static uint32_t fullest_extent(struct story *story, uint32_t frames)
{
    struct pager *pager = &story->pager;
    uint32_t in[64] = {0}, most = 0;

    for (sp_page page = 0; pager->held < frames; page++) {
        pager_fault(pager, page, true);
        story_take_effects(story);
        for (uint32_t i = 0; i < story->effects; i++)
            if (story->effect[i].kind == EFFECT_ALLOCATE)
                pager_growth_allocated(pager, story->effect[i].slot, story->effect[i].count, RW,
                                       true);
        story_forget_effects(story);
    }
    for (uint32_t slot = 0; slot < pager->config.slots; slot++)
        if (pager->slot[slot].state != SLOT_HOLE && ++in[slot / pager->config.extent_pages] > most)
            most = in[slot / pager->config.extent_pages];
    assert_int_equal(pager->held, frames);
    return most;
}

/* Physmem takes whole extents by force: few frames lie in each where it may do that. */
static void test_frames_that_may_be_taken_are_spread(void **state)
{
    static const struct {
        uint32_t slots, frames;
        bool spreads;
        uint32_t fullest;
    } cases[] = {
        {4096, 260, false, 256}, /* all that an extent holds */
        {4096, 260, true, 32},   /* an eighth of an extent */
        {16384, 2000, true, 63}, /* one in 32 frames: 2000 / 32, rounded up */
        {512, 260, true, 256},   /* 2 in spread slots; then there are no others */
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct story *story =
            story_begin_slots(&policy_fifo, 4000, cases[i].frames, cases[i].slots);

        pager_regions_create(&story->pager, 4000, SP_DISCARDABLE, false, false);
        if (cases[i].spreads)
            pager_growth_spread(&story->pager);
        pager_growth_allow(&story->pager, cases[i].frames, 0);
        assert_int_equal(fullest_extent(story, cases[i].frames), cases[i].fullest);
        story_end(story);
    }
}

/* The first extents have so few frames that some of them and full ones have together what is missing, whatever it is. */
static void test_any_number_of_frames_lies_in_extents_of_its_own(void **state)
{
    static const uint32_t has[] = {1, 1, 2, 4, 8, 16, 32, 32};
    struct story *story = story_begin_slots(&policy_fifo, 4000, 260, 4096);
    struct pager *pager = &story->pager;

    (void)state;
    pager_regions_create(pager, 4000, SP_DISCARDABLE, false, false);
    pager_growth_spread(pager);
    pager_growth_allow(pager, 20, 240);
    fullest_extent(story, 260);
    for (uint32_t i = 0; i < sizeof(has) / sizeof(has[0]); i++) {
        assert_int_not_equal(pager->slot[i * pager->config.extent_pages + has[i] - 1].state,
                             SLOT_HOLE);
        assert_int_equal(pager->slot[i * pager->config.extent_pages + has[i]].state, SLOT_HOLE);
    }
    story_end(story);
}

/* Fault on new pages until frames are asked for. Returns the first slot; PAGER_NONE: none are. */
static uint32_t asked_slot(struct story *story, sp_page *page, uint32_t *countp)
{
    uint32_t slot = PAGER_NONE;

    for (uint32_t i = 0; i < 100 && slot == PAGER_NONE; i++) {
        pager_fault(&story->pager, (*page)++, true);
        story_take_effects(story);
        for (uint32_t e = 0; e < story->effects; e++)
            if (story->effect[e].kind == EFFECT_ALLOCATE) {
                slot = story->effect[e].slot;
                *countp = story->effect[e].count;
            }
        story_forget_effects(story);
    }
    return slot;
}

/* Physmem has cut extents: no frames are asked for where there is no memory, before the task has given up what is left. */
static void test_no_frames_are_asked_for_where_an_extent_was_cut(void **state)
{
    struct story *story = story_begin_slots(&policy_fifo, 4000, 64, 512);
    struct pager *pager = &story->pager;
    sp_page page = 100;
    uint32_t count = 0;

    (void)state;
    pager_regions_create(pager, 4000, SP_DISCARDABLE, false, false);
    pager_growth_allow(pager, 64, 0);
    fullest_extent(story, 64);
    pager_lost(pager, 10, 54);
    story_take_effects(story);
    story_forget_effects(story);
    assert_int_equal(asked_slot(story, &page, &count), 10);
    pager_growth_allocated(pager, 10, 0, RW, false);
    pager_growth_barred(pager, 10);
    assert_int_equal(asked_slot(story, &page, &count), 256);
    pager_growth_allocated(pager, 256, 1, RW, true);
    assert_int_equal(asked_slot(story, &page, &count), 257);
    pager_growth_allocated(pager, 257, 0, RW, false);
    pager_growth_barred(pager, 257);
    assert_int_equal(asked_slot(story, &page, &count), PAGER_NONE); /* the task does without */
    pager_lost(pager, 0, 10);
    story_take_effects(story);
    story_forget_effects(story);
    assert_int_equal(asked_slot(story, &page, &count), 0); /* its memory is new */
    pager_growth_allocated(pager, 0, count, RW, true);
    for (uint32_t slot = count; slot <= 10; slot += count) {
        assert_int_equal(asked_slot(story, &page, &count), slot);
        pager_growth_allocated(pager, slot, count, RW, true);
    }
    story_end(story);
}

/* No further extent can be had: the task asks for frames in those that it has, until contracts change. */
static void test_frames_are_gathered_where_extents_are_short(void **state)
{
    struct story *story = story_begin_slots(&policy_fifo, 4000, 260, 4096);
    struct pager *pager = &story->pager;

    (void)state;
    pager_regions_create(pager, 4000, SP_DISCARDABLE, false, false);
    pager_growth_spread(pager);
    pager_growth_allow(pager, 260, 0);
    assert_int_equal(fullest_extent(story, 64), 32);
    assert_true(pager_growth_gather(pager));
    assert_false(pager_growth_gather(pager));
    pager_growth_allow(pager, 256, 0);
    assert_int_equal(fullest_extent(story, 256), 1 + 192); /* the first one has all that are new */
    story_end(story);
}

static void test_waiting_for_growth(void **state)
{
    struct story *story = story_begin(&policy_fifo, 10, 0, 4, UINT32_MAX);

    (void)state;
    pager_regions_create(&story->pager, 10, SP_PRECIOUS, false, false);
    assert_int_equal(story_reads(story, 0), PAGER_CALL);
    story_expect(story, EFFECT_ALLOCATE, SP_NO_PAGE);
    pager_growth_allocated(&story->pager, 0, 0, RW, false);
    assert_int_equal(story_reads(story, 0), PAGER_WAIT_GROWTH);
    pager_growth_allow(&story->pager, 0, 0);
    assert_int_equal(story_reads(story, 0), PAGER_STUCK);
    assert_string_equal(pager_fault_stuck_reason(&story->pager),
                        "the task has no contract that is active");
    story_end(story);
}

static void test_paying_what_is_owed(void **state)
{
    struct story *story = story_begin_region(SP_PRECIOUS, 10, 6);

    (void)state;
    story_touch(story, 0, 2, true);
    story_touch(story, 2, 3, false);
    pager_debts_owe(&story->pager, 5);
    /* One is free; the oldest two must be written, so others go. */
    assert_int_equal(pager_debts_pay(&story->pager, 2, true), 3);
    assert_int_equal(story_expect(story, EFFECT_RETURN, SP_NO_PAGE).slot, 5);
    story_expect(story, EFFECT_UNMAP, 2);
    story_expect(story, EFFECT_RETURN, SP_NO_PAGE);
    assert_int_equal(pager_debts_pay(&story->pager, 32, true), 1);
    story_forget_effects(story);
    assert_int_equal(pager_debts_pay(&story->pager, 32, true), 1);
    assert_int_equal(story->effects, 0);
    assert_int_equal(pager_debts_pay(&story->pager, 32, false), 1);
    story_expect(story, EFFECT_UNMAP, 0);
    story_expect(story, EFFECT_STORE, 0);
    assert_int_equal(pager_debts_pay(&story->pager, 32, false), 1); /* it is on its way */
    pager_evict_stored(&story->pager, 0, 4, 0);
    story_expect(story, EFFECT_RETURN, SP_NO_PAGE);
    assert_int_equal(story->pager.owed, 0);
    assert_int_equal(story->pager.held, 1);
    story_end(story);
}

static void test_owing_what_is_on_its_way(void **state)
{
    struct story *story = story_begin(&policy_fifo, 10, 0, 8, UINT32_MAX);

    (void)state;
    pager_regions_create(&story->pager, 10, SP_PRECIOUS, false, false);
    assert_int_equal(story_reads(story, 0), PAGER_CALL);
    assert_int_equal(story_expect(story, EFFECT_ALLOCATE, SP_NO_PAGE).count, 8);
    /* The recall overtakes the answer to the allocation. */
    pager_debts_owe(&story->pager, 3);
    assert_null(pager_check(&story->pager));
    pager_growth_allocated(&story->pager, 0, 4, RW, true);
    for (uint32_t i = 0; i < 3; i++)
        story_expect(story, EFFECT_RETURN, SP_NO_PAGE);
    assert_int_equal(story->pager.held, 1);
    /* Nobody can owe more than there is, however much is asked for. */
    pager_debts_owe(&story->pager, UINT32_MAX);
    pager_debts_owe(&story->pager, UINT32_MAX);
    assert_int_equal(story->pager.owed, 1);
    story_end(story);
}

static void test_owing_more_than_comes(void **state)
{
    struct story *story = story_begin(&policy_fifo, 10, 0, 8, UINT32_MAX);

    (void)state;
    pager_regions_create(&story->pager, 10, SP_PRECIOUS, false, false);
    assert_int_equal(story_reads(story, 0), PAGER_CALL);
    pager_debts_owe(&story->pager, 6);
    pager_growth_allocated(&story->pager, 0, 2, RW, true);
    assert_int_equal(story->pager.owed, 0);
    assert_int_equal(story->stats.returned, 2);
    story_forget_effects(story);
    story_end(story);
}

/* Frames are lost that were owed: what is gone cannot be returned, and another recall may come. */
static void test_what_is_lost_is_owed_no_more(void **state)
{
    struct story *story = story_begin(&policy_fifo, 10, 0, 8, UINT32_MAX);

    (void)state;
    pager_regions_create(&story->pager, 10, SP_DISCARDABLE, false, false);
    story_get_frames(story, 4, true);
    story_touch(story, 0, 4, false);
    pager_debts_owe(&story->pager, 4);
    pager_lost(&story->pager, 0, 3);
    story_forget_effects(story);
    assert_int_equal(story->pager.held, 1);
    assert_int_equal(story->pager.owed, 1);
    assert_null(pager_check(&story->pager));
    pager_debts_owe(&story->pager, 2);
    assert_int_equal(story->pager.owed, 1);
    story_end(story);
}

static void test_more_frames_than_slots(void **state)
{
    struct story *story = story_begin(&policy_fifo, 10, 1, 0, UINT32_MAX);

    (void)state;
    pager_regions_create(&story->pager, 10, SP_PRECIOUS, false, false);
    story_get_frames(story, 1, true);
    pager_growth_allow(&story->pager, 1, 10);
    story_touch(story, 0, 1, true);
    assert_true(pager_pin(&story->pager, 0));
    assert_int_equal(story_reads(story, 1), PAGER_STUCK);
    story_end(story);
}

static void test_one_payment_is_bounded(void **state)
{
    struct story *story = story_begin_region(SP_PRECIOUS, 400, 400);
    uint32_t stores = 0;

    (void)state;
    for (sp_page page = 0; page < 300; page++)
        story_touch(story, page, 1, true);
    pager_debts_owe(&story->pager, 400);
    for (uint32_t i = 0; i < 20; i++) {
        uint32_t now = 0;
        uint32_t returns = 0;

        pager_debts_pay(&story->pager, UINT32_MAX, false);
        story_take_effects(story);
        for (uint32_t n = 0; n < story->effects; n++) {
            now += story->effect[n].kind == EFFECT_STORE;
            returns += story->effect[n].kind == EFFECT_RETURN;
        }
        assert_true(now <= PAGER_BATCH && returns <= PAGER_BATCH);
        stores += now;
        story_forget_effects(story);
    }
    assert_int_equal(stores, PAGER_STORES_MAX);
    assert_int_equal(story->pager.held, 300);
    story_end(story);
}

static void test_debts_are_paid_before_growth_is_waited_for(void **state)
{
    struct story *story = story_begin(&policy_fifo, 10, 0, 8, UINT32_MAX);

    (void)state;
    pager_regions_create(&story->pager, 10, SP_DISCARDABLE, false, false);
    story_get_frames(story, 2, true);
    story_touch(story, 0, 2, true);
    pager_debts_owe(&story->pager, 2);
    assert_int_equal(story_reads(story, 2), PAGER_CALL);
    story_expect(story, EFFECT_UNMAP, 0);
    story_expect(story, EFFECT_RETURN, SP_NO_PAGE);
    story_expect(story, EFFECT_UNMAP, 1);
    story_expect(story, EFFECT_RETURN, SP_NO_PAGE);
    assert_true(story_expect(story, EFFECT_ALLOCATE, SP_NO_PAGE).extra);
    story_end(story);
}

static void test_one_fault_returns_no_more_than_a_batch(void **state)
{
    struct story *story = story_begin_region(SP_DISCARDABLE, 201, 200);

    (void)state;
    story_touch(story, 0, 199, true);
    pager_growth_allow(&story->pager, 1, 0);
    pager_debts_owe(&story->pager, story->pager.free);
    while (pager_debts_pay(&story->pager, PAGER_BATCH, true) > 0)
        story_forget_effects(story);
    story_forget_effects(story);
    pager_debts_owe(&story->pager, 150);
    assert_int_equal(story_writes(story, 200), PAGER_DONE);
    for (uint32_t i = 0; i < PAGER_BATCH; i++) {
        story_expect(story, EFFECT_UNMAP, SP_NO_PAGE);
        story_expect(story, EFFECT_RETURN, SP_NO_PAGE);
    }
    assert_int_equal(story->pager.owed, 150 - PAGER_BATCH);
    story_forget_effects(story);
    story_end(story);
}

/* ---- Rights ---- */

static void test_rights_taken_and_granted(void **state)
{
    struct story *story = story_begin_region(SP_PRECIOUS, 4, 4);
    uint32_t referenced = 0;
    uint32_t dirty = 0;

    (void)state;
    story_touch(story, 0, 1, true);
    story_touch(story, 1, 1, false);
    pager_rights_taken(&story->pager, 0, UINT32_MAX, PAGE_WRITE, &referenced, &dirty);
    story_expect_mapping(story, EFFECT_PROTECT, 0, PAGE_READ);
    assert_int_equal(referenced, 2);
    assert_int_equal(dirty, 1);
    pager_rights_taken(&story->pager, 1, 3, RW, &referenced, &dirty);
    story_expect(story, EFFECT_UNMAP, 1);
    assert_int_equal(referenced, 3);
    assert_int_equal(dirty, 1);
    pager_rights_taken(&story->pager, 4, 1, RW, &referenced, &dirty); /* no slot of this task */
    /* One request asks for the neighbours too. */
    assert_int_equal(story_writes(story, 0), PAGER_CALL);
    assert_int_equal(story_expect(story, EFFECT_GRANT, SP_NO_PAGE).count, 4);
    assert_int_equal(story_reads(story, 1), PAGER_WAIT);
    for (uint32_t slot = 0; slot < 4; slot++)
        pager_rights_granted(&story->pager, slot, RW);
    assert_int_equal(story_writes(story, 0), PAGER_DONE);
    story_expect_mapping(story, EFFECT_PROTECT, 0, RW);
    assert_int_equal(story_reads(story, 1), PAGER_DONE);
    story_expect_mapping(story, EFFECT_MAP, 1, PAGE_READ);
    story_end(story);
}

static void test_rights_taken_before_their_grant_arrives(void **state)
{
    struct story *story = story_begin_region(SP_PRECIOUS, 4, 1);
    uint32_t ignored = 0;

    (void)state;
    story_touch(story, 0, 1, true);
    pager_rights_taken(&story->pager, 0, 1, RW, &ignored, &ignored);
    story_expect(story, EFFECT_UNMAP, 0);
    assert_int_equal(story_reads(story, 0), PAGER_CALL);
    story_expect(story, EFFECT_GRANT, SP_NO_PAGE);
    pager_rights_taken(&story->pager, 0, 1, RW, &ignored, &ignored);
    assert_int_equal(story_reads(story, 0), PAGER_WAIT); /* only one request at a time */
    pager_rights_granted(&story->pager, 0, RW);
    assert_int_equal(story_reads(story, 0), PAGER_CALL);
    story_expect(story, EFFECT_GRANT, SP_NO_PAGE);
    pager_rights_granted(&story->pager, 0, RW);
    assert_int_equal(story_reads(story, 0), PAGER_DONE);
    story_expect(story, EFFECT_MAP, 0);
    story_end(story);
}

static void test_rights_taken_before_their_frames_arrive(void **state)
{
    struct story *story = story_begin(&policy_fifo, 4, 4, 0, UINT32_MAX);
    uint32_t ignored = 0;

    (void)state;
    pager_regions_create(&story->pager, 4, SP_PRECIOUS, false, false);
    assert_int_equal(story_reads(story, 0), PAGER_CALL);
    story_expect(story, EFFECT_ALLOCATE, SP_NO_PAGE);
    pager_rights_taken(&story->pager, 3, 1, RW, &ignored, &ignored);
    pager_growth_allocated(&story->pager, 0, 4, RW, true);
    assert_int_equal(story_reads(story, 0), PAGER_CALL);
    story_expect(story, EFFECT_GRANT, SP_NO_PAGE);
    story_end(story);
}

/* ---- Swap that fails ---- */

static void test_swap_fails(void **state)
{
    struct story *story = story_begin(&policy_fifo, 20, 2, 0, UINT32_MAX);
    struct pager *pager = &story->pager;

    (void)state;
    pager_regions_create(pager, 4, SP_PRECIOUS, false, false);
    pager_regions_create(pager, 4, SP_DISCARDABLE, false, false);
    story_get_frames(story, 2, true);
    story_touch(story, 0, 1, true);
    story_touch(story, 5, 1, true);
    for (uint32_t i = 0; i < 64; i++) {
        assert_int_equal(pager_evict_clean(pager, 2), 1);
        pager_evict_stored(pager, 0, PAGER_NONE, ENOSPC);
    }
    story_forget_effects(story);
    /* What needs no store still leaves. */
    assert_int_equal(story_writes(story, 6), PAGER_DONE);
    assert_int_equal(pager->page[5].state, PAGE_ABSENT);
    story_touch(story, 6, 1, true);
    assert_true(pager_pin(pager, 6));
    assert_int_equal(story_writes(story, 1), PAGER_STUCK);
    assert_string_equal(pager_fault_stuck_reason(pager), "the swap server is full");
    assert_int_equal(pager->page[0].state, PAGE_RESIDENT);
    pager_pin_undo(pager, 6);
    story_end(story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_extra_frames_refused),
        cmocka_unit_test(test_frames_that_may_be_taken_are_spread),
        cmocka_unit_test(test_any_number_of_frames_lies_in_extents_of_its_own),
        cmocka_unit_test(test_no_frames_are_asked_for_where_an_extent_was_cut),
        cmocka_unit_test(test_frames_are_gathered_where_extents_are_short),
        cmocka_unit_test(test_waiting_for_growth),
        cmocka_unit_test(test_paying_what_is_owed),
        cmocka_unit_test(test_owing_what_is_on_its_way),
        cmocka_unit_test(test_owing_more_than_comes),
        cmocka_unit_test(test_what_is_lost_is_owed_no_more),
        cmocka_unit_test(test_more_frames_than_slots),
        cmocka_unit_test(test_one_payment_is_bounded),
        cmocka_unit_test(test_debts_are_paid_before_growth_is_waited_for),
        cmocka_unit_test(test_one_fault_returns_no_more_than_a_batch),
        cmocka_unit_test(test_rights_taken_and_granted),
        cmocka_unit_test(test_rights_taken_before_their_grant_arrives),
        cmocka_unit_test(test_rights_taken_before_their_frames_arrive),
        cmocka_unit_test(test_swap_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
