/* `selfpage decisions`. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "adapter/load.h"
#include "base/error.h"
#include "base/exits.h"
#include "os/options.h"
#include "replay/decisions.h"
#include "selfpage/command/commands.h"
#include "selfpage/trace/commands.h"
#include "trace/format_native.h"

static const char about[] =
    "See whether an eviction policy makes the decisions again that it made in a live task. TRACE is\n"
    "what a task writes if the environment variable SELFPAGE_TRACE names a file, or a directory: all\n"
    "that its policy saw, and all it answered. As a trace of references, for selfpage replay and\n"
    "convert, it has the task's faults and soft faults.\n";

/* A trace comes from anywhere: it may name a policy of Selfpage, and no file to run code from. */
static int load(struct policy_handle *policy, const struct trace *trace, const char *given,
                struct sp_error *error)
{
    const struct native_events *events = format_native_events(trace);

    *policy = (struct policy_handle){.foreign = false};
    if (given != NULL)
        return load_policy(policy, given, error);
    if (events != NULL && strchr(events->policy, '/') != NULL)
        return error_set(error, EINVAL,
                         "%s: the task's policy was a shared object, %.80s; name it by --policy",
                         trace->source.name, events->policy);
    return policy_params_choose(&policy->choice, events != NULL ? events->policy : "fifo", error);
}

static int check(struct trace *trace, const char *given)
{
    struct decisions_counts counts;
    struct policy_handle policy;
    struct sp_error error = {0};
    int result = load(&policy, trace, given, &error);

    if (result == 0)
        result = decisions_check(trace, &policy.choice, &counts, &error);
    if (result == 0)
        printf("%s: %llu faults, %llu soft faults, %llu evictions: all decided the same\n",
               policy.choice.policy->name, (unsigned long long)counts.faults,
               (unsigned long long)counts.soft_faults, (unsigned long long)counts.victims);
    load_policy_end(&policy);
    if (result > 0)
        puts(error.text);
    else if (result < 0)
        return commands_cannot(&error);
    return result == 0 ? EXIT_YES : EXIT_NO;
}

struct decisions_options {
    const char *path;
    const char *policy;
};

static int path_take(void *command, char **word, struct sp_error *error)
{
    (void)error;
    ((struct decisions_options *)command)->path = word[0];
    return 0;
}

static const struct option_row rows[] = {
    {"policy", OPTION_TEXT, offsetof(struct decisions_options, policy), .value = "POLICY",
     .help = "this one, rather than the one that the trace names; must be given for one from a "
             "shared object"},
};

static const struct options_syntax syntax = {
    .program = "selfpage decisions",
    .usage = "TRACE [--policy POLICY]",
    .about = about,
    .exit_statuses = "0 the same decisions; 1 another (a message says which); 2 it could not be "
                     "seen.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .operands = "TRACE",
    .least = 1,
    .most = 1,
    .operand = path_take,
};

int decisions_command(int argc, char **argv)
{
    const struct trace_options trace_options = {.format = "native"};
    struct decisions_options command = {0};
    struct trace trace;
    struct sp_error error = {0};
    int verdict;
    int status;

    verdict = commands_options(argc, argv, &syntax, &command);
    if (verdict >= 0)
        return verdict;
    if (trace_open(&trace, command.path, &trace_options, &error) != 0)
        status = commands_cannot(&error);
    else
        status = check(&trace, command.policy);
    trace_fini(&trace);
    return status;
}
