#include "selfpage/replay/heat.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "os/new_file.h"
#include "selfpage/replay/curve.h"
#include "selfpage/replay/report.h"

/* Pixels: of a cell, of a character of a policy's name, of what is beside all cells but for names (the scale of
 * colours), and of what is above and below them. */
#define CELL_WIDTH  80u
#define CELL_HEIGHT 32u
#define CHARACTER   9u
#define BESIDE      280u
#define ABOVE       160u
#define MOST        8000u

/* Characters of a size that stands upright below its cells. */
#define UPRIGHT 8u

int heat_check(const char *path, const struct replay_options *options, struct sp_error *error)
{
    if (new_file_is_input(path, options->path))
        return error_set(
            error, EINVAL,
            "--heat %.100s: this is the file that is read, which cannot be written over", path);
    return gnuplot_check(path, &options->look, error) == 0
               ? plot_check_beside(path, options->path, &options->look, error)
               : -EINVAL;
}

static unsigned pixels(unsigned around, size_t cells, unsigned each)
{
    size_t wanted = around + cells * each;

    return wanted < 480 ? 480 : wanted > MOST ? MOST : (unsigned)wanted;
}

static unsigned longest_name(const struct replay_options *options)
{
    size_t longest = 0;

    for (size_t i = 0; i < options->policy_count; i++)
        if (strlen(options->policies[i].label) > longest)
            longest = strlen(options->policies[i].label);
    return longest < MOST / CHARACTER / 2 ? (unsigned)longest : MOST / CHARACTER / 2;
}

/* A label of an axis, in which gnuplot takes % for a format. */
static void write_label(FILE *out, const char *text)
{
    char label[256];
    size_t length = 0;

    for (; *text != '\0' && length + 2 < sizeof(label); text++) {
        label[length++] = *text;
        if (*text == '%')
            label[length++] = '%';
    }
    label[length] = '\0';
    gnuplot_text(out, label);
}

/* The first policy is on top. */
static void write_tics(FILE *out, const struct replay_options *options)
{
    size_t longest = 0;

    for (size_t i = 0; i < options->size_count; i++)
        if (strlen(options->sizes[i].text) > longest)
            longest = strlen(options->sizes[i].text);
    fprintf(out, "set xtics %s scale 0 (", longest > UPRIGHT ? "rotate by -45" : "norotate");
    for (size_t i = 0; i < options->size_count; i++) {
        fputs(i > 0 ? ", " : "", out);
        write_label(out, options->sizes[i].text);
        fprintf(out, " %zu", i);
    }
    fputs(")\nset ytics scale 0 (", out);
    for (size_t i = 0; i < options->policy_count; i++) {
        fputs(i > 0 ? ", " : "", out);
        write_label(out, options->policies[i].label);
        fprintf(out, " %zu", options->policy_count - 1 - i);
    }
    fputs(")\n", out);
}

static void write_cells(FILE *out, const struct replay_options *options,
                        const struct replay_results *results)
{
    ensure(results->count == options->policy_count * options->size_count);
    for (size_t i = 0; i < results->count; i++)
        fprintf(out, "%zu %zu %.6f\n", i / options->policy_count,
                options->policy_count - 1 - i % options->policy_count,
                report_miss_ratio(&results->results[i]));
    fputs("e\n", out);
}

/* A range of colours that is not empty. */
static void write_range(FILE *out, const struct replay_results *results)
{
    double least = 1, most = 0;

    for (size_t i = 0; i < results->count; i++) {
        double ratio = report_miss_ratio(&results->results[i]);

        least = ratio < least ? ratio : least;
        most = ratio > most ? ratio : most;
    }
    if (most - least < 1e-6) {
        least -= 0.5;
        most += 0.5;
    }
    fprintf(out, "set cbrange [%.6f:%.6f]\n", least, most);
}

static int write_rows(FILE *out, const void *what)
{
    const struct replay_results *results = what;

    fputs("policy,frames,miss_ratio\n", out);
    for (size_t i = 0; i < results->count; i++) {
        const struct replay_result *r = &results->results[i];

        report_csv_text(out, r->policy->label);
        fprintf(out, ",%u,%.9f\n", r->frames, report_miss_ratio(r));
    }
    return ferror(out) != 0 || fflush(out) != 0 ? -EIO : 0;
}

int heat_draw(const char *path, const struct replay_options *options,
              const struct replay_results *results, struct sp_error *error)
{
    struct gnuplot gnuplot;
    FILE *out;
    int result = gnuplot_begin(
        &gnuplot, path, &options->look,
        pixels(BESIDE + CHARACTER * longest_name(options), options->size_count, CELL_WIDTH),
        pixels(ABOVE, options->policy_count, CELL_HEIGHT), error);

    if (result != 0)
        return result;
    out = gnuplot.script;
    if (options->look.title == NULL)
        fprintf(out, "set title '%llu references to %llu pages'\n",
                (unsigned long long)results->results[0].counts.references,
                (unsigned long long)results->results[0].pages);
    fputs("unset key\nset xlabel 'frames'\nset cblabel 'miss ratio'\n"
          "set palette defined (0 '#ffffff', 1 '#c6dbef', 2 '#6baed6')\nset rmargin 14\n",
          out);
    fprintf(out, "set xrange [-0.5:%zu.5]\nset yrange [-0.5:%zu.5]\n", options->size_count - 1,
            options->policy_count - 1);
    write_range(out, results);
    write_tics(out, options);
    /* An image of one row or column is none to gnuplot. */
    fprintf(out, "plot '-' using %s, '-' using 1:2:(sprintf('%%.3f', $3)) with labels\n",
            options->size_count > 1 && options->policy_count > 1
                ? "1:2:3 with image"
                : "1:2:(0.5):(0.5):3 with boxxyerror fc palette fs solid noborder");
    write_cells(out, options, results);
    write_cells(out, options, results);
    result = gnuplot_draw(&gnuplot, error);
    return result == 0 ? plot_write_beside(path, &options->look, write_rows, results, error)
                       : result;
}
