#include "selfpage/replay/over_time.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "selfpage/replay/curve.h"
#include "selfpage/replay/report.h"

#define WIDTH  1120u
#define HEIGHT 640u

#define NAME_SIZE 300u

/* Points of a line, up to which it has markers. */
#define MARKED 40u

static double ratio_of(const struct sp_replay_moment *moment)
{
    return moment->references > 0 ? (double)moment->misses / (double)moment->references : 0;
}

struct writing {
    const struct replay_options *options;
    const struct replay_results *results;
};

static int write_rows(FILE *out, const void *what)
{
    const struct writing *w = what;

    fputs("policy,frames,from,references,misses,miss_ratio\n", out);
    for (size_t i = 0; i < w->results->count; i++) {
        const struct replay_result *r = &w->results->results[i];
        uint64_t from = w->options->warm_up;

        for (size_t k = 0; k < r->moment_count; k++) {
            report_csv_text(out, r->policy->label);
            fprintf(out, ",%u,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%.9f\n", r->frames, from,
                    r->moments[k].references, r->moments[k].misses, ratio_of(&r->moments[k]));
            from += r->moments[k].references;
        }
    }
    return ferror(out) != 0 || fflush(out) != 0 ? -EIO : 0;
}

static void legend_name(char name[NAME_SIZE], const struct replay_result *result)
{
    snprintf(name, NAME_SIZE, "%.200s, %s", result->policy->label, result->size->text);
}

static size_t longest_name(const struct replay_results *results)
{
    size_t longest = 0;

    for (size_t i = 0; i < results->count; i++) {
        char name[NAME_SIZE];

        legend_name(name, &results->results[i]);
        longest = strlen(name) > longest ? strlen(name) : longest;
    }
    return longest;
}

/* Few points have markers: one alone would not be seen, and dashes need more to be told apart. */
static void write_plots(FILE *out, const struct replay_results *results)
{
    for (size_t i = 0; i < results->count; i++) {
        const struct replay_result *result = &results->results[i];
        char name[NAME_SIZE];

        legend_name(name, result);
        fprintf(out, "%s '-' using 1:2 with ", i > 0 ? "," : "plot");
        if (result->moment_count <= MARKED)
            fprintf(out, "linespoints pt %zu", i % 12 + 4);
        else
            fputs("lines", out);
        fprintf(out, " lw 2 lt %zu dt %zu title ", i + 1, i % 5 + 1);
        gnuplot_text(out, name);
    }
    fputc('\n', out);
}

/* All that was counted. */
static void write_range(FILE *out, const struct replay_options *options,
                        const struct replay_result *result)
{
    uint64_t to = options->warm_up;

    for (size_t k = 0; k < result->moment_count; k++)
        to += result->moments[k].references;
    fprintf(out, "set xrange [%" PRIu64 ":%" PRIu64 "]\n", options->warm_up, to);
    gnuplot_thousands(out, to);
}

/* A point in the middle of each interval. */
static void write_points(FILE *out, const struct replay_options *options,
                         const struct replay_result *result)
{
    double from = (double)options->warm_up;

    for (size_t k = 0; k < result->moment_count; k++) {
        double references = (double)result->moments[k].references;

        fprintf(out, "%.1f %.9f\n", from + references / 2, ratio_of(&result->moments[k]));
        from += references;
    }
    fputs("e\n", out);
}

static int draw(const char *path, const struct replay_options *options,
                const struct replay_results *results, struct sp_error *error)
{
    const struct writing writing = {options, results};
    struct gnuplot gnuplot;
    int result;

    if (results->results[0].moment_count == 0)
        return error_set(error, EINVAL,
                         "%s: no reference was counted, and there is nothing to draw", path);
    result = gnuplot_begin(&gnuplot, path, &options->look, WIDTH, HEIGHT, error);
    if (result != 0)
        return result;
    if (options->look.title == NULL)
        fprintf(gnuplot.script, "set title 'intervals of %" PRIu64 " references'\n",
                options->interval);
    fputs("set xlabel 'references'\nset ylabel 'miss ratio'\nset yrange [0:*]\nset grid\n",
          gnuplot.script);
    write_range(gnuplot.script, options, &results->results[0]);
    gnuplot_key(gnuplot.script, longest_name(results));
    write_plots(gnuplot.script, results);
    for (size_t i = 0; i < results->count; i++)
        write_points(gnuplot.script, options, &results->results[i]);
    result = gnuplot_draw(&gnuplot, error);
    return result == 0 ? plot_write_beside(path, &options->look, write_rows, &writing, error)
                       : result;
}

int over_time_write(const char *path, const struct replay_options *options,
                    const struct replay_results *results, struct sp_error *error)
{
    const struct writing writing = {options, results};

    return plot_is_csv(path) ? plot_write_csv(path, write_rows, &writing, error)
                             : draw(path, options, results, error);
}
