/* `selfpage analyse` from its arguments to its exit status. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/exits.h"
#include "os/new_file.h"
#include "os/options.h"
#include "replay/pass.h"
#include "selfpage/analyse/analyse.h"
#include "selfpage/analyse/json.h"
#include "selfpage/analyse/drawing.h"
#include "selfpage/analyse/text.h"
#include "selfpage/command/commands.h"

static const char about[] =
    "Say what a trace is like: how references are spread over pages, how soon they come again, scans\n"
    "and loops, and how many pages are in use at a time. All figures are exact, from one pass.\n";

static const char notes[] =
    "A scan is a run of references whose ids change by the same step. A loop is a run of references\n"
    "that repeats what came before, page by page. The working set of a window is the different\n"
    "pages referenced in it; windows are as long as a power of two. Where ids are addresses (lackey, or\n"
    "--id-unit with --page-size), hot bytes are how much of a page is referenced, in 64ths, in so many\n"
    "references: the less, the more memory another layout of the objects would save.\n";

struct analyse_options {
    struct trace_options trace;
    const char *path;
    const char *picture;
    struct gnuplot_look look;
    uint64_t limit;
    uint32_t pages_most;
    bool json, quiet;
};

static int trace_take(void *options, char **word, struct sp_error *error)
{
    (void)error;
    ((struct analyse_options *)options)->path = word[0];
    return 0;
}

static int check_options(void *arg, struct sp_error *error)
{
    const struct analyse_options *options = arg;

    if (options->picture == NULL)
        return 0;
    if (new_file_is_input(options->picture, options->path))
        return error_set(error, EINVAL,
                         "--picture %.100s: this is the trace, which cannot be written over",
                         options->picture);
    return gnuplot_check(options->picture, &options->look, error);
}

#define FIELD(name) offsetof(struct analyse_options, name)

static const struct option_row rows[] = {
    {"format", OPTION_TEXT, FIELD(trace.format), .value = "FORMAT",
     .help = "format of the trace, as for selfpage replay (by its name, then by content)"},
    {"page-size", OPTION_U32, FIELD(trace.page_size), TRACE_PAGE_SIZE_LEAST, TRACE_PAGE_SIZE_MOST,
     .value = "BYTES", .help = "split references into pages, as for selfpage replay"},
    {"id-unit", OPTION_U64, FIELD(trace.id_unit), 1, UINT32_MAX, .value = "BYTES",
     .help = "ids are addresses that count so many bytes, as for selfpage replay"},
    {"max-pages", OPTION_U32, FIELD(pages_most), 1, PAGE_TABLE_MOST, .value = "N",
     .help = "the most different pages to prepare for where the size of the trace does not tell "
             "(134217728)"},
    {"num-req", OPTION_U64, FIELD(limit), 1, UINT64_MAX, .value = "N",
     .help = "look at the first N references only"},
    {"json", OPTION_FLAG, FIELD(json), .help = "print an object with all figures"},
    {"picture", OPTION_TEXT, FIELD(picture), .value = "FILE",
     .help = "draw references, working set, popularity and LRU's misses to FILE: .svg, .png, .pdf "
             "or .eps (by gnuplot)"},
    {"size", OPTION_TEXT, FIELD(look.size), .value = "WIDTHxHEIGHT",
     .help = "size of the picture in pixels, 96 to the inch (1280x960)"},
    {"sources", OPTION_FLAG, FIELD(look.sources),
     .help = "beside the picture, write FILE.gp, the commands for gnuplot with the data"},
    {"font", OPTION_TEXT, FIELD(look.font), .value = "NAME[,POINTS]",
     .help = "font of the picture (that of gnuplot)"},
    {"quiet", OPTION_FLAG, FIELD(quiet), .help = "no progress line"},
};

static const struct options_syntax syntax = {
    .program = "selfpage analyse",
    .usage = "[options] TRACE",
    .about = about,
    .notes = notes,
    .exit_statuses = "0 done; 2 it could not be done.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .operands = "TRACE",
    .least = 1,
    .most = 1,
    .operand = trace_take,
    .check = check_options,
};

/* ---- Progress ---- */

/* References between two looks at the clock. */
#define LOOK (1u << 20)

static void show(const struct trace *trace, uint64_t references)
{
    fprintf(stderr, "\r\33[Kanalysing: %.1f million references", (double)references / 1e6);
    if (trace->source.size > 0)
        fprintf(stderr, ", %.0f %%",
                100 * (double)trace->source.taken / (double)trace->source.size);
    fflush(stderr);
}

/* ---- The pass ---- */

static int add_all(struct analysis *analysis, struct trace *trace,
                   const struct analyse_options *options, struct sp_error *error)
{
    bool shown = !options->quiet && isatty(STDERR_FILENO);
    struct trace_reference read[TRACE_BATCH];
    uint64_t left = options->limit > 0 ? options->limit : UINT64_MAX, next_look = LOOK;
    ssize_t count = 1;
    uint64_t touched[TRACE_BATCH];
    int result = 0;

    if (trace->options.id_unit != 0 && trace_splits(trace))
        analysis->touched = trace->touched = touched;
    while (result == 0 && left > 0 && (count = trace_read(trace, read, TRACE_BATCH, error)) > 0) {
        count = (uint64_t)count < left ? count : (ssize_t)left;
        left -= (uint64_t)count;
        result = analysis_add(analysis, read, (size_t)count, error);
        if (shown && analysis->references >= next_look) {
            show(trace, analysis->references);
            next_look += LOOK;
        }
    }
    if (next_look > LOOK)
        fputs("\r\33[K", stderr);
    analysis->touched = trace->touched = NULL;
    return count < 0 ? (int)count : result;
}

static int report(const struct analysis *analysis, const struct analyse_options *options)
{
    int result = options->json ? json_print(stdout, analysis) : text_print(stdout, analysis);

    if (result == 0)
        return EXIT_YES;
    fprintf(stderr, "selfpage: cannot write the figures: %s\n", strerror(-result));
    return EXIT_CANNOT;
}

static int analyse(const struct analyse_options *options, struct analysis *analysis)
{
    struct sp_error error = {0};
    struct trace trace;
    int result = trace_open(&trace, options->path, &options->trace, &error);

    if (result == 0)
        result = analysis_init(analysis, pass_pages_most(&trace, options->pages_most), &error);
    if (result == 0 && trace_splits(&trace))
        analysis->page_size = trace.options.page_size;
    if (result == 0)
        result = add_all(analysis, &trace, options, &error);
    if (result == 0)
        result = analysis_end(analysis, &error);
    if (result == 0 && options->picture != NULL)
        result = drawing_draw(analysis, options->picture, &options->look, &error);
    trace_fini(&trace);
    return result == 0 ? report(analysis, options) : commands_cannot(&error);
}

int analyse_command(int argc, char **argv)
{
    struct analyse_options options = {.pages_most = PASS_PAGES_MOST};
    struct sp_error error = {0};
    int verdict;
    struct analysis *analysis;
    int status;

    verdict = commands_options(argc, argv, &syntax, &options);
    if (verdict >= 0)
        return verdict;
    analysis = calloc(1, sizeof(*analysis));
    if (analysis == NULL) {
        error_set(&error, ENOMEM, "no memory to analyse anything");
        return commands_cannot(&error);
    }
    status = analyse(&options, analysis);
    analysis_fini(analysis);
    free(analysis);
    return status;
}
