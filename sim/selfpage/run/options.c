/* The command line of `selfpage run`. */
#include "selfpage/run/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "selfpage/command/live_policy.h"
#include "selfpage/run/help.h"
#include "selfpage/run/scenario.h"
#include "selfpage/run/variables.h"

enum option_key {
    OPTION_JSON = 256,
    OPTION_DIR,
    OPTION_POLICY,
    OPTION_SEED,
    OPTION_CHAOS_UNMAP,
    OPTION_TABLE,
    OPTION_NO_TABLE,
    OPTION_DEFINE,
    OPTION_HELP,
};

static const struct option option_table[] = {
    {"json", no_argument, NULL, OPTION_JSON},
    {"dir", required_argument, NULL, OPTION_DIR},
    {"policy", required_argument, NULL, OPTION_POLICY},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"chaos-unmap", required_argument, NULL, OPTION_CHAOS_UNMAP},
    {"table", no_argument, NULL, OPTION_TABLE},
    {"no-table", no_argument, NULL, OPTION_NO_TABLE},
    {"define", required_argument, NULL, OPTION_DEFINE},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static int seed_parse(const char *text, struct run_options *options, struct sp_error *error)
{
    char *end;

    errno = 0;
    options->seed = strtoull(text, &end, 10);
    options->seed_given = true;
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0)
        return 0;
    return error_set(error, EINVAL, "--seed: \"%.100s\" is no whole number below 2^64", text);
}

static int chaos_parse(const char *text, struct run_options *options, struct sp_error *error)
{
    char *end;

    options->chaos_unmap = strtod(text, &end);
    options->chaos_given = true;
    if (end != text && *end == '\0' && options->chaos_unmap >= 0 &&
        options->chaos_unmap <= SCENARIO_CHAOS_MAX)
        return 0;
    return error_set(error, EINVAL, "--chaos-unmap: \"%.100s\" is no number from 0 to %g", text,
                     SCENARIO_CHAOS_MAX);
}

static int policy_option(const char *text, struct run_options *options, struct sp_error *error)
{
    options->policy = text;
    return live_policy_check_name(text, error);
}

static int option_take(int key, struct run_options *options, char **argv, struct sp_error *error)
{
    switch (key) {
    case OPTION_JSON:
        options->json = true;
        return 0;
    case OPTION_DIR:
        options->directory = optarg;
        return 0;
    case OPTION_POLICY:
        return policy_option(optarg, options, error);
    case OPTION_SEED:
        return seed_parse(optarg, options, error);
    case OPTION_CHAOS_UNMAP:
        return chaos_parse(optarg, options, error);
    case OPTION_TABLE:
        options->table = true;
        return 0;
    case OPTION_NO_TABLE:
        options->no_table = true;
        return 0;
    case OPTION_DEFINE:
        return variables_define(&options->definitions, optarg, error);
    case ':':
        return error_set(error, EINVAL, "%s needs a value (see selfpage run --help)",
                         argv[optind - 1]);
    default:
        return error_set(error, EINVAL, "unknown option %.100s (see selfpage run --help)",
                         argv[optind - 1]);
    }
}

enum run_options_verdict run_options_parse(int argc, char **argv, struct run_options *options,
                                           struct sp_error *error)
{
    int key;

    *options = (struct run_options){0};
    opterr = 0;
    optind = 1;
    while ((key = getopt_long(argc, argv, ":", option_table, NULL)) != -1) {
        if (key == OPTION_HELP) {
            help_print(stdout);
            return RUN_OPTIONS_EXIT;
        }
        if (option_take(key, options, argv, error) != 0)
            return RUN_OPTIONS_BAD;
    }
    if (argc - optind != 1) {
        error_set(error, EINVAL,
                  argc == optind ? "which SCENARIO? (see selfpage run --help)"
                                 : "one SCENARIO at a time (see selfpage run --help)");
        return RUN_OPTIONS_BAD;
    }
    options->scenario = argv[optind];
    return RUN_OPTIONS_RUN;
}

void run_options_fini(struct run_options *options)
{
    strings_fini(&options->definitions);
}
