/* `selfpage decisions`. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "adapter/load.h"
#include "base/error.h"
#include "replay/decisions.h"
#include "selfpage/trace/commands.h"

enum { EXIT_SAME = 0, EXIT_DIFFERENT = 1, EXIT_CANNOT = 2 };

static const char help[] =
    "Usage: selfpage decisions TRACE [--policy POLICY]\n"
    "\n"
    "See whether an eviction policy makes the decisions again that it made in a live task. TRACE is\n"
    "what a task writes if the environment variable SELFPAGE_TRACE names a file, or a directory: all\n"
    "that its policy saw, and all it answered. As a trace of references, for selfpage replay and\n"
    "convert, it has the task's faults and soft faults.\n"
    "\n"
    "  --policy POLICY      this one, rather than the one that the trace names; must be given for\n"
    "                       one from a shared object\n"
    "  --help\n"
    "\n"
    "Exit status: 0 the same decisions; 1 another (a message says which); 2 it could not be seen.\n";

static int cannot(const struct sp_error *error)
{
    fprintf(stderr, "selfpage: %s\n", error->text);
    return EXIT_CANNOT;
}

/* A trace comes from anywhere: it may name a policy of Selfpage's, and no file to run code from. */
static int load(struct policy_handle *policy, const struct trace *trace, const char *given,
                struct sp_error *error)
{
    *policy = (struct policy_handle){.foreign = false};
    if (given != NULL)
        return policy_load(policy, given, error);
    if (trace->events && strchr(trace->native_policy, '/') != NULL)
        return error_set(error, EINVAL,
                         "%s: the task's policy was a shared object, %.80s; name it by --policy",
                         trace->input.name, trace->native_policy);
    return policy_choose(&policy->choice, trace->events ? trace->native_policy : "fifo", error);
}

static int check(struct trace *trace, const char *given)
{
    struct decisions_counts counts;
    struct policy_handle policy;
    struct sp_error error = {0};
    int result = load(&policy, trace, given, &error);

    trace->all_events = true;
    if (result == 0)
        result = decisions_check(trace, &policy.choice, &counts, &error);
    if (result == 0)
        printf("%s: %llu faults, %llu soft faults, %llu evictions: all decided the same\n",
               policy.choice.policy->name, (unsigned long long)counts.faults,
               (unsigned long long)counts.soft_faults, (unsigned long long)counts.victims);
    policy_unload(&policy);
    if (result > 0)
        puts(error.text);
    else if (result < 0)
        return cannot(&error);
    return result == 0 ? EXIT_SAME : EXIT_DIFFERENT;
}

int decisions_command(int argc, char **argv)
{
    static const struct option options[] = {{"policy", required_argument, NULL, 'p'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const struct trace_options trace_options = {.format = "native"};
    const char *policy = NULL;
    struct trace trace;
    struct sp_error error = {0};
    int key, status;

    opterr = 0;
    optind = 1;
    while ((key = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (key == 'h') {
            fputs(help, stdout);
            return EXIT_SAME;
        }
        if (key != 'p') {
            error_set(&error, EINVAL, "%s %.100s (see selfpage decisions --help)",
                      key == ':' ? "a value is missing behind" : "unknown option",
                      argv[optind - 1]);
            return cannot(&error);
        }
        policy = optarg;
    }
    if (argc - optind != 1) {
        error_set(&error, EINVAL, "one TRACE, please (see selfpage decisions --help)");
        return cannot(&error);
    }
    if (trace_open(&trace, argv[optind], &trace_options, &error) != 0)
        status = cannot(&error);
    else
        status = check(&trace, policy);
    trace_fini(&trace);
    return status;
}
