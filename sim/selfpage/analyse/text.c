#include "selfpage/analyse/text.h"

#include <errno.h>
#include <inttypes.h>

static double percent(uint64_t part, uint64_t whole)
{
    return whole > 0 ? 100 * (double)part / (double)whole : 0;
}

static void print_references(FILE *out, const struct analysis *a)
{
    fprintf(out, "references  %" PRIu64 ": %" PRIu64 " reads, %" PRIu64 " writes (%.1f %%)\n",
            a->references, a->references - a->writes, a->writes, percent(a->writes, a->references));
    fprintf(out, "pages       %u, %u of them written (%.1f %%); %.2f references a page\n",
            a->table.count, a->pages_written, percent(a->pages_written, a->table.count),
            a->table.count > 0 ? (double)a->references / a->table.count : 0);
    if (a->largest > 0)
        fprintf(out, "sizes       %u to %u bytes, %.0f on average\n", a->smallest, a->largest,
                (double)a->bytes / (double)a->references);
}

/* Bytes that lines of a page are. */
static double bytes_of(const struct analysis *a, double lines)
{
    return a->page_size < 64 ? lines : lines * a->page_size / 64;
}

static void print_hot(FILE *out, const struct analysis *a)
{
    if (a->hot.references == 0)
        return;
    fprintf(out,
            "hot bytes   %.0f of the %u of a page are referenced in %u references (of pages that "
            "are), %.0f ever\n",
            bytes_of(a, hot_lines(&a->hot)), a->page_size, HOT_SPAN,
            bytes_of(a, hot_lines_ever(&a->hot)));
}

/* Pages with so many references. */
static uint32_t pages_with(const struct popular *p, uint32_t references)
{
    uint32_t pages = 0;

    for (uint32_t i = p->pages; i-- > 0 && p->counts[i] <= references;)
        pages += p->counts[i] == references;
    return pages;
}

static void print_popularity(FILE *out, const struct analysis *a)
{
    const struct popular *p = &a->popular;

    fputs("\nPopularity\n", out);
    fprintf(out, "  referenced once   %u pages (%.1f %%)\n", p->octaves[0],
            percent(p->octaves[0], p->pages));
    fprintf(out, "  2, 3, 4, 5 times  %u, %u, %u, %u pages\n", pages_with(p, 2), pages_with(p, 3),
            pages_with(p, 4), pages_with(p, 5));
    for (double share = 0.001; share < 0.6; share *= share < 0.1 ? 10 : 5)
        fprintf(out, "  top %5.1f %%       %.1f %% of the references\n", 100 * share,
                100 * popular_share(p, share));
    if (p->fit > 0)
        fprintf(out, "  Zipf's exponent   %.3f (fits to %.3f; 1: exactly)\n", p->exponent, p->fit);
    fputs("  most referenced   ", out);
    for (size_t i = 0; i < p->top_count; i++)
        fprintf(out, "%s%" PRIu64 " (%u)", i > 0 ? ", " : "", a->table.ids[p->top[i]],
                p->counts[i]);
    fputc('\n', out);
}

/* The range of an octave, as text. */
static void print_octave(FILE *out, unsigned i)
{
    fprintf(out, "  %12" PRIu64 " to %-12" PRIu64, UINT64_C(1) << i,
            (UINT64_C(1) << i) + ((UINT64_C(1) << i) - 1));
}

/* How long ago the page was referenced last, by octave, and what that many frames are worth. */
static void print_reuse(FILE *out, const struct analysis *a)
{
    fputs(
        "\nReuse (references since the last one to the page; LRU with as many frames as the end of "
        "the range)\n",
        out);
    fprintf(out, "  %28s %14s %9s %16s\n", "distance", "references", "share", "LRU hit ratio");
    for (unsigned i = 0; i < ANALYSIS_OCTAVES; i++) {
        if (a->reuse[i] == 0)
            continue;
        print_octave(out, i);
        fprintf(out, " %14" PRIu64 " %7.2f %% %15.4f\n", a->reuse[i],
                percent(a->reuse[i], a->references),
                1 - analysis_lru(a, i < 31 ? (2u << i) - 1 : UINT32_MAX));
    }
    fprintf(out, "  %28s %14u %7.2f %%\n", "first reference", a->table.count,
            percent(a->table.count, a->references));
}

static void print_patterns(FILE *out, const struct analysis *a)
{
    const struct pattern *s = &a->patterns.scans, *l = &a->patterns.loops;

    fprintf(out, "\nPatterns (runs of %u references or more)\n", PATTERNS_LEAST);
    fprintf(out,
            "  scans             %" PRIu64
            " with %.1f %% of the references, %.1f %% of those to new pages",
            s->runs, percent(s->references, a->references),
            percent(a->patterns.fresh, s->references));
    if (s->runs > 0)
        fprintf(out, "; longest %" PRIu64 ", in steps of %" PRId64, s->longest,
                (int64_t)s->measure);
    fprintf(out, "\n  loops             %" PRIu64 " with %.1f %% of the references", l->runs,
            percent(l->references, a->references));
    if (l->runs > 0)
        fprintf(out, "; longest %" PRIu64 ", of %" PRIu64 " references a round", l->longest,
                l->measure);
    fprintf(out,
            "\n  repeats           %.1f %% of the references are to the page of the one before\n",
            percent(a->patterns.repeats, a->references));
}

/* So many lines say how the working set changes. */
#define LINES 16u

static void print_windows(FILE *out, const struct analysis *a)
{
    size_t step = (a->windows.count + LINES - 1) / LINES;

    fprintf(out, "\nWorking set over time (windows of %" PRIu64 " references%s)\n",
            UINT64_C(1) << a->windows.level, step > 1 ? "; some are left out: see --json" : "");
    fprintf(out, "  %14s %12s %12s %9s\n", "from", "pages", "new pages", "writes");
    for (size_t i = 0; i < a->windows.count; i += step)
        fprintf(out, "  %14" PRIu64 " %12" PRIu64 " %12" PRIu64 " %7.1f %%\n",
                (uint64_t)i << a->windows.level, windows_pages(&a->windows, i),
                a->windows.window[i].fresh,
                percent(a->windows.window[i].writes, a->windows.window[i].references));
}

int text_print(FILE *out, const struct analysis *analysis)
{
    bool lost;

    print_references(out, analysis);
    print_hot(out, analysis);
    if (analysis->references > 0) {
        print_popularity(out, analysis);
        print_reuse(out, analysis);
        print_patterns(out, analysis);
        print_windows(out, analysis);
    }
    lost = ferror(out) != 0;
    if (fflush(out) != 0)
        return -errno;
    return lost ? -EIO : 0;
}
