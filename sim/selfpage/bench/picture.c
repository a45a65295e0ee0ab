/* The picture of `selfpage bench contracts`: latencies, and use over time, by gnuplot. */
#include "selfpage/bench/bench.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "launch/gnuplot.h"

#define STEPS 200u

/* Latencies by how rare they are: at x, one in 10^x requests takes longer. */
static void write_latency(FILE *file, const char *name, const struct histogram *histogram)
{
    double rare = 0;
    double share = 0;

    fprintf(file, "$%s << EOD\n", name);
    for (unsigned i = 0; i <= STEPS; i++) {
        if (share * (double)histogram->count > (double)histogram->count - 1)
            break;
        fprintf(file, "%g %g\n", rare, (double)histogram_quantile(histogram, share) / 1000);
        rare = 5.0 * (i + 1) / STEPS;
        share = 1 - pow(10, -rare);
    }
    fprintf(file, "EOD\n");
}

/* What was measured, and whether it was a measurement. */
static void write_title(FILE *file, const struct bench_options *options,
                        const struct bench_result *result)
{
    char title[200];

    snprintf(title, sizeof(title), "%.60s%s%u tasks, %u frames%s",
             result->arbiter != NULL ? result->arbiter : "", result->arbiter != NULL ? ", " : "",
             options->tasks, result->frames,
             machine_was_ours(&result->machine)
                 ? ""
                 : " (NOT A MEASUREMENT: other processes had our core)");
    gnuplot_text(file, title);
}

static void write_plots(FILE *file, const struct bench_options *options,
                        const struct bench_result *result)
{
    unsigned drawn = 0;

    fprintf(file, "set multiplot layout 2,1 title ");
    write_title(file, options, result);
    fprintf(file, "\nset tmargin 3\nset lmargin 12\nset rmargin 6\nset bmargin 6\n"
                  "set logscale y\nset ylabel 'microseconds'\nset grid\n"
                  "set key outside below horizontal\nset xrange [0:*]\n"
                  "set xtics ('0' 0, '90 %%%%' 1, '99 %%%%' 2, '99.9 %%%%' 3, '99.99 %%%%' 4, "
                  "'99.999 %%%%' 5)\nset xlabel 'share of requests that took no longer'\nplot ");
    for (unsigned i = 0; i < BENCH_KIND_COUNT; i++) {
        if (result->latency[i].count == 0)
            continue;
        fprintf(file, "%s$%s with linespoints lw 2 dt %u pt %u pi 30 title '%s'",
                drawn > 0 ? ", " : "", bench_kind_names[i], drawn + 1, drawn + 4,
                bench_kind_names[i]);
        drawn++;
    }
    fprintf(file, "\nunset title\nunset logscale\nset yrange [0:1.05]\nset xtics auto\n"
                  "set ylabel 'share; index'\nset xrange [*:*]\nset xlabel 'seconds'\n"
                  "plot $use using 1:2 with linespoints lw 2 pt 4 pi 10 title 'frames held', "
                  "$use using 1:3 with linespoints lw 2 dt 2 pt 6 pi 10 "
                  "title 'Jain index of useful frames / fair share'\nunset multiplot\n");
}

static void write_script(FILE *file, const struct bench_options *options,
                         const struct bench_result *result)
{
    for (unsigned i = 0; i < BENCH_KIND_COUNT; i++)
        if (result->latency[i].count > 0)
            write_latency(file, bench_kind_names[i], &result->corrected[i]);
    fprintf(file, "$use << EOD\n");
    for (uint32_t i = 0; i < result->samples; i++)
        fprintf(file, "%g %g %g\n", result->times[i], result->utilisation[i], result->fairness[i]);
    fprintf(file, "EOD\n");
    write_plots(file, options, result);
}

int bench_picture(const struct bench_options *options, const struct bench_result *result,
                  struct sp_error *error)
{
    const struct gnuplot_look look = {0};
    struct gnuplot gnuplot;
    int code = gnuplot_begin(&gnuplot, options->picture, &look, 900, 900, error);

    if (code != 0)
        return code;
    write_script(gnuplot.script, options, result);
    return gnuplot_draw(&gnuplot, error);
}
