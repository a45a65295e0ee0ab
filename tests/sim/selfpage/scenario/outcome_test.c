/* What is known about a run: expectations and JSON tell the same numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "selfpage/scenario/outcome.h"
#include "selfpage/scenario/report.h"

static struct scenario_task task = {.name = (char *)"a", .program = (char *)"sort"};
static struct scenario_swap swap;
static struct scenario_fileserver fileserver;
static struct scenario scenario = {
    .tasks = &task, .tasks_count = 1, .swap = &swap, .fileserver = &fileserver};

/* A number for each counter, no two alike. */
static void fill(struct outcome *outcome)
{
    uint32_t number = 0;

#define FILL(type, name, unit, meaning) outcome->tasks[0].stats.name = ++number;
    SP_TASK_COUNTERS(FILL, FILL)
#undef FILL
#define FILL(type, name, unit, meaning)  outcome->tasks[0].seen.name = ++number;
#define STATE(name, list, unit, meaning) outcome->tasks[0].seen.name = 1;
    SP_TASK_STATUS(FILL, STATE)
#undef FILL
#undef STATE
#define FILL(type, name, unit, meaning)  outcome->physmem.name = ++number;
#define STATE(name, list, unit, meaning) outcome->physmem.name = 1;
    SP_PHYSMEM_STATUS(FILL, STATE)
#undef FILL
#undef STATE
#define FILL(type, name, unit, meaning) outcome->swap.name = ++number;
    SP_SWAP_STATUS(FILL, FILL)
#undef FILL
#define FILL(type, name, unit, meaning) outcome->files.name = ++number;
    SP_FILESERVER_STATUS(FILL, FILL)
#undef FILL
}

static json_t *json_of(const struct outcome *outcome)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    json_t *object;

    assert_non_null(out);
    assert_int_equal(report_json(out, outcome), 0);
    fclose(out);
    object = json_loads(text, 0, NULL);
    assert_non_null(object);
    free(text);
    return object;
}

/* Each number in the JSON object is what an expectation gets by the same name. Returns how many. */
static unsigned expect_same(const struct outcome *outcome, json_t *object, const char *name)
{
    struct expression_names names = outcome_names(outcome);
    unsigned compared = 0;
    const char *field;
    json_t *value;

    json_object_foreach(object, field, value)
    {
        double number = -1;

        if (!json_is_integer(value) && !json_is_boolean(value))
            continue;
        if (names.look_up(names.arg, false, name, field, &number) != 0)
            fail_msg("no expectation can ask for %s.%s", name, field);
        if (number != (json_is_boolean(value) ? json_is_true(value) : json_number_value(value)))
            fail_msg("%s.%s is %g in an expectation and another number in JSON", name, field,
                     number);
        compared++;
    }
    return compared;
}

static void expectations_and_json_tell_the_same_numbers(void **state)
{
    struct outcome outcome;
    json_t *object;

    (void)state;
    assert_int_equal(outcome_init(&outcome, &scenario), 0);
    fill(&outcome);
    outcome.tasks[0].state = OUTCOME_ENDED;
    outcome.tasks[0].exit_status = 3;
    object = json_of(&outcome);
    assert_true(expect_same(&outcome, json_array_get(json_object_get(object, "tasks"), 0), "a") >
                30);
    assert_true(expect_same(&outcome, json_object_get(object, "physmem"), "physmem") > 20);
    assert_true(expect_same(&outcome, json_object_get(object, "swap"), "swap") > 10);
    assert_true(expect_same(&outcome, json_object_get(object, "fileserver"), "fileserver") > 8);
    json_decref(object);
    outcome_fini(&outcome);
}

/* JSON has the values of the figure's bars by their names, and null where there is none. */
static void json_has_the_figure(void **state)
{
    struct scenario_bar bars[] = {{.name = (char *)"twice", .value = (char *)"2 * a.faults"},
                                  {.name = (char *)"none", .value = (char *)"a.faults / 0"}};
    struct scenario_figure figure = {.bars = bars, .bars_count = 2};
    struct scenario drawn = scenario;
    struct outcome outcome;
    json_t *object, *values;

    (void)state;
    drawn.figure = &figure;
    assert_int_equal(outcome_init(&outcome, &drawn), 0);
    fill(&outcome);
    outcome.tasks[0].state = OUTCOME_ENDED;
    object = json_of(&outcome);
    values = json_object_get(object, "figure");
    assert_int_equal(json_object_size(values), 2);
    assert_true(json_number_value(json_object_get(values, "twice")) ==
                2. * (double)outcome.tasks[0].stats.faults);
    assert_true(json_is_null(json_object_get(values, "none")));
    json_decref(object);
    outcome_fini(&outcome);
    assert_int_equal(outcome_init(&outcome, &scenario), 0);
    object = json_of(&outcome);
    assert_null(json_object_get(object, "figure"));
    json_decref(object);
    outcome_fini(&outcome);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expectations_and_json_tell_the_same_numbers),
        cmocka_unit_test(json_has_the_figure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
