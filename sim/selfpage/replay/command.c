/* `selfpage replay` from its arguments to its exit status. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/exits.h"
#include "selfpage/command/commands.h"
#include "selfpage/replay/replay.h"
#include "selfpage/replay/curve.h"
#include "selfpage/replay/heat.h"
#include "selfpage/replay/over_time.h"
#include "selfpage/replay/report.h"
#include "selfpage/replay/score.h"

static int cannot_write(const char *what, int result)
{
    fprintf(stderr, "selfpage: cannot write the %s: %s\n", what, strerror(-result));
    return EXIT_CANNOT;
}

static int print(const struct replay_options *options, const struct replay_results *results)
{
    int result;

    if (options->json)
        result = replay_report_json(stdout, results);
    else if (options->csv)
        result = replay_report_csv(stdout, results);
    else
        result = replay_report_table(stdout, results);
    return result == 0 ? EXIT_YES : cannot_write("results", result);
}

static int list_jobs(const struct replay_options *options)
{
    int result;

    if (strcmp(options->path, "-") == 0) {
        fprintf(stderr, "selfpage: --list-jobs needs a TRACE that every job can open\n");
        return EXIT_CANNOT;
    }
    result = replay_report_jobs(stdout, options);
    return result == 0 ? EXIT_YES : cannot_write("jobs", result);
}

/* Find the curves, and write them to every file. */
static int draw(const struct replay_options *options)
{
    struct curves curves;
    struct sp_error error = {0};
    int result = curve_run(options, &curves, &error);

    for (size_t i = 0; i < options->curves.count && result == 0; i++)
        result = plot_write(&curves, options->curves.items[i], &options->look, &error);
    curve_fini(&curves);
    return result == 0 ? EXIT_YES : commands_cannot(&error);
}

static int replay(const struct replay_options *options)
{
    struct replay_results results;
    struct sp_error error = {0};
    int status;

    if (replay_run(options, &results, &error) != 0) {
        status = commands_cannot(&error);
    } else {
        int failed = 0;

        int drawn = options->heat != NULL ? heat_draw(options->heat, options, &results, &error) : 0;

        for (size_t i = 0; i < options->over_time.count && drawn == 0; i++)
            drawn = over_time_write(options->over_time.items[i], options, &results, &error);
        status = drawn == 0 ? print(options, &results) : commands_cannot(&error);
        if (status == EXIT_YES)
            failed = replay_assert_judge(stderr, options, &results, &error);
        if (failed < 0)
            status = commands_cannot(&error);
        else if (failed > 0)
            status = EXIT_NO;
    }
    replay_results_fini(&results);
    return status;
}

static int run(const struct replay_options *options)
{
    int status = EXIT_YES;

    if (options->score)
        return score_run(options);
    if (options->list_jobs)
        return list_jobs(options);
    if (options->curves.count > 0)
        status = draw(options);
    if (options->size_count > 0 && status == EXIT_YES)
        status = replay(options);
    return status;
}

int replay_command(int argc, char **argv)
{
    struct replay_options options;
    struct sp_error error = {0};
    int status = EXIT_YES;

    switch (replay_options_parse(argc, argv, &options, &error)) {
    case OPTIONS_EXIT:
        break;
    case OPTIONS_BAD:
        status = commands_cannot(&error);
        break;
    case OPTIONS_RUN:
        status = run(&options);
        break;
    }
    replay_options_fini(&options);
    return status;
}
