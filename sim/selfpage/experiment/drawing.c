/* Bars: what was simulated, beside it what live runs showed, with lines from the least to the most; and a black
 * mark at what was published. */
#include "selfpage/experiment/drawing.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "base/error.h"
#include "launch/gnuplot.h"

/* Of the room for a bar and its live one. */
#define WIDTH 0.8

#define LIVE 1
#define BOTH 2

/* Where things stand: `room` for each bar, and one between groups. */
struct drawing {
    uint32_t bars, groups;
    bool live;
};

/* The middle of a bar; which: 0 simulated, 1 live, BOTH the middle of the two. */
static double middle(const struct drawing *layout, uint32_t group, uint32_t bar, int which)
{
    double x = group * (layout->bars + 1.0) + bar;

    if (!layout->live || which == BOTH)
        return x;
    return x + (which == LIVE ? WIDTH / 4 : -WIDTH / 4);
}

static double box_width(const struct drawing *layout)
{
    return layout->live ? WIDTH / 2 : WIDTH;
}

static void write_spread(FILE *out, double x, const struct results_spread *spread)
{
    if (!isnan(spread->median))
        fprintf(out, "%g %g %g %g\n", x, spread->median, spread->least, spread->most);
}

/* Data: a block for each bar of the figure, of all groups: $s0, $l0, and $p for what was published. */
static void write_data(FILE *out, const struct results *results, const struct drawing *layout)
{
    for (uint32_t i = 0; i < layout->bars; i++) {
        fprintf(out, "$s%u << EOD\n", i);
        for (uint32_t g = 0; g < layout->groups; g++)
            write_spread(out, middle(layout, g, i, 0), &results->group[g].bar[i].simulated);
        fprintf(out, "EOD\n$l%u << EOD\n", i);
        for (uint32_t g = 0; g < layout->groups; g++)
            write_spread(out, middle(layout, g, i, LIVE), &results->group[g].bar[i].live);
        fputs("EOD\n", out);
    }
    fputs("$p << EOD\n", out);
    for (uint32_t i = 0; i < layout->bars; i++)
        for (uint32_t g = 0; g < layout->groups; g++)
            if (!isnan(results->group[g].bar[i].published))
                fprintf(out, "%g %g\n", middle(layout, g, i, BOTH),
                        results->group[g].bar[i].published);
    fputs("EOD\n", out);
}

static bool has_published(const struct results *results, const struct drawing *layout)
{
    for (uint32_t i = 0; i < layout->bars; i++)
        for (uint32_t g = 0; g < layout->groups; g++)
            if (!isnan(results->group[g].bar[i].published))
                return true;
    return false;
}

/* Names below: of groups, or of bars where there is one group. */
static void write_names(FILE *out, const struct results *results, const struct drawing *layout)
{
    const struct scenario_figure *figure = results->scenario->figure;
    uint32_t count = layout->groups > 1 ? layout->groups : layout->bars;

    fputs("set xtics scale 0 (", out);
    for (uint32_t i = 0; i < count; i++) {
        double x =
            layout->groups > 1
                ? (middle(layout, i, 0, BOTH) + middle(layout, i, layout->bars - 1, BOTH)) / 2
                : i;

        gnuplot_text(out, layout->groups > 1 ? results->group[i].name : figure->bars[i].name);
        fprintf(out, " %g%s", x, i + 1 < count ? ", " : "");
    }
    fputs(")\n", out);
    if (count > 5)
        fputs("set xtics rotate by -25\n", out);
}

/* The boxes of one bar of the figure, with their lines and numbers. */
static void write_boxes(FILE *out, const struct results *results, const struct drawing *layout,
                        uint32_t bar, int which)
{
    /* With one group the names stand below. */
    bool named = which == 0 ? layout->groups > 1 || bar == 0 : bar == 0;
    unsigned colour = layout->groups > 1 ? bar + 2 : 3;
    const char *name =
        layout->groups == 1 ? "simulated" : results->scenario->figure->bars[bar].name;
    char data = which == 0 ? 's' : 'l';

    fprintf(out, "$%c%u using 1:2:(%g) with boxes lt %u fs %s ", data, bar, box_width(layout),
            colour, which == 0 ? "solid 0.75 border" : "solid 0.25 border");
    if (named) {
        fputs("title ", out);
        gnuplot_text(out, which == 0 ? name : "live");
    } else {
        fputs("notitle", out);
    }
    fprintf(out,
            ", $%c%u using 1:3:(0):($4-$3) with vectors nohead lc rgb '#444444' lw 1.5 notitle",
            data, bar);
    fprintf(out, ", $%c%u using 1:4:(label($2)) with labels offset 0,0.6 font ',9' notitle", data,
            bar);
}

static void write_plot(FILE *out, const struct results *results, const struct drawing *layout)
{
    /* Three digits, but whole numbers whole, as far as they are readable. */
    fputs("label(x) = abs(x) >= 100 && abs(x) < 1e6 ? sprintf('%.0f', x) : sprintf('%.3g', x)\n",
          out);
    fputs("plot ", out);
    for (uint32_t i = 0; i < layout->bars; i++) {
        fputs(i > 0 ? ", " : "", out);
        write_boxes(out, results, layout, i, 0);
        if (!layout->live)
            continue;
        fputs(", ", out);
        write_boxes(out, results, layout, i, LIVE);
    }
    if (has_published(results, layout))
        fprintf(out,
                ", $p using ($1-%g):2:(%g):(0) with vectors nohead lc rgb 'black' lw 3 "
                "title 'published'",
                WIDTH / 2, WIDTH);
    fputc('\n', out);
}

static void write_script(FILE *out, const struct results *results, const struct drawing *layout)
{
    const struct scenario_figure *figure = results->scenario->figure;

    write_data(out, results, layout);
    fputs("set ylabel ", out);
    gnuplot_text(out, figure->unit);
    fputs(
        "\nset border 3\nset ytics nomirror\nset grid ytics lc rgb '#dddddd'\nset errorbars small\n"
        "set key outside below horizontal\nset offsets 0,0,graph 0.08,0\nset yrange [0:*]\n",
        out);
    fprintf(out, "set xrange [-1:%g]\n",
            middle(layout, layout->groups - 1, layout->bars - 1, BOTH) + 1);
    write_names(out, results, layout);
    write_plot(out, results, layout);
}

int drawing_make(const struct results *results, struct sp_error *error)
{
    const struct scenario_figure *figure = results->scenario->figure;
    const struct gnuplot_look look = {.title = figure != NULL ? figure->title : NULL};
    struct drawing layout = {.groups = results->groups, .live = results->options->live};
    struct gnuplot gnuplot;
    int result;

    if (figure == NULL)
        return error_set(error, EINVAL,
                         "%.160s has no figure: to draw, it needs figure:", results->path);
    layout.bars = figure->bars_count;
    result = gnuplot_begin(&gnuplot, results->options->picture, &look, 900, 520, error);
    if (result != 0)
        return result;
    write_script(gnuplot.script, results, &layout);
    return gnuplot_draw(&gnuplot, error);
}
