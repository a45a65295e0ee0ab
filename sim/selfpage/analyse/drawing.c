/* Four drawings: which pages are referenced when, how many at a time, how popular they are, and what that
 * means for LRU. */
#include "selfpage/analyse/drawing.h"

#include <errno.h>
#include <inttypes.h>

#include "base/error.h"

#define WIDTH  1280u
#define HEIGHT 960u

/* Points of a line in each power of two. */
#define STEP 1.1

static void draw_references(FILE *out, const struct analysis *a)
{
    fputs("set title 'references'\nset xlabel 'time (references)'\n"
          "set ylabel 'page (by first reference)'\nunset logscale\n",
          out);
    fprintf(out, "set xrange [0:%" PRIu64 "]\nset yrange [0:%u]\n", a->references, a->table.count);
    gnuplot_thousands(out, a->references);
    fputs("plot '-' using 1:2 with points pt 7 ps 0.2 notitle\n", out);
    for (uint32_t i = 0; i < a->sample_count; i++)
        fprintf(out, "%" PRIu64 " %u\n", (uint64_t)i << a->sample_shift, a->samples[i]);
    fputs("e\n", out);
}

static void window_lines(FILE *out, const struct analysis *a, bool fresh)
{
    for (size_t i = 0; i < a->windows.count; i++)
        fprintf(out, "%" PRIu64 " %" PRIu64 "\n", (uint64_t)i << a->windows.level,
                fresh ? a->windows.window[i].fresh : windows_pages(&a->windows, i));
    fputs("e\n", out);
}

static void draw_windows(FILE *out, const struct analysis *a)
{
    fprintf(out,
            "set title 'working set'\nset xlabel 'time (references)'\n"
            "set ylabel 'pages in %" PRIu64 " references'\nset yrange [0:*]\n"
            "plot '-' using 1:2 with steps lw 2 title 'referenced', "
            "'-' using 1:2 with steps lw 2 dt 2 title 'new'\n",
            UINT64_C(1) << a->windows.level);
    window_lines(out, a, false);
    window_lines(out, a, true);
}

static uint32_t next_of(uint32_t at)
{
    uint32_t next = (uint32_t)(at * STEP);

    return next > at ? next : at + 1;
}

/* To the last page, not to the next power of ten. */
static void write_pages_range(FILE *out, uint32_t pages)
{
    fprintf(out, "set xrange [1:%u]\n", pages > 1 ? pages : 10);
}

static void draw_popularity(FILE *out, const struct analysis *a)
{
    const struct popular *p = &a->popular;

    fprintf(out,
            "set title 'popularity'\nset xlabel 'rank of the page'\nset ylabel 'references'\n"
            "set logscale xy\nset xtics autofreq\nset yrange [%g:%g]\n",
            p->counts[p->pages - 1] * 0.9, p->counts[0] * 1.1);
    write_pages_range(out, p->pages);
    fputs("plot '-' using 1:2 with lines lw 2 notitle\n", out);
    for (uint32_t rank = 1; rank <= p->pages && rank < UINT32_MAX / 2; rank = next_of(rank))
        fprintf(out, "%u %u\n", rank, p->counts[rank - 1]);
    fputs("e\n", out);
}

static void draw_lru(FILE *out, const struct analysis *a)
{
    uint64_t misses = a->references;
    uint32_t done = 0;

    fputs("set title 'LRU'\nset xlabel 'frames'\nset ylabel 'miss ratio'\nunset logscale\n"
          "set logscale x\nset yrange [0:1]\n",
          out);
    write_pages_range(out, a->table.count);
    fputs("plot '-' using 1:2 with lines lw 2 notitle\n", out);
    for (uint32_t frames = 1; frames <= a->table.count && frames < UINT32_MAX / 2;
         frames = next_of(frames)) {
        while (done < frames)
            misses -= a->distances.hits[done++];
        fprintf(out, "%u %.9f\n", frames, (double)misses / (double)a->references);
    }
    fputs("e\n", out);
}

int drawing_draw(const struct analysis *analysis, const char *path, const struct gnuplot_look *look,
                 struct sp_error *error)
{
    struct gnuplot gnuplot;
    int result;

    if (analysis->references == 0)
        return error_set(error, EINVAL, "%s: an empty trace has nothing to draw", path);
    result = gnuplot_begin(&gnuplot, path, look, WIDTH, HEIGHT, error);
    if (result != 0)
        return result;
    fputs("unset title\nset multiplot layout 2,2\nset grid\nset key outside top right horizontal\n",
          gnuplot.script);
    draw_references(gnuplot.script, analysis);
    draw_windows(gnuplot.script, analysis);
    draw_popularity(gnuplot.script, analysis);
    draw_lru(gnuplot.script, analysis);
    fputs("unset multiplot\n", gnuplot.script);
    return gnuplot_draw(&gnuplot, error);
}
