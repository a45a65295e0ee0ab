/* The selfpage command. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <selfpage/error.h>

#include "base/error.h"
#include "selfpage/bench/bench.h"
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

enum { EXIT_PASSED = 0, EXIT_FAILED = 1, EXIT_CANNOT = 2 };

static const char help[] =
    "Usage: selfpage COMMAND [...]\n"
    "\n"
    "  selfpage run SCENARIO   start physmem, swap and the tasks of a scenario; show, and check\n"
    "  selfpage replay TRACE   run eviction policies over a trace, and count their misses\n"
    "  selfpage check-policy POLICY\n"
    "                          see whether an eviction policy keeps the rules of its interface\n"
    "  selfpage new-policy NAME\n"
    "                          write the beginning of an eviction policy, with a test\n"
    "  selfpage report FILE    merge what several runs of selfpage replay --json printed\n"
    "  selfpage record -- PROGRAM\n"
    "                          write down which pages a program refers to\n"
    "  selfpage convert IN OUT write a trace in another format\n"
    "  selfpage decisions TRACE\n"
    "                          make the decisions of a live task's policy again\n"
    "  selfpage bench contracts\n"
    "                          how fast physmem negotiates, and how fairly it shares out\n"
    "  selfpage bench attacks  what a task gains by cheating, by arbitration policy\n"
    "  selfpage --help         this\n"
    "  selfpage --version\n"
    "\n"
    "selfpage COMMAND --help says more; selfpage run --help describes scenarios.\n"
    "Exit status: 0 yes; 1 it ran, and the answer is no; 2 it could not run.\n";

static int cannot(const struct sp_error *error)
{
    fprintf(stderr, "selfpage: %s\n", error->text);
    return EXIT_CANNOT;
}

static int run_scenario(const struct run_options *options, const struct scenario *scenario)
{
    struct session session;
    struct sp_error error;
    int status = EXIT_CANNOT;

    if (session_run(&session, options, scenario, &error) != 0) {
        cannot(&error);
    } else {
        report_summary(&session.report, &session.outcome, session_seconds(&session));
        status = outcome_passed(&session.outcome) ? EXIT_PASSED : EXIT_FAILED;
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
    int status = EXIT_PASSED;

    switch (run_options_parse(argc, argv, &options, &error)) {
    case RUN_OPTIONS_EXIT:
        break;
    case RUN_OPTIONS_BAD:
        status = cannot(&error);
        break;
    case RUN_OPTIONS_RUN:
        if (scenario_load(options.scenario, &scenario, &positions, &error) != 0)
            status = cannot(&error);
        else
            status = run_scenario(&options, scenario);
        break;
    }
    scenario_free(&scenario);
    yaml_index_fini(&positions);
    run_options_fini(&options);
    return status;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the name; returns the exit status */
} commands[] = {
    {"run", command_run},
    {"replay", replay_command},
    {"check-policy", check_policy_command},
    {"new-policy", new_policy_command},
    {"report", report_command},
    {"record", record_command},
    {"convert", convert_command},
    {"decisions", decisions_command},
    {"bench", bench_command},
};

/* argv without the program's name: the command, and what is for it. */
static int run(int argc, char **argv)
{
    struct sp_error error = {0};

    for (size_t i = 0; argc > 0 && i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(argv[0], commands[i].name) == 0)
            return commands[i].run(argc, argv);
    if (argc == 1 && strcmp(argv[0], "--version") == 0) {
        puts("selfpage " SELFPAGE_VERSION);
        return EXIT_PASSED;
    }
    if (argc == 1 && strcmp(argv[0], "--help") == 0) {
        fputs(help, stdout);
        return EXIT_PASSED;
    }
    if (argc == 0)
        error_set(&error, EINVAL, "which command? (see selfpage --help)");
    else
        error_set(&error, EINVAL, "unknown command %.60s (see selfpage --help)", argv[0]);
    return cannot(&error);
}

int main(int argc, char **argv)
{
    int status, code;

    if (stdio_fill() != 0)
        return EXIT_CANNOT;
    signal(SIGPIPE, SIG_IGN); /* a reader of our output that goes away is an error of fwrite */
    status = run(argc - 1, argv + 1);
    /* Whoever reads results that are cut short must not take them for all. */
    code = stdio_flush();
    if (code != 0 && status != EXIT_CANNOT) {
        fprintf(stderr, "selfpage: cannot write to standard output: %s\n", strerror(-code));
        status = EXIT_CANNOT;
    }
    return status;
}
