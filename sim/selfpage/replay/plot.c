/* Writing curves: as comma-separated values, or, by gnuplot, as a picture. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/error.h"
#include "selfpage/replay/curve.h"
#include "selfpage/replay/report.h"

static bool has_extension(const char *path, const char *extension)
{
    const char *dot = strrchr(path, '.');

    return dot != NULL && strcmp(dot + 1, extension) == 0;
}

int curves_check_path(const char *path, struct sp_error *error)
{
    if (!has_extension(path, "csv") && !has_extension(path, "svg") && !has_extension(path, "png"))
        return error_set(error, EINVAL, "--curve %.100s: files of curves end in .csv, .svg or .png",
                         path);
    for (const char *c = path; *c != '\0'; c++)
        if ((unsigned char)*c < ' ')
            return error_set(error, EINVAL, "--curve: the file's name has a control character");
    return 0;
}

static int write_csv(const struct curves *curves, const char *path, struct sp_error *error)
{
    FILE *out = fopen(path, "we");
    bool failed;

    if (out == NULL)
        return error_set(error, errno, "%s: cannot open for writing: %s", path, strerror(errno));
    fputs("policy,frames,miss_ratio,standard_error\n", out);
    for (size_t i = 0; i < curves->count; i++)
        for (size_t k = 0; k < curves->curves[i].count; k++) {
            const struct curve_point *point = &curves->curves[i].points[k];

            replay_csv_text(out, curves->curves[i].label);
            fprintf(out, ",%u,%.9f,%.9f\n", point->frames, point->miss_ratio, point->error);
        }
    failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed)
        return error_set(error, EIO, "%s: cannot write", path);
    return 0;
}

/* A text as gnuplot reads it in single quotes; characters that would be markup are spared by the
 * option noenhanced. */
static void quote(FILE *out, const char *text)
{
    fputc('\'', out);
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            fputc('\'', out);
        fputc(*text, out);
    }
    fputc('\'', out);
}

static double largest_error(const struct curve *curve)
{
    double largest = 0;

    for (size_t i = 0; i < curve->count; i++)
        if (curve->points[i].error > largest)
            largest = curve->points[i].error;
    return largest;
}

static void write_title(FILE *out, const struct curve *curve)
{
    char title[400];

    if (curve->sampled)
        snprintf(title, sizeof(title), "%.300s (sampled, error up to %.4f)", curve->label,
                 largest_error(curve));
    else
        snprintf(title, sizeof(title), "%.300s", curve->label);
    quote(out, title);
}

static void write_script(FILE *out, const struct curves *curves, const char *path)
{
    fprintf(out, "set terminal %s size 960,640 noenhanced\nset output ",
            has_extension(path, "svg") ? "svg" : "pngcairo");
    quote(out, path);
    fprintf(out,
            "\nset title '%llu references to %u pages'\nset xlabel 'frames'\n"
            "set ylabel 'miss ratio'\nset logscale x\nset yrange [0:1]\nset grid\n"
            "set key outside below\nplot",
            (unsigned long long)curves->references, curves->pages);
    for (size_t i = 0; i < curves->count; i++) {
        fputs(i > 0 ? ", '-' with " : " '-' with ", out);
        fputs(curves->curves[i].sampled ? "errorlines title " : "lines title ", out);
        write_title(out, &curves->curves[i]);
    }
    fputc('\n', out);
    for (size_t i = 0; i < curves->count; i++) {
        for (size_t k = 0; k < curves->curves[i].count; k++) {
            const struct curve_point *point = &curves->curves[i].points[k];

            fprintf(out, "%u %.9f %.9f\n", point->frames, point->miss_ratio, point->error);
        }
        fputs("e\n", out);
    }
}

static int write_picture(const struct curves *curves, const char *path, struct sp_error *error)
{
    FILE *out;
    int status;

    if (curves->pages == 0)
        return error_set(error, EINVAL, "%s: an empty trace has no curves to draw", path);
    if (system("command -v gnuplot > /dev/null 2>&1") != 0)
        return error_set(error, ENOENT,
                         "%s: drawing takes gnuplot, which is not installed (Debian: gnuplot-nox); "
                         "curves ending in .csv need nothing",
                         path);
    out = popen("exec gnuplot", "we");
    if (out == NULL)
        return error_set(error, errno, "cannot start gnuplot: %s", strerror(errno));
    write_script(out, curves, path);
    status = pclose(out);
    if (status == -1 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return error_set(error, EIO, "%s: gnuplot could not draw it; what it says is above", path);
    return 0;
}

int curves_write(const struct curves *curves, const char *path, struct sp_error *error)
{
    return has_extension(path, "csv") ? write_csv(curves, path, error)
                                      : write_picture(curves, path, error);
}
