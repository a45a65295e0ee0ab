#include "selfpage/report/rows.h"

#include "base/assert.h"

/* Counters whose growth is shown, and what the rate is called. */
static const char *const rates[][2] = {{"faults", "faults_per_second"},
                                       {"swapped_in", "swapped_in_per_second"},
                                       {"swapped_out", "swapped_out_per_second"}};

bool rows_is_row(const json_t *value)
{
    return json_is_number(json_object_get(value, "seconds")) &&
           json_is_string(json_object_get(value, "task")) &&
           json_is_number(json_object_get(value, "held"));
}

static double number(const json_t *row, const char *name)
{
    return json_number_value(json_object_get(row, name));
}

/* The rates of a row, by the one before it of the same task; NULL: there is none. */
static int set_rates(json_t *task, const json_t *row, const json_t *before)
{
    double seconds = before != NULL ? number(row, "seconds") - number(before, "seconds") : 0;
    int failed = 0;

    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        double grown = before != NULL ? number(row, rates[i][0]) - number(before, rates[i][0]) : 0;

        failed |= json_object_set_new(task, rates[i][1],
                                      seconds > 0 && grown >= 0 ? json_real(grown / seconds)
                                                                : json_null());
    }
    return failed;
}

/* A task of a look. `ids` and `last` are objects by name: its number, and its row before this one. */
static json_t *task_of(json_t *row, json_t *ids, json_t *last)
{
    const char *name = json_string_value(json_object_get(row, "task"));
    json_t *task = json_object();
    int failed = 0;

    if (json_object_get(ids, name) == NULL)
        failed |=
            json_object_set_new(ids, name, json_integer((json_int_t)json_object_size(ids) + 1));
    failed |= json_object_set(task, "name", json_object_get(row, "task"));
    failed |= json_object_set(task, "id", json_object_get(ids, name));
    failed |= json_object_set(task, "held", json_object_get(row, "held"));
    if (json_is_number(json_object_get(row, "demand")))
        failed |= json_object_set(task, "demand", json_object_get(row, "demand"));
    failed |= set_rates(task, row, json_object_get(last, name));
    failed |= json_object_set(last, name, row);
    if (failed == 0)
        return task;
    json_decref(task);
    return NULL;
}

json_t *rows_to_looks(const json_t *rows)
{
    json_t *looks = json_array(), *ids = json_object(), *last = json_object();
    json_t *look = NULL, *row;
    size_t i;
    int failed = 0;

    ensure(json_is_array(rows));
    json_array_foreach(rows, i, row)
    {
        if (look == NULL || number(look, "seconds") != number(row, "seconds")) {
            look = json_pack("{s:O, s:[]}", "seconds", json_object_get(row, "seconds"), "tasks");
            failed |= json_array_append_new(looks, look);
        }
        if (failed != 0)
            break;
        failed |= json_array_append_new(json_object_get(look, "tasks"), task_of(row, ids, last));
    }
    json_decref(ids);
    json_decref(last);
    if (failed == 0)
        return looks;
    json_decref(looks);
    return NULL;
}
