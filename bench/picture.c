/* The picture of a benchmark: a bar for each ratio, beside the baseline's, by gnuplot. */
#include "common.h"

#include "launch/gnuplot.h"

/* A text in gnuplot's double quotes. */
static void write_text(FILE *script, const char *text)
{
    fputc('"', script);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', script);
        fputc(*text, script);
    }
    fputc('"', script);
}

void bench_picture(struct bench *bench)
{
    struct sp_error error;
    FILE *script = gnuplot_begin(bench->picture, 900, 500, &error);
    double tallest = 1;

    if (script == NULL)
        bench_fail(bench, "%s", error.text);
    fprintf(script, "$bars << EOD\n");
    write_text(script, bench->about->baseline != NULL ? bench->about->baseline : "");
    fprintf(script, " 1 1 1\n");
    for (unsigned i = 0; i < bench->rows; i++) {
        const struct bench_row *row = &bench->row[i];
        struct bench_quartiles ratio;

        if (row->number)
            continue;
        ratio = bench_ratios(bench, row);
        tallest = ratio.median > tallest ? ratio.median : tallest;
        write_text(script, row->name);
        fprintf(script, " %g %g %g\n", ratio.median, ratio.low, ratio.high);
    }
    fprintf(script, "EOD\nset title ");
    write_text(script, bench->about->name);
    /* Bars of very different heights can only be told apart on a logarithmic scale. */
    fprintf(
        script,
        " noenhanced\n%sset ylabel \"times %s\" noenhanced\nset grid y\nunset key\n"
        "set boxwidth 0.6\nset style fill solid 0.6\nset xtics rotate by -20 noenhanced\n"
        "plot $bars using 0:2:xtic(1) with boxes, '' using 0:2:3:4 with yerrorbars lt -1 pt -1\n",
        tallest > 20 ? "set logscale y\nset yrange [0.5:*]\n" : "set yrange [0:*]\n",
        bench->about->baseline != NULL ? bench->about->baseline : "");
    if (gnuplot_draw(script, &error) != 0)
        bench_fail(bench, "%s", error.text);
}
