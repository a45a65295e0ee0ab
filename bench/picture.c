/* The picture of a benchmark: a bar for each ratio, beside the baseline's, by gnuplot. */
#include "common.h"

#include "launch/gnuplot.h"

/* Ratios above this one, beside the baseline's 1, can be told apart on a logarithmic scale alone. */
#define TALL 20

/* A name within data stands in double quotes. */
static void write_bar(FILE *script, const char *name, const struct bench_quartiles *ratio)
{
    fputc('"', script);
    for (; *name != '\0'; name++)
        fprintf(script, "%s%c", *name == '"' || *name == '\\' ? "\\" : "", *name);
    fprintf(script, "\" %g %g %g\n", ratio->median, ratio->low, ratio->high);
}

/* Bars grow from the baseline, up or down, where the scale is logarithmic: it has no zero. */
static void write_axis(FILE *script, double lowest, double tallest)
{
    if (tallest > TALL)
        fprintf(script,
                "set logscale y\nset yrange [%g:%g]\nset arrow from graph 0, first 1 to graph 1, "
                "first 1 nohead lw 2\n",
                lowest < 1 ? lowest / 2 : 0.5, tallest * 2);
    else
        fprintf(script, "set yrange [0:%g]\n", tallest * 1.1);
}

/* Returns how many bars there are. */
static unsigned write_ratios(struct bench *bench, FILE *script, double *lowest, double *tallest)
{
    const char *baseline = bench->about->baseline != NULL ? bench->about->baseline : "baseline";
    const struct bench_quartiles one = {1, 1, 1};
    unsigned bars = 1;

    fputs("$bars << EOD\n", script);
    write_bar(script, baseline, &one);
    for (unsigned i = 0; i < bench->rows; i++)
        if (!bench->row[i].number) {
            struct bench_quartiles ratio = bench_ratios(bench, &bench->row[i]);

            *tallest = ratio.high > *tallest ? ratio.high : *tallest;
            *lowest = ratio.low < *lowest ? ratio.low : *lowest;
            write_bar(script, bench->row[i].name, &ratio);
            bars++;
        }
    fputs("EOD\n", script);
    return bars;
}

void picture_draw(struct bench *bench)
{
    const struct gnuplot_look look = {.title = bench->about->name};
    struct gnuplot gnuplot;
    struct sp_error error;
    double lowest = 1, tallest = 1;
    unsigned bars;

    if (gnuplot_begin(&gnuplot, bench->picture, &look, 900, 500, &error) != 0)
        bench_fail(bench, "%s", error.text);
    bars = write_ratios(bench, gnuplot.script, &lowest, &tallest);
    fprintf(gnuplot.script,
            "set ylabel 'times the baseline'\nset grid y\nunset key\nset style fill solid 0.6\n"
            "set xtics rotate by -20\nset xrange [-0.6:%u.6]\n",
            bars - 1);
    write_axis(gnuplot.script, lowest, tallest);
    fprintf(gnuplot.script,
            "plot $bars using 0:2:($0-0.3):($0+0.3):(%s):2 with boxxyerror lt 3, "
            "'' using 0:2:3:4:xtic(1) with yerrorbars lt 1 pt 0 lw 2\n",
            tallest > TALL ? "1" : "0");
    if (gnuplot_draw(&gnuplot, &error) != 0)
        bench_fail(bench, "%s", error.text);
}
