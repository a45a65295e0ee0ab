/* The kernel around a pager without a process, and what is left for others to do. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "policy/registry.h"
#include "world/pager_shell.h"

#define PAGES 8u
#define SLOTS 4u

struct stage {
    struct pager pager;
    struct pager_shell shell;
    struct sp_stats stats;
    void *memory;
    uint32_t cleared; /* slot */
};

static void clear_slot(void *arg, uint32_t slot)
{
    struct stage *stage = arg;

    stage->cleared = slot;
}

/* Only the shell is played with: the pager has all pages, and none of them is mapped. */
static struct stage *stage_begin(void)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    const struct pager_shell_world world = {clear_slot, stage};
    const struct pager_config config = {.pages = PAGES,
                                        .slots = SLOTS,
                                        .extent_pages = 256,
                                        .map_limit = 1000,
                                        .policy = &policy_fifo,
                                        .stats = &stage->stats};
    size_t size = (pager_size(&config) + 63) / 64 * 64;

    assert_non_null(stage);
    stage->memory = aligned_alloc(64, size);
    assert_true(stage->memory != NULL);
    memset(stage->memory, 0, size);
    pager_init(&stage->pager, &config, stage->memory);
    pager_shell_init(&stage->shell, &stage->pager, &world);
    stage->cleared = PAGER_NONE;
    return stage;
}

static void stage_end(struct stage *stage)
{
    free(stage->memory);
    free(stage);
}

static void carries_out(struct stage *stage, struct pager_effect effect)
{
    assert_true(pager_shell_carry_out(&stage->shell, &effect));
}

static bool permits(const struct stage *stage, sp_page page, bool write)
{
    return pager_shell_permits(&stage->shell, page, write);
}

static void a_page_may_be_touched_as_its_mapping_says(void **state)
{
    struct stage *stage = stage_begin();

    (void)state;
    assert_false(permits(stage, 3, false));
    carries_out(
        stage, (struct pager_effect){
                   .kind = EFFECT_MAP, .page = 3, .slot = 1, .protection = PAGE_READ | PAGE_WRITE});
    assert_true(permits(stage, 3, true));
    assert_false(permits(stage, 2, false) || permits(stage, 4, false));
    carries_out(stage,
                (struct pager_effect){.kind = EFFECT_PROTECT, .page = 3, .protection = PAGE_READ});
    assert_true(permits(stage, 3, false) && !permits(stage, 3, true));
    carries_out(stage, (struct pager_effect){.kind = EFFECT_PROTECT, .page = 3, .protection = 0});
    assert_true(pager_shell_is_mapped(&stage->shell, 3) && !permits(stage, 3, false));
    carries_out(stage, (struct pager_effect){.kind = EFFECT_UNMAP, .page = 3});
    assert_false(pager_shell_is_mapped(&stage->shell, 3));
    stage_end(stage);
}

static void a_reference_is_known_until_the_page_is_armed_or_mapped_again(void **state)
{
    const struct pager_effect map = {
        .kind = EFFECT_MAP, .page = 5, .slot = 0, .protection = PAGE_READ};
    struct pager_effect arm = {.kind = EFFECT_ARM, .page = 5, .slot = 0};
    struct stage *stage = stage_begin();

    (void)state;
    carries_out(stage, map);
    carries_out(stage, arm);
    assert_false(pager_shell_referenced(&stage->shell, 5));
    pager_shell_refer(&stage->shell, 5);
    assert_true(pager_shell_referenced(&stage->shell, 5));
    arm.watched = true; /* its area is one already */
    carries_out(stage, arm);
    assert_false(pager_shell_referenced(&stage->shell, 5));
    pager_shell_refer(&stage->shell, 5);
    carries_out(stage, (struct pager_effect){.kind = EFFECT_UNMAP, .page = 5});
    carries_out(stage, map);
    arm.watched = false; /* it was a watched area; mmap has made a new one */
    carries_out(stage, arm);
    assert_false(pager_shell_referenced(&stage->shell, 5));
    stage_end(stage);
}

static void frames_are_cleared_by_the_world_and_a_refused_mapping_is_gone(void **state)
{
    struct stage *stage = stage_begin();

    (void)state;
    carries_out(stage, (struct pager_effect){.kind = EFFECT_CLEAR, .page = SP_NO_PAGE, .slot = 3});
    assert_int_equal(stage->cleared, 3);
    carries_out(stage, (struct pager_effect){
                           .kind = EFFECT_MAP, .page = 7, .slot = 3, .protection = PAGE_READ});
    pager_shell_refuse(&stage->shell, 7);
    assert_false(pager_shell_is_mapped(&stage->shell, 7));
    stage_end(stage);
}

static void a_kernel_that_does_not_agree_with_the_pager_is_found(void **state)
{
    struct stage *stage = stage_begin();

    (void)state;
    assert_null(pager_shell_check(&stage->shell));
    stage->pager.page[6].flags = PAGE_MAPPED;
    assert_non_null(pager_shell_check(&stage->shell));
    carries_out(stage, (struct pager_effect){
                           .kind = EFFECT_MAP, .page = 6, .slot = 0, .protection = PAGE_READ});
    stage->pager.page[6].protection = PAGE_READ | PAGE_WRITE;
    assert_non_null(pager_shell_check(&stage->shell));
    stage->pager.page[6].protection = PAGE_READ;
    assert_null(pager_shell_check(&stage->shell));
    stage->pager.page[6].flags = 0;
    stage->pager.page[6].protection = 0;
    stage_end(stage);
}

/* Each of the other effects is left to the world, and one list has it. */
static void what_takes_a_message_is_taken_down(void **state)
{
    const struct pager_effect effects[] = {
        {.kind = EFFECT_STORE, .page = 1, .slot = 1, .swap = 9},
        {.kind = EFFECT_LOAD, .page = 2, .slot = 2, .swap = 8},
        {.kind = EFFECT_REFILL, .page = 3, .slot = 3, .swap = PAGER_NONE},
        {.kind = EFFECT_FREE_SWAP, .page = 4, .swap = 7},
        {.kind = EFFECT_RETURN, .page = SP_NO_PAGE, .slot = 0, .swap = PAGER_NONE},
        {.kind = EFFECT_ALLOCATE, .page = SP_NO_PAGE, .slot = 2, .count = 2, .extra = true}};
    struct stage *stage = stage_begin();
    struct pager_work work;

    (void)state;
    memset(&work, 0xa5, sizeof(work));
    pager_work_clear(&work);
    assert_true(pager_work_is_none(&work));
    for (size_t i = 0; i < sizeof(effects) / sizeof(effects[0]); i++) {
        assert_false(pager_shell_carry_out(&stage->shell, &effects[i]));
        pager_work_note(&work, &effects[i]);
        assert_false(pager_work_is_none(&work));
    }
    assert_true(work.stores == 1 && work.store[0].page == 1 && work.store[0].swap == 9);
    assert_true(work.loads == 1 && work.load[0].page == 2 && work.load[0].swap == 8);
    assert_true(work.refill && work.refilled.page == 3 && work.refilled.slot == 3);
    assert_true(work.frees == 1 && work.free[0] == 7);
    assert_true(work.returns == 1 && work.returned[0] == 0);
    assert_true(work.allocate && !work.grant && work.extra && work.slot == 2 && work.count == 2);
    pager_work_clear(&work);
    pager_work_note(&work, &(struct pager_effect){.kind = EFFECT_GRANT, .slot = 1, .count = 3});
    assert_true(work.grant && !work.allocate && work.slot == 1 && work.count == 3);
    stage_end(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_may_be_touched_as_its_mapping_says),
        cmocka_unit_test(a_reference_is_known_until_the_page_is_armed_or_mapped_again),
        cmocka_unit_test(frames_are_cleared_by_the_world_and_a_refused_mapping_is_gone),
        cmocka_unit_test(a_kernel_that_does_not_agree_with_the_pager_is_found),
        cmocka_unit_test(what_takes_a_message_is_taken_down),
    };

    return cmocka_run_group_tests_name("pager_shell", tests, NULL, NULL);
}
