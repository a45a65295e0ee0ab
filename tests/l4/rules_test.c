/* The rules of selfpage/l4.h, one story each, with golden trees. Where we deviate from X.2 or from the
 * Hurd's manual, src/l4/README.md names the story. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "heap.h"

#define PAGE(page) ((uint64_t)(page)*SP_L4_PAGE)
#define RW         (SP_L4_READ | SP_L4_WRITE)

/* A family: each maps from the one before it. */
enum { SIGMA0, FATHER, SON, GRANDSON, AUNT };

static struct sp_l4 *l4;

static int setup(void **state)
{
    struct sp_l4_options options = {.memory = &heap, .frames = 64};
    uint32_t space;

    (void)state;
    heap_left = ULONG_MAX;
    if (sp_l4_create(&l4, &options) != 0)
        return -1;
    for (uint32_t i = FATHER; i <= AUNT; i++)
        if (sp_l4_space_create(l4, &space) != 0 || space != i)
            return -1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sp_l4_destroy(&l4);
    return heap_bytes == 0 ? 0 : -1;
}

static sp_fpage region(unsigned page, unsigned pages, unsigned rights)
{
    sp_fpage fpage = SP_FPAGE_NIL;

    assert_int_equal(sp_fpage_make(PAGE(page), PAGE(pages), rights, &fpage), 0);
    return fpage;
}

/* Map pages of one space to another space. Returns how many. */
static uint32_t map(uint32_t from, unsigned page, unsigned pages, unsigned rights, uint32_t to,
                    unsigned to_page)
{
    struct sp_l4_item item = {region(page, pages, rights), 0, false};
    uint32_t mapped;

    assert_int_equal(sp_l4_map(l4, from, to, &item, region(to_page, pages, 0), &mapped), 0);
    assert_null(sp_l4_check(l4));
    return mapped;
}

static uint32_t grant(uint32_t from, unsigned page, unsigned rights, uint32_t to, unsigned to_page)
{
    struct sp_l4_item item = {region(page, 1, rights), 0, true};
    uint32_t mapped;

    assert_int_equal(sp_l4_map(l4, from, to, &item, region(to_page, 1, 0), &mapped), 0);
    assert_null(sp_l4_check(l4));
    return mapped;
}

static unsigned unmap(uint32_t space, unsigned page, unsigned rights, bool flush)
{
    sp_fpage fpage = region(page, 1, rights);

    assert_int_equal(sp_l4_unmap(l4, space, &fpage, 1, flush), 0);
    assert_null(sp_l4_check(l4));
    return sp_fpage_rights(fpage);
}

static void assert_tree(uint32_t frame, const char *right)
{
    char text[1000];

    assert_int_equal(sp_l4_dump(l4, frame, text, sizeof(text)), strlen(right));
    assert_string_equal(text, right);
}

/* Frame 3, down three generations. */
static void family(void)
{
    assert_int_equal(map(SIGMA0, 3, 1, SP_L4_RIGHTS, FATHER, 10), 1);
    assert_int_equal(map(FATHER, 10, 1, RW, SON, 20), 1);
    assert_int_equal(map(SON, 20, 1, SP_L4_READ, GRANDSON, 30), 1);
    assert_int_equal(map(FATHER, 10, 1, RW, AUNT, 40), 1);
}

static void a_family_of_mappings(void **state)
{
    (void)state;
    family();
    assert_tree(3, "0:3 rwx ---\n"
                   "  1:10 rwx ---\n"
                   "    2:20 rw- ---\n"
                   "      3:30 r-- ---\n"
                   "    4:40 rw- ---\n");
}

static void an_fpage_is_a_power_of_two_at_a_multiple_of_its_size(void **state)
{
    static const struct {
        uint64_t base, size;
        unsigned rights;
        int result;
    } cases[] = {
        {0, 1024, 7, 0},
        {PAGE(4), PAGE(4), 0, 0},
        {0, SP_L4_SPACE, 7, 0},
        {0, 512, 0, -EINVAL},               /* below X.2's smallest */
        {0, 3072, 0, -EINVAL},              /* no power of two */
        {PAGE(2), PAGE(4), 0, -EINVAL},     /* not at a multiple */
        {0, PAGE(1), 8, -EINVAL},           /* no such right */
        {SP_L4_SPACE, PAGE(1), 0, -EINVAL}, /* beyond the space */
        {0, SP_L4_SPACE * 2, 0, -EINVAL},
        {0, 0, 0, -EINVAL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        sp_fpage fpage = SP_FPAGE_NIL;

        assert_int_equal(sp_fpage_make(cases[i].base, cases[i].size, cases[i].rights, &fpage),
                         cases[i].result);
        if (cases[i].result != 0)
            continue;
        assert_true(sp_fpage_base(fpage) == cases[i].base);
        assert_true(sp_fpage_size(fpage) == cases[i].size);
        assert_int_equal(sp_fpage_rights(fpage), cases[i].rights);
    }
    assert_true(sp_fpage_size(SP_FPAGE_NIL) == 0);
    assert_true(sp_fpage_size(SP_FPAGE_COMPLETE | RW) == SP_L4_SPACE);
}

static void the_word_is_that_of_x2(void **state)
{
    (void)state;
    assert_true(region(5, 1, RW) == (PAGE(5) | 12 << 4 | RW));
    assert_true(region(1024, 1024, SP_L4_EXECUTE) == (PAGE(1024) | 22 << 4 | 1)); /* 4 MiB */
    assert_true(SP_FPAGE_COMPLETE == 1 << 4);
}

/* The smaller of the two decides, and the hot spot says where it lies in the larger. */
static void the_window_rule(void **state)
{
    static const struct {
        unsigned send, sends, spot, window, windows;
        unsigned from, to, size;
    } cases[] = {
        {8, 4, 0, 32, 4, 8, 32, 4},   /* equal: all */
        {8, 4, 2, 32, 4, 8, 32, 4},   /* equal: the hot spot is of no account */
        {8, 2, 5, 32, 8, 8, 36, 2},   /* into a larger window: at the hot spot, aligned */
        {8, 8, 5, 32, 2, 12, 32, 2},  /* into a smaller one: the part around the hot spot */
        {8, 8, 13, 32, 2, 12, 32, 2}, /* the hot spot counts modulo the larger size */
        {8, 1, 7, 32, 8, 8, 39, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t from, to;

        assert_true(sp_fpage_window(region(cases[i].send, cases[i].sends, 0),
                                    PAGE(cases[i].spot) + 1023,
                                    region(cases[i].window, cases[i].windows, 0), &from,
                                    &to) == PAGE(cases[i].size));
        assert_true(from == PAGE(cases[i].from) && to == PAGE(cases[i].to));
    }
    assert_true(
        sp_fpage_window(SP_FPAGE_NIL, 0, SP_FPAGE_COMPLETE, &(uint64_t){0}, &(uint64_t){0}) == 0);
}

static void less_than_a_page_maps_nothing(void **state)
{
    struct sp_l4_item item = {.grant = false};
    uint32_t mapped;

    (void)state;
    assert_int_equal(sp_fpage_make(0, 2048, SP_L4_RIGHTS, &item.fpage), 0);
    assert_int_equal(sp_l4_map(l4, SIGMA0, FATHER, &item, SP_FPAGE_COMPLETE, &mapped), 0);
    assert_int_equal(mapped, 0);
}

static void what_the_sender_lacks_is_skipped(void **state)
{
    (void)state;
    map(SIGMA0, 3, 1, RW, FATHER, 9);
    assert_int_equal(map(FATHER, 8, 4, RW, SON, 8), 1);
}

static void rights_only_shrink_on_the_way_down(void **state)
{
    struct sp_l4_mapping mapping;

    (void)state;
    map(SIGMA0, 3, 1, SP_L4_READ, FATHER, 10);
    map(FATHER, 10, 1, SP_L4_RIGHTS, SON, 20);
    assert_int_equal(sp_l4_lookup(l4, SON, PAGE(20), &mapping), 0);
    assert_int_equal(mapping.rights, SP_L4_READ);
    assert_int_equal(mapping.depth, 2);
    assert_int_equal(map(FATHER, 10, 1, SP_L4_WRITE, SON, 21), 0);
}

static void mapping_again_extends_rights(void **state)
{
    struct sp_l4_mapping mapping;

    (void)state;
    map(SIGMA0, 3, 1, SP_L4_READ, FATHER, 10);
    map(FATHER, 10, 1, SP_L4_READ, SON, 20);
    map(SIGMA0, 3, 1, SP_L4_WRITE, FATHER, 10);
    assert_int_equal(sp_l4_lookup(l4, FATHER, PAGE(10), &mapping), 0);
    assert_int_equal(mapping.rights, RW);
    assert_int_equal(mapping.derived, 1);
}

static void mapping_over_something_else_flushes_it_first(void **state)
{
    (void)state;
    family();
    map(SIGMA0, 7, 1, RW, SON, 20);
    assert_tree(3, "0:3 rwx ---\n  1:10 rwx ---\n    4:40 rw- ---\n");
    assert_tree(7, "0:7 rwx ---\n  2:20 rw- ---\n");
}

static void mapping_over_ones_own_source_maps_nothing(void **state)
{
    (void)state;
    family();
    assert_int_equal(map(GRANDSON, 30, 1, RW, FATHER, 10), 0);
    assert_tree(3, "0:3 rwx ---\n");
}

static void a_grant_moves_the_mapping_and_keeps_what_was_derived(void **state)
{
    (void)state;
    family();
    assert_int_equal(grant(SON, 20, SP_L4_RIGHTS, AUNT, 50), 1);
    assert_tree(3, "0:3 rwx ---\n"
                   "  1:10 rwx ---\n"
                   "    4:40 rw- ---\n"
                   "    4:50 rw- ---\n"
                   "      3:30 r-- ---\n");
    assert_int_equal(sp_l4_access(l4, SON, PAGE(20), SP_L4_READ), -EFAULT);
}

static void a_grant_with_fewer_rights_restricts_what_was_derived(void **state)
{
    (void)state;
    map(SIGMA0, 3, 1, RW, FATHER, 10);
    map(FATHER, 10, 1, RW, SON, 20);
    assert_int_equal(grant(FATHER, 10, SP_L4_READ, AUNT, 40), 1);
    assert_tree(3, "0:3 rwx ---\n  4:40 r-- ---\n    2:20 r-- ---\n");
}

static void a_grant_beyond_the_window_flushes_the_rest(void **state)
{
    struct sp_l4_item item = {region(8, 4, RW), PAGE(1), true};
    uint32_t mapped;

    (void)state;
    map(SIGMA0, 8, 4, RW, FATHER, 8);
    assert_int_equal(sp_l4_map(l4, FATHER, SON, &item, region(20, 1, 0), &mapped), 0);
    assert_int_equal(mapped, 1);
    assert_tree(9, "0:9 rwx ---\n  2:20 rw- ---\n");
    assert_tree(8, "0:8 rwx ---\n");
    assert_tree(11, "0:11 rwx ---\n");
}

static void sigma0_grants_nothing_and_receives_nothing(void **state)
{
    struct sp_l4_item item = {region(3, 1, RW), 0, true};
    uint32_t mapped;

    (void)state;
    assert_int_equal(sp_l4_map(l4, SIGMA0, FATHER, &item, SP_FPAGE_COMPLETE, &mapped), -EPERM);
    item.grant = false;
    assert_int_equal(sp_l4_map(l4, FATHER, SIGMA0, &item, SP_FPAGE_COMPLETE, &mapped), -EPERM);
}

static void a_nil_window_is_a_message_overflow(void **state)
{
    struct sp_l4_item item = {region(3, 1, RW), 0, false};
    uint32_t mapped = 7;

    (void)state;
    assert_int_equal(sp_l4_map(l4, SIGMA0, FATHER, &item, SP_FPAGE_NIL, &mapped), -EMSGSIZE);
    assert_int_equal(mapped, 0);
    item.fpage = SP_FPAGE_NIL;
    assert_int_equal(sp_l4_map(l4, SIGMA0, FATHER, &item, SP_FPAGE_COMPLETE, &mapped), 0);
    assert_int_equal(mapped, 0);
}

static void what_is_wrong_is_refused_and_changes_nothing(void **state)
{
    struct sp_l4_item item = {region(3, 1, RW) | 8, 0, false}; /* the reserved bit */
    sp_fpage fpages[2] = {region(3, 1, SP_L4_RIGHTS), SP_L4_SPACE | 12 << 4};
    uint32_t mapped;

    (void)state;
    family();
    assert_int_equal(sp_l4_map(l4, SIGMA0, FATHER, &item, SP_FPAGE_COMPLETE, &mapped), -EINVAL);
    item.fpage &= ~UINT64_C(8);
    assert_int_equal(sp_l4_map(l4, SIGMA0, FATHER, &item, 63 << 4, &mapped), -EINVAL);
    assert_int_equal(sp_l4_map(l4, 99, FATHER, &item, SP_FPAGE_COMPLETE, &mapped), -ESRCH);
    assert_int_equal(sp_l4_map(l4, SIGMA0, 99, &item, SP_FPAGE_COMPLETE, &mapped), -ESRCH);
    assert_int_equal(sp_l4_unmap(l4, SIGMA0, fpages, 2, false), -EINVAL);
    assert_int_equal(sp_l4_unmap(l4, 99, fpages, 1, false), -ESRCH);
    assert_int_equal(sp_l4_access(l4, FATHER, PAGE(10), 0), -EINVAL);
    assert_int_equal(sp_l4_space_destroy(l4, SIGMA0), -EPERM);
    assert_int_equal(sp_l4_space_destroy(l4, 99), -ESRCH);
    a_family_of_mappings(state);
}

static void unmap_takes_from_everything_below_and_from_nobody_else(void **state)
{
    (void)state;
    family();
    unmap(SON, 20, SP_L4_RIGHTS, false);
    assert_tree(3, "0:3 rwx ---\n  1:10 rwx ---\n    2:20 rw- ---\n    4:40 rw- ---\n");
    unmap(FATHER, 10, SP_L4_WRITE, false);
    assert_tree(3, "0:3 rwx ---\n  1:10 rwx ---\n    2:20 r-- ---\n    4:40 r-- ---\n");
}

static void flush_takes_ones_own_mapping_too(void **state)
{
    (void)state;
    family();
    unmap(SON, 20, SP_L4_RIGHTS, true);
    assert_tree(3, "0:3 rwx ---\n  1:10 rwx ---\n    4:40 rw- ---\n");
    unmap(SIGMA0, 3, SP_L4_RIGHTS, true);
    assert_tree(3, "0:3 rwx ---\n");
}

static void a_part_of_a_large_mapping_can_be_unmapped(void **state)
{
    (void)state;
    map(SIGMA0, 8, 4, RW, FATHER, 8);
    unmap(FATHER, 9, SP_L4_RIGHTS, true);
    assert_tree(9, "0:9 rwx ---\n");
    assert_tree(8, "0:8 rwx ---\n  1:8 rw- ---\n");
}

static void an_access_needs_its_rights(void **state)
{
    (void)state;
    family();
    assert_int_equal(sp_l4_access(l4, GRANDSON, PAGE(30) + 5, SP_L4_READ), 0);
    assert_int_equal(sp_l4_access(l4, GRANDSON, PAGE(30), SP_L4_WRITE), -EACCES);
    assert_int_equal(sp_l4_access(l4, SON, PAGE(20), SP_L4_EXECUTE), -EACCES);
    assert_int_equal(sp_l4_access(l4, GRANDSON, PAGE(31), SP_L4_READ), -EFAULT);
}

/* The rule of x86: a write is read and written, everything else is read. */
static void status_tells_reads_from_writes(void **state)
{
    (void)state;
    family();
    sp_l4_access(l4, SON, PAGE(20), SP_L4_READ);
    assert_int_equal(unmap(FATHER, 10, 0, false), SP_L4_READ);
    assert_int_equal(unmap(FATHER, 10, 0, false), 0);
    sp_l4_access(l4, SON, PAGE(20), SP_L4_WRITE);
    assert_int_equal(unmap(FATHER, 10, 0, false), RW);
    sp_l4_access(l4, FATHER, PAGE(10), SP_L4_EXECUTE);
    assert_int_equal(unmap(SIGMA0, 3, 0, false), RW);
}

static void ones_own_accesses_show_with_flush_only(void **state)
{
    (void)state;
    family();
    sp_l4_access(l4, SON, PAGE(20), SP_L4_READ);
    assert_int_equal(unmap(SON, 20, 0, false), 0);
    assert_int_equal(unmap(SON, 20, 0, true), SP_L4_READ);
    assert_int_equal(unmap(SON, 20, 0, true), 0);
}

static void each_level_has_its_own_view_of_the_status(void **state)
{
    (void)state;
    family();
    sp_l4_access(l4, GRANDSON, PAGE(30), SP_L4_READ);
    assert_int_equal(unmap(SIGMA0, 3, 0, false), SP_L4_READ); /* above: takes it from nobody */
    assert_int_equal(unmap(FATHER, 10, 0, false), SP_L4_READ);
    assert_int_equal(unmap(GRANDSON, 30, 0, true), SP_L4_READ); /* below: nor does this */
    assert_int_equal(unmap(SON, 20, 0, false), SP_L4_READ);
    assert_int_equal(unmap(AUNT, 40, 0, true), 0);
}

static void accesses_of_mappings_that_are_gone_still_count(void **state)
{
    (void)state;
    family();
    sp_l4_access(l4, SON, PAGE(20), SP_L4_WRITE);
    unmap(SON, 20, SP_L4_RIGHTS, true);
    assert_int_equal(unmap(FATHER, 10, 0, false), RW);
}

static void the_status_of_a_granted_mapping_begins_anew(void **state)
{
    (void)state;
    family();
    sp_l4_access(l4, SON, PAGE(20), SP_L4_WRITE);
    grant(SON, 20, SP_L4_RIGHTS, AUNT, 50);
    assert_int_equal(unmap(AUNT, 50, 0, true), 0);
    assert_int_equal(unmap(FATHER, 10, 0, false), RW);
}

static void a_space_that_ends_takes_what_was_derived_with_it(void **state)
{
    uint32_t space;

    (void)state;
    family();
    assert_int_equal(sp_l4_space_destroy(l4, SON), 0);
    assert_tree(3, "0:3 rwx ---\n  1:10 rwx ---\n    4:40 rw- ---\n");
    assert_int_equal(sp_l4_access(l4, SON, PAGE(20), SP_L4_READ), -ESRCH);
    assert_int_equal(sp_l4_space_create(l4, &space), 0);
    assert_int_equal(space, SON);
    assert_int_equal(sp_l4_access(l4, SON, PAGE(20), SP_L4_READ), -EFAULT);
}

static void a_space_has_no_more_mappings_than_it_may(void **state)
{
    struct sp_l4_options options = {.memory = &heap, .frames = 64, .mappings_max = 3};
    struct sp_l4_item item = {region(0, 8, RW), 0, false};
    struct sp_l4 *small;
    uint32_t space, mapped;

    (void)state;
    assert_int_equal(sp_l4_create(&small, &options), 0);
    assert_int_equal(sp_l4_space_create(small, &space), 0);
    assert_int_equal(sp_l4_map(small, SIGMA0, space, &item, SP_FPAGE_COMPLETE, &mapped), -ENOSPC);
    assert_int_equal(mapped, 3);
    assert_null(sp_l4_check(small));
    sp_l4_destroy(&small);
}

#define DEEP 5000u

/* Each page of a space from the one before it: no depth is too large for an access, a look, or an unmap. */
static void a_chain_of_mappings_may_be_as_deep_as_it_likes(void **state)
{
    const sp_fpage first = region(0, 1, RW);
    struct sp_l4_item item = {first, 0, false};
    struct sp_l4_mapping mapping;
    sp_fpage taken = first;
    uint32_t mapped;
    char text[64];

    (void)state;
    assert_int_equal(sp_l4_map(l4, SIGMA0, FATHER, &item, first, &mapped), 0);
    for (unsigned page = 0; page < DEEP; page++) {
        item.fpage = region(page, 1, RW);
        assert_int_equal(sp_l4_map(l4, FATHER, FATHER, &item, region(page + 1, 1, 0), &mapped), 0);
        assert_int_equal(mapped, 1);
    }
    assert_null(sp_l4_check(l4));
    assert_int_equal(sp_l4_lookup(l4, FATHER, PAGE(DEEP), &mapping), 0);
    assert_int_equal(mapping.depth, DEEP + 1);
    assert_int_equal(sp_l4_access(l4, FATHER, PAGE(DEEP), SP_L4_WRITE), 0);
    assert_true(sp_l4_dump(l4, 0, text, sizeof(text)) > DEEP);
    /* The first again from the last would be a circle. */
    item.fpage = region(DEEP, 1, RW);
    assert_int_equal(sp_l4_map(l4, FATHER, FATHER, &item, region(0, 1, 0), &mapped), 0);
    assert_int_equal(mapped, 0);
    assert_int_equal(sp_l4_lookup(l4, FATHER, PAGE(DEEP), &mapping), -EFAULT);
    assert_int_equal(sp_l4_unmap(l4, SIGMA0, &taken, 1, false), 0);
    assert_int_equal(sp_fpage_rights(taken), RW);
    assert_tree(0, "0:0 rwx ---\n");
}

/* Wherever memory runs out, the books hold and nothing leaks. */
static void without_memory_the_books_hold(void **state)
{
    (void)state;
    for (unsigned long calls = 0; calls < 40; calls++) {
        struct sp_l4_item item = {region(0, 8, RW), 0, false};
        uint32_t mapped;
        int result;

        heap_left = calls;
        result = sp_l4_map(l4, SIGMA0, FATHER, &item, region(8, 8, 0), &mapped);
        assert_true(result == 0 || result == -ENOMEM);
        assert_true(result != 0 || mapped == 8);
        item.grant = true;
        item.fpage = region(8, 8, RW);
        result = sp_l4_map(l4, FATHER, SON, &item, region(64, 8, 0), &mapped);
        assert_true(result == 0 || result == -ENOMEM);
        heap_left = ULONG_MAX;
        assert_null(sp_l4_check(l4));
        teardown(state);
        assert_int_equal(heap_bytes, 0);
        setup(state);
    }
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_family_of_mappings),
        STORY(an_fpage_is_a_power_of_two_at_a_multiple_of_its_size),
        STORY(the_word_is_that_of_x2),
        STORY(the_window_rule),
        STORY(less_than_a_page_maps_nothing),
        STORY(what_the_sender_lacks_is_skipped),
        STORY(rights_only_shrink_on_the_way_down),
        STORY(mapping_again_extends_rights),
        STORY(mapping_over_something_else_flushes_it_first),
        STORY(mapping_over_ones_own_source_maps_nothing),
        STORY(a_grant_moves_the_mapping_and_keeps_what_was_derived),
        STORY(a_grant_with_fewer_rights_restricts_what_was_derived),
        STORY(a_grant_beyond_the_window_flushes_the_rest),
        STORY(sigma0_grants_nothing_and_receives_nothing),
        STORY(a_nil_window_is_a_message_overflow),
        STORY(what_is_wrong_is_refused_and_changes_nothing),
        STORY(unmap_takes_from_everything_below_and_from_nobody_else),
        STORY(flush_takes_ones_own_mapping_too),
        STORY(a_part_of_a_large_mapping_can_be_unmapped),
        STORY(an_access_needs_its_rights),
        STORY(status_tells_reads_from_writes),
        STORY(ones_own_accesses_show_with_flush_only),
        STORY(each_level_has_its_own_view_of_the_status),
        STORY(accesses_of_mappings_that_are_gone_still_count),
        STORY(the_status_of_a_granted_mapping_begins_anew),
        STORY(a_space_that_ends_takes_what_was_derived_with_it),
        STORY(a_space_has_no_more_mappings_than_it_may),
        STORY(a_chain_of_mappings_may_be_as_deep_as_it_likes),
        STORY(without_memory_the_books_hold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
