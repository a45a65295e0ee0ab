/* The selfpage command.
 *
 * HOW DO I ADD A SUBCOMMAND? One line in `commands` below, and a folder beside run/ with a function
 * that takes argc and argv and returns an exit status of base/exits.h. Its options are a table of
 * os/options.h, from which its help comes. The test command_line calls every line of the list, and
 * fails if `selfpage NAME --help`, -h or `selfpage help NAME` does not explain all options. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <selfpage/error.h>

#include "base/exits.h"
#include "selfpage/bench/bench.h"
#include "selfpage/command/commands.h"
#include "selfpage/policy/check_policy.h"
#include "selfpage/policy/new_policy.h"
#include "selfpage/run/options.h"
#include "os/stdio.h"
#include "selfpage/replay/replay.h"
#include "selfpage/replay/merge.h"
#include "selfpage/run/report.h"
#include "selfpage/run/scenario.h"
#include "selfpage/run/session.h"
#include "selfpage/trace/commands.h"

static int run_scenario(const struct run_options *options, const struct scenario *scenario)
{
    struct session session;
    struct sp_error error;
    int status = EXIT_CANNOT;

    if (session_run(&session, options, scenario, &error) != 0) {
        commands_cannot(&error);
    } else {
        report_summary(&session.report, &session.outcome, session_seconds(&session));
        status = outcome_passed(&session.outcome) ? EXIT_YES : EXIT_NO;
        if (options->json && report_json(stdout, &session.outcome) != 0) {
            fprintf(stderr, "selfpage: cannot write the JSON object\n");
            status = EXIT_CANNOT;
        }
    }
    session_fini(&session);
    return status;
}

static int command_run(int argc, char **argv)
{
    struct run_options options;
    struct yaml_index positions = {0};
    struct scenario *scenario = NULL;
    struct sp_error error;
    int status = EXIT_YES;

    switch (run_options_parse(argc, argv, &options, &error)) {
    case OPTIONS_EXIT:
        break;
    case OPTIONS_BAD:
        status = commands_cannot(&error);
        break;
    case OPTIONS_RUN:
        if (scenario_load(options.scenario, &scenario, &positions, &error) != 0)
            status = commands_cannot(&error);
        else
            status = run_scenario(&options, scenario);
        break;
    }
    scenario_free(&scenario);
    yaml_index_fini(&positions);
    run_options_fini(&options);
    return status;
}

static const struct subcommand commands[] = {
    {"run", command_run, "start physmem, swap and the tasks of a scenario, show, and check"},
    {"replay", replay_command, "run eviction policies over a trace, and count their misses"},
    {"report", report_command, "merge what several runs of selfpage replay --json printed"},
    {"record", record_command, "write down which pages a program refers to"},
    {"convert", convert_command, "write a trace in another format"},
    {"decisions", decisions_command, "make the decisions of a live task's policy again"},
    {"check-policy", check_policy_command, "see whether a policy keeps the rules of its interface"},
    {"new-policy", new_policy_command, "write the beginning of an eviction policy, with a test"},
    {"bench", bench_command, "measure contracts and attacks"},
};

int main(int argc, char **argv)
{
    int status, code;

    if (stdio_fill() != 0)
        return EXIT_CANNOT;
    signal(SIGXFSZ, SIG_IGN); /* a file that grows too large is an error of write */
    signal(SIGPIPE, SIG_IGN); /* a reader of our output that goes away is an error of fwrite */
    status = commands_run("selfpage", "Self-paging under contract: physmem, swap, and tasks that page themselves.",
                          commands, sizeof(commands) / sizeof(commands[0]), SELFPAGE_VERSION,
                          argc - 1, argv + 1);
    /* Whoever reads results that are cut short must not take them for all. */
    code = stdio_flush();
    if (code != 0 && status != EXIT_CANNOT) {
        fprintf(stderr, "selfpage: cannot write to standard output: %s\n", strerror(-code));
        status = EXIT_CANNOT;
    }
    return status;
}
