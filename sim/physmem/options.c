/* The command line of selfpage-physmem. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <selfpage/contract.h>

#include "base/error.h"
#include "base/option.h"
#include "core/buddy.h"
#include "core/terms_text.h"

enum option_key {
    OPTION_FRAMES = 256,
    OPTION_SOCKET,
    OPTION_RESERVE,
    OPTION_MAX_TERM,
    OPTION_ARBITER,
    OPTION_CHAOS_UNMAP,
    OPTION_SEED,
    OPTION_READY_FD,
    OPTION_VERBOSE,
    OPTION_HELP,
    OPTION_VERSION,
};

static const struct option option_table[] = {
    {"frames", required_argument, NULL, OPTION_FRAMES},
    {"socket", required_argument, NULL, OPTION_SOCKET},
    {"reserve", required_argument, NULL, OPTION_RESERVE},
    {"max-term", required_argument, NULL, OPTION_MAX_TERM},
    {"arbiter", required_argument, NULL, OPTION_ARBITER},
    {"chaos-unmap", required_argument, NULL, OPTION_CHAOS_UNMAP},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"ready-fd", required_argument, NULL, OPTION_READY_FD},
    {"verbose", no_argument, NULL, OPTION_VERBOSE},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

static const char help_text[] =
    "Usage: selfpage-physmem --frames N --socket PATH [options]\n"
    "\n"
    "The physical memory server: gives frames to tasks under contracts, and takes them back.\n"
    "\n"
    "  --frames N          frames of one page (4 KiB) each\n"
    "  --socket PATH       where tasks and observers connect\n"
    "  --reserve N         frames that no contract is promised (default: 0)\n"
    "  --max-term TIME     longest term of a contract, as 500ms, 30s or 2h (default: forever)\n"
    "  --arbiter NAME[:PARAMETER=VALUE,...] or PATH[:...]\n"
    "                      who gets extra frames, and who gives some back: fcfs, excess (default),\n"
    "                      maxmin, esx, viengoos, karma, market, auction, cliffhanger, or a shared\n"
    "                      object that was written to <selfpage/arbiter.h>, as ./mine.so\n"
    "  --chaos-unmap RATE  ask tasks to unmap random slots, so many times a second, for tests\n"
    "  --seed S            which slots (default: 1)\n"
    "  --ready-fd FD       write one byte to FD, and close it, once the server listens\n"
    "  --verbose           print every message\n"
    "  --help, --version\n"
    "\n"
    "SIGTERM and SIGINT end the server cleanly. Exit status: 0, or 2 if it could not run.\n";

/* Parse a decimal number from `least` to `most`. */
static int term_parse(const char *name, const char *text, uint64_t *term_ns, struct sp_error *error)
{
    if (time_parse(text, strlen(text), term_ns) != 0 || *term_ns == 0)
        return error_set(error, EINVAL,
                         "--%s: \"%s\" is not a time above zero, as 500ms, 30s or forever", name,
                         text);
    return 0;
}

/* Take one option that needs a value. */
static int value_parse(int key, const char *name, struct physmem_options *options,
                       struct sp_error *error)
{
    uint64_t number = 0;
    int code = 0;

    switch (key) {
    case OPTION_FRAMES:
        code = option_number(name, optarg, 1, BUDDY_FRAMES_MAX, &number, error);
        options->frames = (uint32_t)number;
        break;
    case OPTION_RESERVE:
        code = option_number(name, optarg, 0, BUDDY_FRAMES_MAX - 1, &number, error);
        options->reserve = (uint32_t)number;
        break;
    case OPTION_READY_FD:
        code = option_number(name, optarg, 0, INT_MAX, &number, error);
        options->ready_fd = (int)number;
        break;
    case OPTION_SEED:
        code = option_number(name, optarg, 0, UINT64_MAX, &options->seed, error);
        break;
    case OPTION_MAX_TERM:
        code = term_parse(name, optarg, &options->max_term_ns, error);
        break;
    case OPTION_CHAOS_UNMAP:
        code = option_rate(name, optarg, CHAOS_RATE_MAX, &options->chaos_unmap, error);
        break;
    case OPTION_ARBITER:
        options->arbiter = optarg;
        break;
    case OPTION_SOCKET:
        options->socket = optarg;
        break;
    }
    return code;
}

static int required_check(const struct physmem_options *options, struct sp_error *error)
{
    if (options->frames == 0)
        return error_set(error, EINVAL, "--frames is missing (see --help)");
    if (options->socket == NULL)
        return error_set(error, EINVAL, "--socket is missing (see --help)");
    if (options->reserve >= options->frames)
        return error_set(error, EINVAL, "--reserve %u leaves none of --frames %u", options->reserve,
                         options->frames);
    return 0;
}

enum physmem_options_verdict physmem_options_parse(int argc, char **argv,
                                                   struct physmem_options *options,
                                                   struct sp_error *error)
{
    int key, index, code = 0;

    *options = (struct physmem_options){
        .arbiter = "excess", .max_term_ns = SP_FOREVER, .seed = 1, .ready_fd = -1};
    opterr = 0;
    while (code == 0 && (key = getopt_long(argc, argv, ":", option_table, &index)) != -1) {
        switch (key) {
        case OPTION_HELP:
            fputs(help_text, stdout);
            return PHYSMEM_OPTIONS_EXIT;
        case OPTION_VERSION:
            puts("selfpage-physmem " SELFPAGE_VERSION);
            return PHYSMEM_OPTIONS_EXIT;
        case OPTION_VERBOSE:
            options->verbose = true;
            break;
        case ':':
            code = error_set(error, EINVAL, "%s needs a value", argv[optind - 1]);
            break;
        case '?':
            code = optopt > 0 && optopt < 256
                       ? error_set(error, EINVAL, "unknown option -%c (see --help)", optopt)
                       : error_set(error, EINVAL, "bad option %s (see --help)", argv[optind - 1]);
            break;
        default:
            code = value_parse(key, option_table[index].name, options, error);
        }
    }
    if (code == 0 && optind < argc)
        code = error_set(error, EINVAL, "unexpected argument \"%s\"", argv[optind]);
    if (code == 0)
        code = required_check(options, error);
    return code == 0 ? PHYSMEM_OPTIONS_RUN : PHYSMEM_OPTIONS_BAD;
}
