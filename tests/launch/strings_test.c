/* Lists of strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "launch/strings.h"

static void an_empty_list_can_be_released(void **state)
{
    struct strings list = {0};

    (void)state;
    strings_add_all(&list, NULL);
    assert_int_equal(list.count, 0);
    strings_fini(&list);
}

static void items_are_copied_and_terminated(void **state)
{
    const char *const more[] = {"b", "c", NULL};
    struct strings list = {0};
    char text[] = "a";

    (void)state;
    strings_add(&list, text);
    text[0] = 'x';
    strings_add_all(&list, more);
    strings_format(&list, "%d-%s", 4, "d");
    assert_int_equal(list.count, 4);
    assert_string_equal(list.items[0], "a");
    assert_string_equal(list.items[2], "c");
    assert_string_equal(list.items[3], "4-d");
    assert_null(list.items[4]);
    assert_false(list.failed);
    strings_fini(&list);
}

static void set_replaces_adds_and_removes(void **state)
{
    struct strings list = {0};

    (void)state;
    strings_add(&list, "AB=1");
    strings_add(&list, "A=2");
    strings_add(&list, "B=3");
    strings_set(&list, "A", "new");
    assert_int_equal(list.count, 3);
    assert_string_equal(list.items[0], "AB=1");
    assert_string_equal(list.items[1], "B=3");
    assert_string_equal(list.items[2], "A=new");
    assert_null(list.items[3]);
    strings_set(&list, "B", NULL);
    strings_set(&list, "C", NULL);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[1], "A=new");
    assert_null(list.items[2]);
    strings_set(&list, "C", "");
    assert_string_equal(list.items[2], "C=");
    strings_fini(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_list_can_be_released),
        cmocka_unit_test(items_are_copied_and_terminated),
        cmocka_unit_test(set_replaces_adds_and_removes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
