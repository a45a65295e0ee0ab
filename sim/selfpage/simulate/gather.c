#include "selfpage/simulate/gather.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/exits.h"
#include "selfpage/command/commands.h"
#include "selfpage/simulate/many_report.h"
#include "selfpage/simulate/rows.h"

/* Plays of one command at most. */
#define PLAYS_MAX 10000000u

/* ---- Reading ---- */

/* Put the plays of an object to those of the same combination. */
static int take_object(json_t *groups, const json_t *object, const char *path, unsigned number,
                       struct sp_error *error)
{
    const char *varied = json_string_value(json_object_get(object, "varied"));
    json_t *plays = json_object_get(object, "plays"), *group;

    if (!json_is_array(plays) || !json_is_array(json_object_get(object, "columns")) ||
        !json_is_array(json_object_get(object, "expectations")))
        return error_set(error, EINVAL,
                         "%.160s: object %u is not what selfpage simulate --json --rows prints for "
                         "many seeds",
                         path, number);
    if (varied == NULL)
        varied = "";
    group = json_object_get(groups, varied);
    if (group == NULL) {
        json_object_set(groups, varied, (json_t *)object);
        return 0;
    }
    if (!json_equal(json_object_get(group, "columns"), json_object_get(object, "columns")))
        return error_set(error, EINVAL, "%.160s: object %u is of another scenario", path, number);
    if (json_array_extend(json_object_get(group, "plays"), plays) != 0)
        return error_set(error, ENOMEM, "out of memory");
    return 0;
}

static int read_file(json_t *groups, const char *path, struct sp_error *error)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "re");
    unsigned number = 0;
    json_error_t mistake;
    int next, result = 0;

    if (file == NULL)
        return error_set(error, errno, "%.160s: %s", path, strerror(errno));
    while (result == 0 && (next = getc(file)) != EOF) {
        json_t *object;

        if (strchr(" \t\r\n", next) != NULL)
            continue;
        ungetc(next, file);
        object = json_loadf(file, JSON_DISABLE_EOF_CHECK, &mistake);
        number++;
        if (object == NULL)
            result = error_set(error, EINVAL, "%.160s: object %u is not JSON: %s", path, number,
                               mistake.text);
        else
            result = take_object(groups, object, path, number, error);
        json_decref(object);
    }
    if (result == 0 && ferror(file))
        result = error_set(error, EIO, "%.160s cannot be read", path);
    if (!standard)
        fclose(file);
    return result;
}

/* ---- Results ---- */

/* Returns whether the row is one. */
static bool take_row(const struct scenario *scenario, const json_t *row, uint64_t *values)
{
    size_t columns = rows_columns(scenario), i;
    json_t *value;

    if (json_array_size(row) != columns)
        return false;
    json_array_foreach(row, i, value)
    {
        const char *text = json_string_value(value);
        char *end;

        if (rows_column(scenario, i).real) {
            if (text == NULL || strlen(text) != 16)
                return false;
            values[i] = strtoull(text, &end, 16);
            if (*end != '\0')
                return false;
        } else {
            if (!json_is_integer(value))
                return false;
            values[i] = (uint64_t)json_integer_value(value);
        }
    }
    return true;
}

static bool take_unmet(const json_t *unmet, struct many_result *result)
{
    json_t *number;
    size_t i;

    json_array_foreach(unmet, i, number)
    {
        json_int_t bit = json_is_integer(number) ? json_integer_value(number) : -1;

        if (bit < 0 || bit >= MANY_EXPECTATIONS)
            return false;
        result->unmet[bit / 64] |= UINT64_C(1) << (bit % 64);
    }
    return true;
}

static bool take_play(const struct scenario *scenario, const json_t *play,
                      struct many_result *result)
{
    const char *state = json_string_value(json_object_get(play, "state"));
    const char *hash = json_string_value(json_object_get(play, "hash"));
    const char *why = json_string_value(json_object_get(play, "why"));

    if (state == NULL || hash == NULL || !json_is_integer(json_object_get(play, "seed")))
        return false;
    while (result->state < MANY_CANNOT && strcmp(many_report_states[result->state], state) != 0)
        result->state++;
    result->seed = (uint64_t)json_integer_value(json_object_get(play, "seed"));
    result->hash = strtoull(hash, NULL, 16);
    result->events = (uint64_t)json_integer_value(json_object_get(play, "events_played"));
    result->virtual_ns =
        (uint64_t)(json_number_value(json_object_get(play, "virtual_seconds")) * 1e9 + 0.5);
    snprintf(result->why, sizeof result->why, "%s", why != NULL ? why : "");
    return take_unmet(json_object_get(play, "unmet"), result) &&
           take_row(scenario, json_object_get(play, "row"), result->row);
}

static int by_seed(const void *a, const void *b)
{
    const struct many_result *x = a, *y = b;

    return (x->seed > y->seed) - (x->seed < y->seed);
}

/* One of each seed. Returns 0, or -EINVAL: two plays of one seed differ. */
static int leave_out_doubles(struct many_results *results, struct sp_error *error)
{
    uint64_t kept = results->count > 0;

    for (uint64_t i = 1; i < results->count; i++) {
        struct many_result *last = many_report_result(results, kept - 1);
        struct many_result *next = many_report_result(results, i);

        if (last->seed == next->seed && memcmp(last, next, results->size) != 0)
            return error_set(error, EINVAL,
                             "two plays of seed %llu differ: the jobs did not play the same",
                             (unsigned long long)next->seed);
        if (last->seed != next->seed)
            memmove(many_report_result(results, kept++), next, results->size);
    }
    results->count = kept;
    return 0;
}

static int take_plays(struct many_results *results, const json_t *plays, struct sp_error *error)
{
    json_t *play;
    size_t i;

    if (json_array_size(plays) > PLAYS_MAX)
        return error_set(error, EINVAL, "there are more than %u plays", PLAYS_MAX);
    results->count = json_array_size(plays);
    results->size = many_report_size(results->scenario);
    results->results = calloc(results->count + 1, results->size);
    if (results->results == NULL)
        return error_set(error, ENOMEM, "out of memory");
    json_array_foreach(plays, i, play) if (
        !take_play(
            results->scenario, play,
            many_report_result(
                results,
                i))) return error_set(error, EINVAL,
                                      "play %zu is not one of this scenario: it needs what --json --rows prints",
                                      i + 1);
    qsort(results->results, results->count, results->size, by_seed);
    return leave_out_doubles(results, error);
}

/* Texts of the expectations, one behind the other; for free(). */
static char *join_texts(const json_t *expectations)
{
    char *texts = calloc(1, MANY_TEXTS);
    const json_t *expectation;
    size_t at = 0, i;

    json_array_foreach(expectations, i, expectation)
    {
        const char *text = json_string_value(json_object_get(expectation, "text"));
        size_t length = text != NULL ? strlen(text) + 1 : 0;

        if (texts == NULL || length < 2 || at + length + 1 > MANY_TEXTS || i >= MANY_EXPECTATIONS)
            break;
        memcpy(texts + at, text, length);
        at += length;
    }
    return texts;
}

static bool same_columns(const struct scenario *scenario, const json_t *columns)
{
    size_t i;
    json_t *column;

    if (json_array_size(columns) != rows_columns(scenario))
        return false;
    json_array_foreach(columns, i, column)
    {
        struct column_name name = rows_column(scenario, i);
        char text[400];

        snprintf(text, sizeof text, "%s.%s", name.object, name.counter);
        if (!json_is_string(column) || strcmp(json_string_value(column), text) != 0)
            return false;
    }
    return true;
}

/* ---- A combination ---- */

static int show_group(const struct simulate_options *options, const struct scenario *scenario,
                      const char *varied, const json_t *group, struct verdicts *verdicts,
                      struct sp_error *error)
{
    const struct many_look look = {
        .json = options->json, .rows = options->rows, .aside = options->tap};
    struct many_results results = {.scenario = scenario, .varied = *varied != '\0' ? varied : NULL};
    char *texts = join_texts(json_object_get(group, "expectations"));
    uint64_t failed = 0;
    int status = -EINVAL;

    if (texts == NULL)
        error_set(error, ENOMEM, "out of memory");
    else if (!same_columns(scenario, json_object_get(group, "columns")))
        error_set(error, EINVAL,
                  "the jobs were of another scenario than %.120s, or of another version",
                  options->scenario);
    else if (take_plays(&results, json_object_get(group, "plays"), error) == 0) {
        results.texts = texts;
        many_report_judge(&results, *varied != '\0' ? varied : options->scenario, verdicts);
        status = many_report_show(&results, &look, &failed);
    }
    free(results.results);
    free(texts);
    return status;
}

/* "KEY=VALUE KEY=VALUE", in a copy that `vary` points into. */
static int parse_varied(char *text, struct vary *vary, struct sp_error *error)
{
    char *rest = NULL;
    int result = 0;

    vary->whole = true;
    for (char *word = strtok_r(text, " ", &rest); word != NULL && result == 0;
         word = strtok_r(NULL, " ", &rest))
        result = vary_add(vary, word, error);
    return result;
}

static int gather_group(const struct simulate_options *options, const char *varied,
                        const json_t *group, struct verdicts *verdicts)
{
    struct strings definitions = {0};
    struct yaml_index positions = {0};
    struct scenario *scenario = NULL;
    struct vary vary = {.count = 0};
    char *text = strdup(varied);
    struct sp_error error;
    int status = -EINVAL;

    strings_add_all(&definitions, (const char *const *)options->definitions.items);
    if (text == NULL)
        error_set(&error, ENOMEM, "out of memory");
    else if (parse_varied(text, &vary, &error) == 0 && vary_define(&vary, 0, &definitions) == 0 &&
             scenario_load(options->scenario, &definitions, &scenario, &positions, &error) == 0 &&
             vary_apply(&vary, 0, scenario, &error) == 0)
        status = show_group(options, scenario, varied, group, verdicts, &error);
    if (status < 0)
        status = commands_cannot(&error);
    scenario_free(&scenario);
    yaml_index_fini(&positions);
    strings_fini(&definitions);
    free(text);
    return status;
}

int gather_results(const struct simulate_options *options, struct verdicts *verdicts)
{
    json_t *groups = json_object(), *group;
    struct sp_error error;
    int status = EXIT_YES, result = 0;
    const char *varied;

    for (size_t i = 0; i < options->merged.count && result == 0; i++)
        result = read_file(groups, options->merged.items[i], &error);
    if (result == 0 && json_object_size(groups) == 0)
        result = error_set(&error, EINVAL, "there is nothing to merge");
    if (result != 0)
        status = commands_cannot(&error);
    json_object_foreach(groups, varied, group)
    {
        int one = result == 0 ? gather_group(options, varied, group, verdicts) : EXIT_YES;

        status = one > status ? one : status;
    }
    json_decref(groups);
    return status;
}
