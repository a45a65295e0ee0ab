/* Writing curves: as comma-separated values, or, by gnuplot, as a picture. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "os/new_file.h"
#include "selfpage/replay/curve.h"
#include "selfpage/replay/report.h"

#define WIDTH  960u
#define HEIGHT 640u

/* Markers on a curve of many points. */
#define MARKERS 12u

/* Where most ratios are below the largest one by this factor, a linear axis shows them on the floor. */
#define FLOOR 10

/* So few frames have a number each. */
#define SINGLE_STEPS 12

#define NAME_SIZE 400u

/* From this share of the largest ratio on, the smallest one need not stand above zero. */
#define LOW 0.3

bool plot_is_csv(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot != NULL && strcmp(dot, ".csv") == 0;
}

int plot_check_beside(const char *path, const char *input, const struct gnuplot_look *look,
                      struct sp_error *error)
{
    static const char *const endings[] = {".csv", ".gp"};
    char beside[GNUPLOT_PATH];

    for (size_t i = 0; look->sources && i < sizeof(endings) / sizeof(endings[0]); i++)
        if (gnuplot_beside(path, endings[i], beside) && new_file_is_input(beside, input))
            return error_set(error, EINVAL,
                             "--sources: beside %.100s lies the file that is read, which cannot be "
                             "written over",
                             path);
    return 0;
}

int plot_check_path(const char *path, const char *input, const struct gnuplot_look *look,
                    struct sp_error *error)
{
    if (new_file_is_input(path, input))
        return error_set(
            error, EINVAL,
            "--curve %.100s: this is the file that is read, which cannot be written over", path);
    if (plot_is_csv(path))
        return 0;
    if (gnuplot_check(path, look, error) == 0)
        return plot_check_beside(path, input, look, error);
    if (strstr(error->text, "end in") == NULL)
        return -EINVAL;
    return error_set(error, EINVAL,
                     "--curve %.100s: files of curves end in .csv, .svg, .png, .pdf or .eps", path);
}

/* ---- CSV ---- */

static int write_points(FILE *out, const void *what)
{
    const struct curves *curves = what;

    fprintf(out, "policy,frames,%s,standard_error\n",
            curves->baseline != NULL ? "miss_ratio_difference" : "miss_ratio");
    for (size_t i = 0; i < curves->count; i++)
        for (size_t k = 0; k < curves->curves[i].count; k++) {
            const struct curve_point *point = &curves->curves[i].points[k];

            report_csv_text(out, curves->curves[i].label);
            fprintf(out, ",%u,%.9f,%.9f\n", point->frames, point->miss_ratio, point->error);
        }
    return ferror(out) != 0 || fflush(out) != 0 ? -EIO : 0;
}

int plot_write_csv(const char *path, int (*write)(FILE *out, const void *what), const void *what,
                   struct sp_error *error)
{
    struct new_file file;
    int copy = -1, result = new_file_open(&file, path, error);
    FILE *out = NULL;

    if (result != 0)
        return result;
    copy = dup(file.fd);
    out = copy >= 0 ? fdopen(copy, "w") : NULL;
    if (out == NULL || write(out, what) != 0)
        result = error_set(error, errno != 0 ? errno : EIO, "%s: cannot write: %s", path,
                           strerror(errno != 0 ? errno : EIO));
    if (out != NULL)
        fclose(out);
    else if (copy >= 0)
        close(copy);
    if (result == 0)
        result = new_file_finish(&file, error);
    new_file_fini(&file);
    return result;
}

int plot_write_beside(const char *path, const struct gnuplot_look *look,
                      int (*write)(FILE *out, const void *what), const void *what,
                      struct sp_error *error)
{
    char beside[GNUPLOT_PATH];

    if (!look->sources)
        return 0;
    if (!gnuplot_beside(path, ".csv", beside))
        return error_set(error, ENAMETOOLONG, "%.100s: its name is too long", path);
    return plot_write_csv(beside, write, what, error);
}

/* ---- Pictures ---- */

/* What the legend calls a policy: of the path of a shared object, the name of the file alone. */
static void short_name(char *name, size_t size, const char *label)
{
    const char *so = strstr(label, ".so"), *slash = NULL;

    for (const char *c = label; so != NULL && c < so; c++)
        slash = *c == '/' ? c : slash;
    if (slash == NULL)
        snprintf(name, size, "%s", label);
    else
        snprintf(name, size, "%.*s%s", (int)(so - slash - 1), slash + 1, so + strlen(".so"));
}

static double largest_error(const struct curve *curve)
{
    double largest = 0;

    for (size_t i = 0; i < curve->count; i++)
        if (curve->points[i].error > largest)
            largest = curve->points[i].error;
    return largest;
}

static void legend_name(char *whole, size_t size, const struct curves *curves, size_t i)
{
    char name[300], other[300];

    short_name(name, sizeof(name), curves->curves[i].label);
    for (size_t k = 0; k < curves->count; k++) {
        short_name(other, sizeof(other), curves->curves[k].label);
        if (k != i && strcmp(name, other) == 0) /* two files of one name: in full, after all */
            snprintf(name, sizeof(name), "%s", curves->curves[i].label);
    }
    if (curves->curves[i].sampled)
        snprintf(whole, size, "%s (sampled, \302\261 %.4f)", name,
                 largest_error(&curves->curves[i]));
    else
        snprintf(whole, size, "%s", name);
}

static size_t longest_name(const struct curves *curves)
{
    size_t longest = 0;

    for (size_t i = 0; i < curves->count; i++) {
        char name[NAME_SIZE];

        legend_name(name, sizeof(name), curves, i);
        longest = strlen(name) > longest ? strlen(name) : longest;
    }
    return longest;
}

/* What is drawn: the ranges of both axes. */
struct ranges {
    uint32_t fewest, most;  /* frames */
    double lowest, highest; /* miss ratios above 0 */
    bool logarithmic;       /* ratios: most of them are small beside the largest */
    bool flat;              /* all are 0 */
};

static struct ranges find_ranges(const struct curves *curves)
{
    struct ranges r = {.fewest = UINT32_MAX, .lowest = 1, .flat = true};
    size_t count = 0, small = 0;

    for (size_t i = 0; i < curves->count; i++)
        for (size_t k = 0; k < curves->curves[i].count; k++) {
            const struct curve_point *point = &curves->curves[i].points[k];

            r.fewest = point->frames < r.fewest ? point->frames : r.fewest;
            r.most = point->frames > r.most ? point->frames : r.most;
            r.flat = r.flat && fabs(point->miss_ratio) < 1e-9;
            r.highest = point->miss_ratio > r.highest ? point->miss_ratio : r.highest;
            if (point->miss_ratio > 0 && point->miss_ratio < r.lowest)
                r.lowest = point->miss_ratio;
        }
    for (size_t i = 0; i < curves->count; i++)
        for (size_t k = 0; k < curves->curves[i].count; k++, count++)
            small += curves->curves[i].points[k].miss_ratio < r.highest / FLOOR;
    r.logarithmic = 2 * small > count && r.lowest < r.highest / FLOOR;
    return r;
}

static void write_difference(FILE *out, const char *baseline)
{
    char text[300];

    snprintf(text, sizeof(text), "miss ratio minus that of %.200s", baseline);
    gnuplot_text(out, text);
}

/* Frames. A logarithmic axis has numbers at powers of ten alone, unless it is told where, and needs some room. */
static void write_frames_axis(FILE *out, const struct ranges *r)
{
    fputs("set xlabel 'frames'\n", out);
    fprintf(out, "set xrange [%u:%u]\n",
            r->fewest - (r->fewest == r->most), /* a size is at least 1 */
            r->most + (r->fewest == r->most));
    if (r->most / 10 < r->fewest) {
        if (r->most - r->fewest <= SINGLE_STEPS)
            fputs("set xtics 1\n", out);
        return;
    }
    fputs("set logscale x\n", out);
    if (r->most / 100 >= r->fewest)
        return;
    fputs("set xtics (", out);
    for (uint64_t power = 1; power <= r->most; power *= 10)
        for (uint64_t step = 1; step <= 5; step += step == 1 ? 1 : 3)
            fprintf(out, "%s%llu", power * step > 1 ? ", " : "",
                    (unsigned long long)(power * step));
    fputs(")\n", out);
}

/* From a tenth below the smallest ratio, or from 0; never empty. */
static void write_ratios_axis(FILE *out, const struct ranges *r)
{
    double high = r->highest * 1.05 < 1 ? r->highest * 1.05 : 1;
    double low = r->lowest > LOW * r->highest ? floor(10 * r->lowest) / 10 : 0;

    if (low > high - 0.05)
        low = low > 0.1 ? low - 0.1 : 0;
    if (r->highest > 0)
        fprintf(out, "set yrange [%g:%g]\n", low, high);
}

static void write_axes(FILE *out, const struct curves *curves)
{
    struct ranges r = find_ranges(curves);

    fputs("set grid\n", out);
    gnuplot_key(out, longest_name(curves));
    write_frames_axis(out, &r);
    if (curves->baseline != NULL) {
        fputs("set ylabel ", out);
        write_difference(out, curves->baseline);
        fputs(r.flat ? "\nset yrange [-0.1:0.1]\n" : "\n", out);
        return;
    }
    fputs("set ylabel 'miss ratio'\n", out);
    if (r.logarithmic)
        fprintf(out, "set logscale y\nset yrange [%g:%g]\n", r.lowest * 0.9,
                r.highest * 1.1 < 1 ? r.highest * 1.1 : 1);
    else
        write_ratios_axis(out, &r);
}

/* Colours, dashes and markers all differ, so that any one of them is enough. */
static void write_plots(FILE *out, const struct curves *curves)
{
    for (size_t i = 0; i < curves->count; i++) {
        const struct curve *curve = &curves->curves[i];
        char name[NAME_SIZE];
        unsigned every = curve->count > 3 * MARKERS ? (unsigned)(curve->count / MARKERS) : 1;

        fprintf(out, "%s '-' using 1:2 with linespoints lw 2 lt %zu dt %zu pt %zu pi %u title ",
                i > 0 ? "," : "plot", i + 1, i % 5 + 1, i % 12 + 4, every);
        legend_name(name, sizeof(name), curves, i);
        gnuplot_text(out, name);
        if (curve->sampled)
            fprintf(out, ", '-' using 1:2:3 with yerrorbars lw 1 lt %zu dt 1 pt 0 notitle", i + 1);
    }
    fputc('\n', out);
}

static void write_data(FILE *out, const struct curve *curve)
{
    for (size_t k = 0; k < curve->count; k++) {
        const struct curve_point *point = &curve->points[k];

        fprintf(out, "%u %.9f %.9f\n", point->frames, point->miss_ratio, point->error);
    }
    fputs("e\n", out);
}

static void write_script(FILE *out, const struct curves *curves, const struct gnuplot_look *look)
{
    char title[120];

    snprintf(title, sizeof(title), "%llu references to %u pages",
             (unsigned long long)curves->references, curves->pages);
    if (look->title == NULL) {
        fputs("set title ", out);
        gnuplot_text(out, title);
        fputc('\n', out);
    }
    write_axes(out, curves);
    write_plots(out, curves);
    for (size_t i = 0; i < curves->count; i++)
        for (int twice = 0; twice <= curves->curves[i].sampled; twice++)
            write_data(out, &curves->curves[i]);
}

static int write_picture(const struct curves *curves, const char *path,
                         const struct gnuplot_look *look, struct sp_error *error)
{
    struct gnuplot gnuplot;
    int result;

    if (curves->pages == 0)
        return error_set(error, EINVAL, "%s: an empty trace has no curves to draw", path);
    result = gnuplot_begin(&gnuplot, path, look, WIDTH, HEIGHT, error);
    if (result != 0)
        return result;
    write_script(gnuplot.script, curves, look);
    result = gnuplot_draw(&gnuplot, error);
    return result == 0 ? plot_write_beside(path, look, write_points, curves, error) : result;
}

int plot_write(const struct curves *curves, const char *path, const struct gnuplot_look *look,
               struct sp_error *error)
{
    return plot_is_csv(path) ? plot_write_csv(path, write_points, curves, error)
                             : write_picture(curves, path, look, error);
}
