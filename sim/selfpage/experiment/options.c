#include "selfpage/experiment/options.h"

#include <errno.h>
#include <stddef.h>

#include "base/error.h"
#include "launch/gnuplot.h"

static int name_take(void *options, char **word, struct sp_error *error)
{
    (void)error;
    ((struct experiment_options *)options)->name = word[0];
    return 0;
}

static int vary_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    (void)name;
    return vary_add(&((struct experiment_options *)options)->vary, text, error);
}

#define FIELD(name) offsetof(struct experiment_options, name)

static const struct option_row rows[] = {
    {"seeds", OPTION_TEXT, FIELD(seeds), .value = "A..B", .help = "seeds to play with (1..20)"},
    {"live", OPTION_FLAG, FIELD(live),
     .help =
         "run it with processes, too, and show both side by side: this takes as long as it takes"},
    {"runs", OPTION_U32, FIELD(runs), 1, 1000, .value = "N",
     .help = "live runs of each group of bars (3)"},
    {"vary", OPTION_CALL, .take = vary_take, .value = "KEY=A,B,...",
     .help =
         "as selfpage simulate --vary: a group of bars for each value, instead of those that the "
         "experiment has"},
    {"costs", OPTION_TEXT, FIELD(costs), .value = "FILE", .help = "as selfpage simulate --costs"},
    {"picture", OPTION_TEXT, FIELD(picture), .value = "FILE",
     .help = "draw the figure, by gnuplot: FILE ends in .svg, .png, .pdf or .eps"},
    {"tap", OPTION_FLAG, FIELD(tap),
     .help =
         "print the verdict on each expectation in TAP on standard output. All else goes to standard "
         "error"},
    {"junit", OPTION_TEXT, FIELD(junit), .value = "FILE",
     .help = "write the verdict on each expectation to FILE, as JUnit XML"},
    {"json", OPTION_FLAG, FIELD(json),
     .help = "print one JSON object: what was published, simulated and seen live for each bar. All "
             "else goes to standard error"},
};

static int check(void *arg, struct sp_error *error)
{
    const struct experiment_options *options = arg;
    const struct gnuplot_look look = {0};

    if (options->name == NULL && (options->picture != NULL || options->live || options->json ||
                                  options->tap || options->junit != NULL))
        return error_set(error, EINVAL, "which experiment? Without a NAME they are listed");
    if (options->json && options->tap)
        return error_set(error, EINVAL,
                         "--json and --tap both print on standard output: choose one");
    return options->picture != NULL ? gnuplot_check(options->picture, &look, error) : 0;
}

static const struct options_syntax syntax = {
    .program = "selfpage experiment",
    .usage = "[NAME] [options]",
    .about =
        "Play a published experiment in virtual time with many seeds, check that its result comes out, and\n"
        "show what was published beside it. Without NAME, list what there is. Each experiment is a scenario,\n"
        "which selfpage simulate and selfpage run play as well; NAME may be the path of one of your own,\n"
        "which ends in .yaml.\n"
        "\n"
        "Of each value the median of all seeds is shown, and the least and the most.\n",
    .exit_statuses =
        "0 the published result came out with each seed, and in each live run; 1 it did not; 2 it could "
        "not be played.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .operands = "NAME",
    .least = 0,
    .most = 1,
    .operand = name_take,
    .check = check,
};

enum options_verdict experiment_options_parse(int argc, char **argv,
                                              struct experiment_options *options,
                                              struct sp_error *error)
{
    *options = (struct experiment_options){.seeds = "1..20", .runs = 3};
    return options_parse(argc, argv, &syntax, options, error);
}
