#include "selfpage/report/series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/* What is kept of a task, and of the servers. */
static const char *const task_columns[] = {"held", "demand", "faults_per_second",
                                           "swapped_in_per_second", "swapped_out_per_second"};
static const char *const swap_columns[] = {"used", "stores", "loads"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* How looks become points: `group` looks each, as two points; 0: each look is a point. */
struct thinning {
    size_t looks, points, group;
};

bool series_is_look(const json_t *value)
{
    return json_is_number(json_object_get(value, "seconds")) &&
           json_is_object(json_object_get(value, "physmem")) &&
           json_is_array(json_object_get(value, "tasks")) &&
           json_object_get(value, "passed") == NULL;
}

static struct thinning thinning_of(size_t looks, size_t lines)
{
    size_t most = SERIES_POINTS;
    struct thinning thinning = {.looks = looks, .points = looks};

    while (most > 100 && most * lines > 40 * SERIES_POINTS)
        most /= 2;
    if (looks <= most)
        return thinning;
    thinning.group = (looks + most / 2 - 1) / (most / 2);
    thinning.points = 2 * ((looks + thinning.group - 1) / thinning.group);
    ensure(thinning.points <= most + 2);
    return thinning;
}

/* A number as it came: whole numbers stay whole. */
static json_t *number_json(double number)
{
    if (isnan(number))
        return json_null();
    if (number == floor(number) && fabs(number) < 0x1p53)
        return json_integer((json_int_t)number);
    return json_real(number);
}

/* The least and the greatest of a group, in their order. */
static bool add_group(json_t *list, const double *numbers, size_t count)
{
    size_t least = 0, greatest = 0;

    check(count > 0);
    for (size_t i = 1; i < count; i++) {
        if (!(numbers[i] >= numbers[least])) /* also over nothing known */
            least = i;
        if (!(numbers[i] <= numbers[greatest]))
            greatest = i;
    }
    return json_array_append_new(list, number_json(numbers[least < greatest ? least : greatest])) ==
               0 &&
           json_array_append_new(list, number_json(numbers[least < greatest ? greatest : least])) ==
               0;
}

/* The numbers of all looks as a list of points. */
static json_t *line_json(const struct thinning *thinning, const double *numbers)
{
    json_t *list = json_array();
    bool right = list != NULL;

    if (thinning->group == 0)
        for (size_t i = 0; right && i < thinning->looks; i++)
            right = json_array_append_new(list, number_json(numbers[i])) == 0;
    else
        for (size_t i = 0; right && i < thinning->looks; i += thinning->group)
            right = add_group(list, numbers + i,
                              thinning->looks - i < thinning->group ? thinning->looks - i
                                                                    : thinning->group);
    if (right)
        return list;
    json_decref(list);
    return NULL;
}

/* The time of each point. */
static json_t *seconds_json(const struct thinning *thinning, const json_t *looks)
{
    json_t *list = json_array();
    size_t step = thinning->group == 0 ? 1 : thinning->group;

    for (size_t i = 0; list != NULL && i < thinning->looks; i += step) {
        size_t half = i + step / 2 < thinning->looks ? i + step / 2 : thinning->looks - 1;

        json_array_append(list, json_object_get(json_array_get(looks, i), "seconds"));
        if (thinning->group > 0)
            json_array_append(list, json_object_get(json_array_get(looks, half), "seconds"));
    }
    return list;
}

static double number_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* ---- Tasks ---- */

struct known_task {
    double id;
    const char *name; /* of a look, which outlives this */
    double most;      /* frames held */
};

struct known_tasks {
    struct known_task *tasks;
    size_t count, room;
};

static struct known_task *find(struct known_tasks *known, double id)
{
    for (size_t i = 0; i < known->count; i++)
        if (known->tasks[i].id == id)
            return &known->tasks[i];
    return NULL;
}

static bool know(struct known_tasks *known, const json_t *task)
{
    double id = number_of(task, "id"), held = number_of(task, "held");
    const char *name = json_string_value(json_object_get(task, "name"));
    struct known_task *found = find(known, id);

    if (name == NULL || isnan(id))
        return true; /* it is not a task: leave it out */
    if (found == NULL && known->count == known->room) {
        size_t room = known->room == 0 ? 64 : 2 * known->room;
        struct known_task *tasks = reallocarray(known->tasks, room, sizeof(*tasks));

        if (tasks == NULL)
            return false;
        known->tasks = tasks;
        known->room = room;
    }
    if (found == NULL) {
        found = &known->tasks[known->count++];
        *found = (struct known_task){.id = id, .name = name};
    }
    if (held > found->most)
        found->most = held;
    return true;
}

static int compare(const void *left, const void *right)
{
    const struct known_task *a = left, *b = right;

    if (a->most != b->most)
        return a->most < b->most ? 1 : -1;
    return (a->id > b->id) - (a->id < b->id);
}

/* All tasks of all looks, those first that held most. */
static bool know_all(struct known_tasks *known, const json_t *looks)
{
    const json_t *look, *task;
    size_t i, k;

    json_array_foreach(looks, i, look) json_array_foreach(
        json_object_get(look, "tasks"), k, task) if (!know(known, task)) return false;
    if (known->count > 1)
        qsort(known->tasks, known->count, sizeof(*known->tasks), compare);
    return true;
}

/* The task of this id within a look, which is mostly where it was in the look before. */
static const json_t *task_in(const json_t *look, double id, size_t *hint)
{
    const json_t *tasks = json_object_get(look, "tasks");
    size_t count = json_array_size(tasks);

    for (size_t i = 0; i < count; i++) {
        size_t at = (*hint + i) % count;

        if (number_of(json_array_get(tasks, at), "id") == id) {
            *hint = at;
            return json_array_get(tasks, at);
        }
    }
    return NULL;
}

static json_t *task_json(const struct known_task *known, const json_t *looks,
                         const struct thinning *thinning, double *numbers)
{
    json_t *object = json_object();
    bool right = json_object_set_new(object, "name", json_string(known->name)) == 0;

    for (size_t c = 0; right && c < COUNT(task_columns); c++) {
        size_t hint = 0;

        for (size_t i = 0; i < thinning->looks; i++)
            numbers[i] =
                number_of(task_in(json_array_get(looks, i), known->id, &hint), task_columns[c]);
        right = json_object_set_new(object, task_columns[c], line_json(thinning, numbers)) == 0;
    }
    if (right)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *tasks_json(const struct known_tasks *known, const json_t *looks,
                          const struct thinning *thinning, double *numbers)
{
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < known->count && i < SERIES_TASKS; i++)
        if (json_array_append_new(list, task_json(&known->tasks[i], looks, thinning, numbers)) !=
            0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

/* ---- Servers ---- */

static json_t *physmem_json(const json_t *looks, const struct thinning *thinning, double *numbers)
{
    json_t *object = json_object();

    for (size_t i = 0; i < thinning->looks; i++)
        numbers[i] = number_of(json_object_get(json_array_get(looks, i), "physmem"), "free");
    json_object_set_new(object, "free", line_json(thinning, numbers));
    for (size_t i = 0; i < thinning->looks; i++) {
        const json_t *physmem = json_object_get(json_array_get(looks, i), "physmem");

        numbers[i] =
            number_of(physmem, "frames") - number_of(physmem, "free") - number_of(physmem, "soft");
    }
    json_object_set_new(object, "held", line_json(thinning, numbers));
    return object;
}

static json_t *swap_json(const json_t *looks, const struct thinning *thinning, double *numbers)
{
    json_t *object;

    if (!json_is_object(json_object_get(json_array_get(looks, 0), "swap")))
        return json_null();
    object = json_object();
    for (size_t c = 0; c < COUNT(swap_columns); c++) {
        for (size_t i = 0; i < thinning->looks; i++)
            numbers[i] =
                number_of(json_object_get(json_array_get(looks, i), "swap"), swap_columns[c]);
        json_object_set_new(object, swap_columns[c], line_json(thinning, numbers));
    }
    return object;
}

/* ---- The whole ---- */

static json_t *whole_json(const json_t *looks, const struct known_tasks *known)
{
    size_t shown = known->count < SERIES_TASKS ? known->count : SERIES_TASKS;
    struct thinning thinning = thinning_of(json_array_size(looks), 5 + shown * COUNT(task_columns));
    double *numbers = calloc(thinning.looks + 1, sizeof(*numbers));
    json_t *object = json_object();
    int failed = numbers == NULL ? -1 : 0;

    if (failed == 0) {
        failed |= json_object_set_new(object, "looks", json_integer((json_int_t)thinning.looks));
        failed |= json_object_set_new(object, "tasks_left_out",
                                      json_integer((json_int_t)(known->count - shown)));
        failed |= json_object_set_new(object, "seconds", seconds_json(&thinning, looks));
        failed |= json_object_set_new(object, "physmem", physmem_json(looks, &thinning, numbers));
        failed |= json_object_set_new(object, "swap", swap_json(looks, &thinning, numbers));
        failed |=
            json_object_set_new(object, "tasks", tasks_json(known, looks, &thinning, numbers));
    }
    free(numbers);
    if (failed == 0)
        return object;
    json_decref(object);
    return NULL;
}

json_t *series_make(const json_t *looks)
{
    struct known_tasks known = {.tasks = NULL};
    json_t *object = NULL;

    ensure(json_array_size(looks) > 0);
    if (know_all(&known, looks))
        object = whole_json(looks, &known);
    free(known.tasks);
    return object;
}
