/* The books of a pager are looked at by many tests: whatever is wrong in them must be found. Here each number is made wrong
 * in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/pager/pager.h"
#include "story.h"

#define PAGES  60u
#define FRAMES 30u

static unsigned missed;

static void expect_found(const struct pager *pager, const char *what)
{
    if (pager_check(pager) != NULL)
        return;
    print_error("%s, and nothing is said to be wrong\n", what);
    missed++;
}

#define WRONG_AS(pager, member, value)                                                             \
    do {                                                                                           \
        __typeof__(0 ? (member) : (member)) was = (member);                                        \
        (member) = (value);                                                                        \
        expect_found(pager, #member " = " #value);                                                 \
        (member) = was;                                                                            \
    } while (0)

#define WRONG(pager, number)                                                                       \
    do {                                                                                           \
        WRONG_AS(pager, number, was + 1);                                                          \
        WRONG_AS(pager, number, was - 1);                                                          \
    } while (0)

/* Pages of each state: some resident, written and read; some in swap; one on the way out, one on the way in. */
static struct story *populated(void)
{
    struct story *story = story_begin(&policy_fifo, PAGES, FRAMES, 0, UINT32_MAX);
    struct pager *pager = &story->pager;

    assert_int_equal(pager_regions_create(pager, PAGES, SP_PRECIOUS, false, false), 0);
    story_get_frames(story, FRAMES, true);
    story_touch(story, 0, 20, true);
    assert_null(pager_check(pager));
    return story;
}

static void wrong_sums_are_found(void **state)
{
    struct story *story = populated();
    struct pager *pager = &story->pager;

    (void)state;
    missed = 0;
    WRONG(pager, pager->held);
    WRONG(pager, pager->stats->held);
    WRONG(pager, pager->free);
    WRONG(pager, pager->leaving);
    WRONG(pager, pager->loading);
    WRONG(pager, pager->going);
    WRONG(pager, pager->going_clean);
    WRONG(pager, pager->stats->resident);
    WRONG(pager, pager->region[0].resident);
    WRONG(pager, pager->pinned);
    WRONG(pager, pager->with_policy);
    WRONG(pager, pager->dirty);
    WRONG(pager, pager->stores);
    WRONG(pager, pager->losing);
    WRONG(pager, pager->offers.live);
    WRONG_AS(pager, pager->owed, pager->held + 1);
    WRONG_AS(pager, pager->free_head, PAGER_NONE);
    WRONG_AS(pager, pager->free_head, pager->page[0].slot);
    assert_int_equal(missed, 0);
    story_end(story);
}

static void wrong_pages_are_found(void **state)
{
    struct story *story = populated();
    struct pager *pager = &story->pager;

    (void)state;
    missed = 0;
    for (sp_page page = 0; page < 24; page++) {
        struct pager_page *p = &pager->page[page];

        for (unsigned bit = 0; bit < 7; bit++) {
            uint8_t flag = (uint8_t)(1 << bit);

            if (flag == PAGE_REDIRTIED || flag == PAGE_LOST || flag == PAGE_HAS_SWAP)
                continue;
            WRONG_AS(pager, p->flags, was ^ flag);
        }
        for (uint8_t other = PAGE_ABSENT; other <= PAGE_LEAVING; other++)
            if (other != p->state &&
                (p->state >= PAGE_LOADING || other >= PAGE_LOADING || other == PAGE_SWAPPED))
                WRONG_AS(pager, p->state, other);
        WRONG_AS(pager, p->pins, 1);
        WRONG_AS(pager, p->going, true);
        if (p->state != PAGE_RESIDENT) {
            WRONG_AS(pager, p->protection, PAGE_READ);
            continue;
        }
        WRONG_AS(pager, p->slot, pager->free_head);
        WRONG_AS(pager, p->slot, pager->page[(page + 1) % 20].slot);
        WRONG_AS(pager, pager->slot[p->slot].rights, PAGE_READ); /* it is mapped for writing */
        WRONG_AS(pager, pager->slot[p->slot].state, SLOT_FREE);
        WRONG_AS(pager, pager->slot[p->slot].page_or_prev, page + 1);
        WRONG_AS(pager, pager->slot[p->slot].place, 1);
        WRONG_AS(pager, pager->slot[p->slot].flags, SLOT_LOST);
    }
    for (uint32_t slot = pager->free_head; slot != PAGER_NONE; slot = pager->slot[slot].next) {
        WRONG_AS(pager, pager->slot[slot].state, SLOT_USED);
        WRONG_AS(pager, pager->slot[slot].state, SLOT_HOLE);
        if (pager->slot[slot].next != PAGER_NONE)
            WRONG_AS(pager, pager->slot[slot].next, PAGER_NONE);
        WRONG_AS(pager, pager->slot[slot].next, slot);
    }
    assert_int_equal(missed, 0);
    story_end(story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_sums_are_found),
        cmocka_unit_test(wrong_pages_are_found),
    };

    return cmocka_run_group_tests_name("core_pager_check", tests, NULL, NULL);
}
