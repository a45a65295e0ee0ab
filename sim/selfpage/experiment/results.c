#include "selfpage/experiment/results.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "selfpage/command/self.h"
#include "selfpage/scenario/figure.h"

#define NOTHING ((struct results_spread){NAN, NAN, NAN})

static double number(const json_t *value)
{
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* ---- Simulated ---- */

/* The spread of a bar in what `selfpage simulate --json` printed, of many seeds or of one. */
static struct results_spread simulated(const json_t *object, const char *bar)
{
    const json_t *counters = json_object_get(object, "counters");
    const json_t *spread = json_object_get(json_object_get(counters, "figure"), bar);
    double one = number(json_object_get(json_object_get(object, "figure"), bar));

    if (spread == NULL)
        return (struct results_spread){one, one, one};
    return (struct results_spread){number(json_object_get(spread, "least")),
                                   number(json_object_get(spread, "median")),
                                   number(json_object_get(spread, "most"))};
}

static void note_bars(struct results *results, struct results_group *group, const json_t *object)
{
    for (uint32_t i = 0; i < figure_bars(results->scenario); i++)
        group->bar[i].simulated = simulated(object, results->scenario->figure->bars[i].name);
}

/* Remember why the first one failed. */
static void note_failure(struct results *results, const char *what, const json_t *seed,
                         const char *why)
{
    if (results->why[0] == '\0')
        snprintf(results->why, sizeof results->why, "%s %lld: %s", what,
                 (long long)json_integer_value(seed), why);
}

static const char *first_unmet(const json_t *object)
{
    const json_t *expectation;
    size_t i;

    json_array_foreach(json_object_get(object, "expectations"), i, expectation) if (
        !json_is_true(json_object_get(
            expectation, "passed"))) return json_string_value(json_object_get(expectation, "text"));
    return "it did not pass";
}

/* A case for each expectation: of one play or run, or of many seeds. */
static void note_verdicts(struct results *results, const char *what, const json_t *object)
{
    const json_t *expectation;
    char suite[400];
    size_t i;

    snprintf(suite, sizeof suite, "%s %s", results->options->name, what);
    json_array_foreach(json_object_get(object, "expectations"), i, expectation)
    {
        const json_t *unmet = json_object_get(expectation, "unmet");
        const char *found = json_string_value(json_object_get(expectation, "found"));
        char why[80];

        if (unmet != NULL)
            snprintf(why, sizeof why, "not with %lld of the seeds",
                     (long long)json_integer_value(unmet));
        verdicts_add(
            &results->verdicts, suite, json_string_value(json_object_get(expectation, "text")),
            json_is_true(json_object_get(expectation, "passed")), unmet != NULL ? why : found);
    }
}

static void note_plays(struct results *results, const json_t *object)
{
    const json_t *plays = json_object_get(object, "plays"), *play;
    size_t i;

    if (plays == NULL) { /* one seed */
        results->plays++;
        results->passed += json_is_true(json_object_get(object, "passed"));
        if (results->passed == 0)
            note_failure(results, "seed", json_object_get(object, "seed"), first_unmet(object));
    }
    json_array_foreach(plays, i, play)
    {
        const char *state = json_string_value(json_object_get(play, "state"));
        bool passed = state != NULL && strcmp(state, "passed") == 0;

        results->plays++;
        results->passed += passed;
        if (!passed)
            note_failure(results, "seed", json_object_get(play, "seed"),
                         json_string_value(json_object_get(play, "why")));
    }
}

/* What `selfpage simulate` prints: an object for each combination if something varies. */
static json_t *simulate(const struct results *results, bool varied, struct sp_error *error)
{
    const struct experiment_options *options = results->options;
    struct strings argv = {0};
    json_t *all = NULL;

    strings_add(&argv, "selfpage");
    strings_add(&argv, "simulate");
    strings_add(&argv, results->path);
    strings_format(&argv, "--seeds=%s", options->seeds);
    strings_add(&argv, "--json");
    if (options->costs != NULL)
        strings_format(&argv, "--costs=%s", options->costs);
    for (uint32_t i = 0; varied && i < results->vary.count; i++)
        strings_format(&argv, "--vary=%.*s=%s", (int)results->vary.key_length[i],
                       results->vary.key[i], results->vary.values[i]);
    if (argv.failed)
        error_set(error, ENOMEM, "out of memory");
    else
        all = self_json_all(argv.items, error);
    strings_fini(&argv);
    return all;
}

static int simulate_all(struct results *results, struct sp_error *error)
{
    json_t *all = simulate(results, false, error);
    int result = 0;

    if (all == NULL)
        return -EIO;
    note_plays(results, json_array_get(all, 0));
    note_verdicts(results, "simulated", json_array_get(all, 0));
    if (results->vary.count > 0) {
        json_decref(all);
        all = simulate(results, true, error);
    }
    if (all == NULL)
        return -EIO;
    if (json_array_size(all) != results->groups)
        result = error_set(error, EPROTO, "%zu objects came instead of %u", json_array_size(all),
                           results->groups);
    for (uint32_t g = 0; g < results->groups && result == 0; g++)
        note_bars(results, &results->group[g], json_array_get(all, g));
    json_decref(all);
    return result;
}

/* ---- Live ---- */

/* One run; `combination` < 0: with the values that the scenario has. */
static json_t *run(const struct results *results, int64_t combination, uint32_t seed,
                   struct sp_error *error)
{
    struct strings argv = {0};
    json_t *object = NULL;

    strings_add(&argv, "selfpage");
    strings_add(&argv, "run");
    strings_add(&argv, results->path);
    strings_add(&argv, "--json");
    strings_add(&argv, "--no-table");
    strings_format(&argv, "--seed=%u", seed);
    if (combination >= 0)
        vary_arguments(&results->vary, (uint64_t)combination, "--set", &argv);
    if (argv.failed)
        error_set(error, ENOMEM, "out of memory");
    else
        object = self_json(argv.items, error);
    strings_fini(&argv);
    return object;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static struct results_spread live(const json_t *runs, const char *bar)
{
    size_t count = 0, i;
    double *values = calloc(json_array_size(runs) + 1, sizeof *values);
    struct results_spread spread = NOTHING;
    const json_t *run;

    if (values == NULL)
        return spread;
    json_array_foreach(runs, i, run)
    {
        values[count] = number(json_object_get(json_object_get(run, "figure"), bar));
        count += !isnan(values[count]);
    }
    if (count > 0) {
        qsort(values, count, sizeof *values, by_value);
        spread = (struct results_spread){values[0], values[(count - 1) / 2], values[count - 1]};
    }
    free(values);
    return spread;
}

/* Run a group so often as is wanted. `judged`: what it has to show is that of the scenario. */
static int run_group(struct results *results, int64_t combination, json_t *runs, bool judged,
                     struct sp_error *error)
{
    for (uint32_t i = 1; i <= results->options->runs; i++) {
        json_t *object = run(results, combination, i, error);
        bool passed = json_is_true(json_object_get(object, "passed"));

        if (object == NULL)
            return -EIO;
        fprintf(stderr, "live run %u of %u%s%s\n", i, results->options->runs,
                combination >= 0 ? " with " : "",
                combination >= 0 ? results->group[combination].name : "");
        if (judged)
            note_verdicts(results, "live", object);
        results->runs += judged;
        results->runs_passed += judged && passed;
        if (judged && !passed)
            note_failure(results, "live run", json_integer(i), first_unmet(object));
        if (json_array_append_new(runs, object) != 0)
            return error_set(error, ENOMEM, "out of memory");
    }
    return 0;
}

static int run_all(struct results *results, struct sp_error *error)
{
    bool varied = results->vary.count > 0;
    json_t *judged = json_array();
    int result = judged == NULL ? error_set(error, ENOMEM, "out of memory") : 0;

    if (result == 0 && varied)
        result = run_group(results, -1, judged, true, error);
    for (uint32_t g = 0; g < results->groups && result == 0; g++) {
        struct results_group *group = &results->group[g];

        result = run_group(results, varied ? (int64_t)g : -1, group->runs, !varied, error);
        for (uint32_t i = 0; i < figure_bars(results->scenario); i++)
            group->bar[i].live = live(group->runs, results->scenario->figure->bars[i].name);
    }
    json_decref(judged);
    return result;
}

/* ---- The whole ---- */

/* Names of the groups, and what was published. */
static int make_groups(struct results *results, struct sp_error *error)
{
    const struct scenario_figure *figure = results->scenario->figure;
    bool own = results->options->vary.count == 0;

    for (uint32_t g = 0; g < results->groups; g++) {
        struct results_group *group = &results->group[g];

        group->runs = json_array();
        group->bar = calloc(figure_bars(results->scenario) + 1, sizeof *group->bar);
        if (group->runs == NULL || group->bar == NULL)
            return error_set(error, ENOMEM, "out of memory");
        vary_describe(&results->vary, g, group->name, sizeof group->name);
        if (own && figure != NULL && g < figure->groups_count)
            snprintf(group->name, sizeof group->name, "%s", figure->groups[g]);
        for (uint32_t i = 0; i < figure_bars(results->scenario); i++)
            group->bar[i] =
                (struct results_bar){.published = own ? figure_published(&figure->bars[i], g) : NAN,
                                     .simulated = NOTHING,
                                     .live = NOTHING};
    }
    return 0;
}

int results_find(struct results *results, const struct experiment_options *options,
                 const struct scenario *scenario, const char *path, struct sp_error *error)
{
    int result = 0;

    *results = (struct results){
        .options = options, .scenario = scenario, .path = path, .vary = options->vary};
    if (options->vary.count == 0 && scenario->figure != NULL && scenario->figure->vary != NULL)
        result = vary_add(&results->vary, scenario->figure->vary, error);
    if (result != 0)
        return result;
    results->groups = (uint32_t)vary_combinations(&results->vary);
    results->group = calloc(results->groups, sizeof *results->group);
    if (results->group == NULL)
        return error_set(error, ENOMEM, "out of memory");
    result = make_groups(results, error);
    if (result == 0)
        result = simulate_all(results, error);
    if (result == 0 && options->live)
        result = run_all(results, error);
    return result;
}

void results_fini(struct results *results)
{
    for (uint32_t g = 0; results->group != NULL && g < results->groups; g++) {
        json_decref(results->group[g].runs);
        free(results->group[g].bar);
    }
    free(results->group);
    results->group = NULL;
    verdicts_fini(&results->verdicts);
}
