#include "selfpage/experiment/table.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "selfpage/command/json_out.h"
#include "selfpage/scenario/figure.h"

/* A number, or a dash; a column wide. */
static void put(FILE *out, double value)
{
    if (isnan(value))
        fprintf(out, " %10s", "-");
    else if (fabs(value) >= 10000)
        fprintf(out, " %10.0f", value);
    else
        fprintf(out, " %10.4g", value);
}

static void put_spread(FILE *out, const struct results_spread *spread)
{
    put(out, spread->median);
    put(out, spread->least);
    put(out, spread->most);
}

static void put_group(FILE *out, const struct results *results, const struct results_group *group,
                      int width)
{
    const struct scenario_figure *figure = results->scenario->figure;

    if (group->name[0] != '\0')
        fprintf(out, "%s\n", group->name);
    for (uint32_t i = 0; i < figure->bars_count; i++) {
        fprintf(out, "  %-*s", width, figure->bars[i].name);
        put(out, group->bar[i].published);
        put_spread(out, &group->bar[i].simulated);
        if (results->options->live)
            put_spread(out, &group->bar[i].live);
        fputc('\n', out);
    }
}

static void put_figure(FILE *out, const struct results *results)
{
    const struct scenario_figure *figure = results->scenario->figure;
    int width = 10;

    for (uint32_t i = 0; i < figure->bars_count; i++)
        if ((int)strlen(figure->bars[i].name) > width)
            width = (int)strlen(figure->bars[i].name);
    fprintf(out, "%s (%s)\n\n  %-*s %10s %10s %10s %10s", figure->title, figure->unit, width, "",
            "published", "simulated", "least", "most");
    if (results->options->live)
        fprintf(out, " %10s %10s %10s", "live", "least", "most");
    fputc('\n', out);
    for (uint32_t g = 0; g < results->groups; g++)
        put_group(out, results, &results->group[g], width);
    fputc('\n', out);
}

void table_print(FILE *out, const struct results *results)
{
    if (results->scenario->figure != NULL)
        put_figure(out, results);
    fprintf(out, "%llu of %llu seeds passed\n", (unsigned long long)results->passed,
            (unsigned long long)results->plays);
    if (results->options->live)
        fprintf(out, "%llu of %llu live runs passed\n", (unsigned long long)results->runs_passed,
                (unsigned long long)results->runs);
    if (results->why[0] != '\0')
        fprintf(out, "  FAILED  %s\n", results->why);
}

/* ---- JSON ---- */

static json_t *real(double value)
{
    return isnan(value) ? json_null() : json_real(value);
}

static json_t *spread_json(const struct results_spread *spread)
{
    return json_pack("{s:o,s:o,s:o}", "least", real(spread->least), "median", real(spread->median),
                     "most", real(spread->most));
}

static json_t *group_json(const struct results *results, const struct results_group *group)
{
    json_t *bars = json_array();

    for (uint32_t i = 0; i < figure_bars(results->scenario); i++)
        json_array_append_new(bars, json_pack("{s:s,s:o,s:o,s:o}", "name",
                                              results->scenario->figure->bars[i].name, "published",
                                              real(group->bar[i].published), "simulated",
                                              spread_json(&group->bar[i].simulated), "live",
                                              spread_json(&group->bar[i].live)));
    return json_pack("{s:s,s:o}", "name", group->name, "bars", bars);
}

int table_json(FILE *out, const struct results *results)
{
    const struct scenario_figure *figure = results->scenario->figure;
    json_t *groups = json_array(), *object;
    int result = 0;

    for (uint32_t g = 0; g < results->groups; g++)
        json_array_append_new(groups, group_json(results, &results->group[g]));
    object = json_pack(
        "{s:s,s:b,s:I,s:I,s:I,s:I,s:s,s:s?,s:s?,s:o}", "experiment", results->options->name,
        "passed", results->passed == results->plays && results->runs_passed == results->runs,
        "seeds", (json_int_t)results->plays, "seeds_passed", (json_int_t)results->passed, "runs",
        (json_int_t)results->runs, "runs_passed", (json_int_t)results->runs_passed, "why",
        results->why, "title", figure != NULL ? figure->title : NULL, "unit",
        figure != NULL ? figure->unit : NULL, "groups", groups);
    if (object == NULL)
        result = -ENOMEM;
    else
        result = json_out_print(out, object, JSON_INDENT(2));
    json_decref(object);
    return result;
}
