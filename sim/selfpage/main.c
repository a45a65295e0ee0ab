/* The selfpage command.
 *
 * HOW DO I ADD A SUBCOMMAND? A folder beside run/ with a function that takes argc and argv and returns
 * an exit status of base/exits.h, its header, and a CMakeLists.txt that makes it the layer
 * selfpage/FOLDER (top/ has the shortest one); and one line in `commands` below, with the #include.
 * Its options are a table of os/options.h, from which its help comes. The test command_line calls every line of the list, and
 * fails if `selfpage NAME --help`, -h or `selfpage help NAME` does not explain all options. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <selfpage/error.h>

#include "base/exits.h"
#include "selfpage/analyse/analyse.h"
#include "selfpage/bench/bench.h"
#include "selfpage/command/commands.h"
#include "selfpage/compare/compare.h"
#include "selfpage/experiment/experiment.h"
#include "selfpage/faults/faults.h"
#include "selfpage/policy/check_arbiter.h"
#include "selfpage/policy/check_policy.h"
#include "selfpage/policy/new_policy.h"
#include "os/stdio.h"
#include "selfpage/record/record.h"
#include "selfpage/replay/replay.h"
#include "selfpage/replay/merge.h"
#include "selfpage/report/report.h"
#include "selfpage/run/run.h"
#include "selfpage/top/top.h"
#include "selfpage/simulate/simulate.h"
#include "selfpage/trace/commands.h"

static const struct subcommand commands[] = {
    {"run", run_command, "start physmem, swap and the tasks of a scenario, show, and check"},
    {"top", top_command, "watch physmem, swap and tasks live"},
    {"faults", faults_command, "run a task, and say which lines of its source fault"},
    {"simulate", simulate_command,
     "play a scenario in virtual time: the same for a seed every time"},
    {"compare", compare_command, "run a scenario live and in virtual time, side by side"},
    {"experiment", experiment_command, "play a published experiment, and check its result"},
    {"replay", replay_command, "run eviction policies over a trace, and count their misses"},
    {"merge", merge_command, "merge what several runs of selfpage replay --json printed"},
    {"report", report_command,
     "make a page of pictures and tables of what commands printed as JSON"},
    {"record", record_command, "write down which pages a program refers to"},
    {"analyse", analyse_command,
     "say what a trace is like: popularity, reuse, scans, working sets"},
    {"generate", generate_command,
     "write a trace that is drawn by a rule: zipf, loop, scan, phases, mixes"},
    {"interleave", interleave_command, "merge several traces into one, each a task of its own"},
    {"convert", convert_command, "write a trace in another format"},
    {"decisions", decisions_command, "make the decisions of a live task's policy again"},
    {"check-policy", check_policy_command, "see whether a policy keeps the rules of its interface"},
    {"check-arbiter", check_arbiter_command,
     "see whether an arbiter keeps the rules of its interface"},
    {"new-policy", new_policy_command, "write the beginning of an eviction policy, with a test"},
    {"new-arbiter", new_policy_arbiter_command, "write the beginning of an arbiter, with a test"},
    {"bench", bench_command, "measure contracts and attacks"},
};

int main(int argc, char **argv)
{
    int status, code;

    if (stdio_fill() != 0)
        return EXIT_CANNOT;
    signal(SIGXFSZ, SIG_IGN); /* a file that grows too large is an error of write */
    signal(SIGPIPE, SIG_IGN); /* a reader of our output that goes away is an error of fwrite */
    status = commands_run(
        "selfpage", "Self-paging under contract: physmem, swap, and tasks that page themselves.",
        commands, sizeof(commands) / sizeof(commands[0]), SELFPAGE_VERSION, argc - 1, argv + 1);
    /* A reader of results that are cut short must not take them for all. */
    code = stdio_flush();
    if (code != 0 && status != EXIT_CANNOT) {
        fprintf(stderr, "selfpage: cannot write to standard output: %s\n", strerror(-code));
        status = EXIT_CANNOT;
    }
    return status;
}
