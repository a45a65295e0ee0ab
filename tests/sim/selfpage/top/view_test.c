/* What selfpage top makes of two servers' answers: rates, histories, and which tasks stand where. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "selfpage/top/columns.h"
#include "selfpage/top/view.h"

/* An answer of a physmem with tasks of these numbers; faults and frames are given, too. */
struct told {
    uint32_t id;
    const char *name;
    uint64_t faults;
    uint32_t held;
};

static void tell(struct observer *physmem, struct observed_task *tasks, const struct told *told,
                 size_t count)
{
    for (size_t i = 0; i < count; i++) {
        tasks[i] = (struct observed_task){.id = told[i].id,
                                          .faults = told[i].faults,
                                          .held = told[i].held,
                                          .contracts = told[i].held > 0};
        snprintf(tasks[i].name, sizeof tasks[i].name, "%s", told[i].name);
    }
    physmem->tasks = tasks;
    physmem->task_count = count;
    physmem->physmem.frames = 100;
}

static void a_rate_is_what_came_in_a_second(void **state)
{
    const struct told first[] = {{1, "a", 100, 10}}, second[] = {{1, "a", 150, 30}, {2, "b", 5, 5}};
    struct observer physmem = {.known = true};
    struct observed_task tasks[2];
    struct view view = {.tasks = NULL};

    (void)state;
    tell(&physmem, tasks, first, 1);
    assert_int_equal(view_sample(&view, &physmem, NULL, 7), 0);
    assert_false(view.tasks[0].rates.known); /* once is not a rate */
    tell(&physmem, tasks, second, 2);
    assert_int_equal(view_sample(&view, &physmem, NULL, 0.5), 0);
    assert_true(view.tasks[0].rates.known && !view.tasks[1].rates.known);
    assert_int_equal((int)view.tasks[0].rates.faults, 100);
    assert_int_equal((int)view.rates.faults,
                     100); /* of all: what b had counted before does not count */
    assert_int_equal(view.tasks[0].held.count, 2);
    assert_int_equal((int)view.tasks[0].held.value[0], 30); /* the newest first */
    assert_int_equal((int)view.tasks[0].held.value[1], 10);
    assert_int_equal(view.live, 2);
    view_fini(&view);
}

static void tasks_of_a_server_that_began_anew_are_new(void **state)
{
    const struct told first[] = {{1, "a", 100, 10}, {2, "b", 100, 10}}, second[] = {{3, "c", 1, 1}};
    struct observer physmem = {.known = true};
    struct observed_task tasks[2];
    struct view view = {.tasks = NULL};

    (void)state;
    tell(&physmem, tasks, first, 2);
    assert_int_equal(view_sample(&view, &physmem, NULL, 1), 0);
    tell(&physmem, tasks, second, 1);
    assert_int_equal(view_sample(&view, &physmem, NULL, 1), 0);
    assert_int_equal(view.count, 1);
    assert_false(view.tasks[0].rates.known);
    assert_null(view_find(&view, "a"));
    assert_ptr_equal(view_find(&view, "c"), &view.tasks[0]);
    view_fini(&view);
}

static void a_counter_that_fell_is_no_growth(void **state)
{
    struct observer physmem = {.known = true}, swap = {.known = true};
    struct view view = {.tasks = NULL};

    (void)state;
    swap.swap.stores = 1000;
    assert_int_equal(view_sample(&view, &physmem, &swap, 1), 0);
    swap.swap.stores = 10; /* it was started again */
    swap.swap.loads = 20;
    assert_int_equal(view_sample(&view, &physmem, &swap, 1), 0);
    assert_true(view.has_swap);
    assert_int_equal((int)view.rates.swapped_out, 0);
    assert_int_equal((int)view.rates.swapped_in, 20);
    assert_int_equal(view_sample(&view, &physmem, &swap, 0), 0); /* no time has passed */
    view_fini(&view);
}

static void a_history_keeps_the_newest(void **state)
{
    struct told told[] = {{1, "a", 0, 1}};
    struct observer physmem = {.known = true};
    struct observed_task tasks[1];
    struct view view = {.tasks = NULL};

    (void)state;
    for (uint32_t i = 1; i <= VIEW_SAMPLES + 5; i++) {
        told[0].held = i;
        tell(&physmem, tasks, told, 1);
        assert_int_equal(view_sample(&view, &physmem, NULL, 1), 0);
    }
    assert_int_equal(view.tasks[0].held.count, VIEW_SAMPLES);
    assert_int_equal((int)view.tasks[0].held.value[0], VIEW_SAMPLES + 5);
    assert_int_equal((int)view.tasks[0].held.value[VIEW_SAMPLES - 1], 6);
    view_fini(&view);
}

static const char *names_of(const struct view *view, const struct selection *selection)
{
    static char names[64];
    const struct view_task *shown[8];
    size_t count = columns_select(view, selection, shown, 8);

    names[0] = '\0';
    for (size_t i = 0; i < count; i++)
        strcat(names, shown[i]->now.name);
    return names;
}

static void tasks_are_sorted_filtered_and_gone(void **state)
{
    const struct told told[] = {
        {1, "b", 1, 10}, {2, "a", 2, 30}, {3, "dx", 3, 0}, {4, "cx", 4, 20}};
    struct observer physmem = {.known = true};
    struct observed_task tasks[4];
    struct view view = {.tasks = NULL};
    struct selection selection = {.sort = (unsigned)columns_find("held")};

    (void)state;
    tell(&physmem, tasks, told, 4);
    assert_int_equal(view_sample(&view, &physmem, NULL, 1), 0);
    assert_string_equal(names_of(&view, &selection), "acxb"); /* dx holds nothing: it has ended */
    selection.reversed = true;
    assert_string_equal(names_of(&view, &selection), "bcxa");
    selection = (struct selection){.sort = (unsigned)columns_find("name"), .all = true};
    assert_string_equal(names_of(&view, &selection), "abcxdx");
    selection.filter = "x";
    assert_string_equal(names_of(&view, &selection), "cxdx");
    assert_int_equal(columns_find("colour"), -1);
    view_fini(&view);
}

static void a_cell_is_as_wide_as_its_column(void **state)
{
    struct view_task task = {.now.held = 12};
    char text[COLUMN_TEXT];

    (void)state;
    memset(task.now.name, 'n', sizeof task.now.name - 1);
    for (size_t i = 0; columns_at(i) != NULL; i++) {
        columns_text(columns_at(i), &task, 13, text);
        assert_int_equal(strlen(text), (size_t)abs(columns_at(i)->width));
    }
    columns_text(columns_at((size_t)columns_find("faults")), &task, 13, text);
    assert_non_null(strchr(text, '-')); /* no rate is known */
}

static void a_long_name_has_room_where_there_is_some(void **state)
{
    struct view_task tasks[2] = {{.now.name = "short"}, {.now.name = "a_name_of_twenty_six_bytes"}};
    const struct view_task *shown[] = {&tasks[0], &tasks[1]};
    char text[COLUMN_TEXT];

    (void)state;
    assert_int_equal(columns_names(shown, 2, 100), 26);
    assert_int_equal(columns_names(shown, 2, 5), 18);
    assert_int_equal(columns_names(shown, 2, -30), 13);
    assert_int_equal(columns_names(shown, 1, 100), 13);
    assert_int_equal(columns_names(NULL, 0, 100), 13);
    columns_text(columns_at(0), &tasks[1], 18, text);
    assert_string_equal(text, "a_name_of_twenty_s");
    columns_text(columns_at(0), &tasks[0], 18, text);
    assert_string_equal(text, "short             ");
    assert_int_equal(columns_width(columns_at(0), 18), -18);
    assert_int_equal(columns_width(columns_at(1), 18), columns_at(1)->width);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rate_is_what_came_in_a_second),
        cmocka_unit_test(tasks_of_a_server_that_began_anew_are_new),
        cmocka_unit_test(a_counter_that_fell_is_no_growth),
        cmocka_unit_test(a_history_keeps_the_newest),
        cmocka_unit_test(tasks_are_sorted_filtered_and_gone),
        cmocka_unit_test(a_cell_is_as_wide_as_its_column),
        cmocka_unit_test(a_long_name_has_room_where_there_is_some),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
