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

static void write_plots(FILE *file, const struct bench_result *result)
{
    const char *comma = "";

    fprintf(file, "set multiplot layout 2,1\nset lmargin 10\nset rmargin 5\n"
                  "set logscale y\nset ylabel 'microseconds'\nset grid\nset key left top\n"
                  "set xtics ('0' 0, '90 %%%%' 1, '99 %%%%' 2, '99.9 %%%%' 3, '99.99 %%%%' 4, "
                  "'99.999 %%%%' 5)\nset xlabel 'share of requests that took no longer'\nplot ");
    for (unsigned i = 0; i < BENCH_KIND_COUNT; i++) {
        if (result->latency[i].count == 0)
            continue;
        fprintf(file, "%s$%s with lines lw 2 title '%s'", comma, bench_kind_names[i],
                bench_kind_names[i]);
        comma = ", ";
    }
    fprintf(file, "\nunset logscale\nset yrange [0:1.05]\nset xtics auto\nset ylabel ''\n"
                  "set xlabel 'seconds'\nplot $use using 1:2 with lines lw 2 title 'frames held', "
                  "$use using 1:3 with lines lw 2 title 'Jain index of held / entitled'\n"
                  "unset multiplot\n");
}

static void write_script(FILE *file, const struct bench_result *result)
{
    for (unsigned i = 0; i < BENCH_KIND_COUNT; i++)
        if (result->latency[i].count > 0)
            write_latency(file, bench_kind_names[i], &result->corrected[i]);
    fprintf(file, "$use << EOD\n");
    for (uint32_t i = 0; i < result->samples; i++)
        fprintf(file, "%g %g %g\n", (i + 1) * result->seconds / result->samples,
                result->utilisation[i], result->fairness[i]);
    fprintf(file, "EOD\n");
    write_plots(file, result);
}

int bench_picture(const struct bench_options *options, const struct bench_result *result,
                  struct sp_error *error)
{
    FILE *script = gnuplot_begin(options->picture, 900, 900, error);

    if (script == NULL)
        return -ENOMEM;
    write_script(script, result);
    return gnuplot_draw(script, error);
}
