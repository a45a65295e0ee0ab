/* The command line of selfpage-swap. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/option.h"

enum option_key {
    OPTION_SLOTS = 256,
    OPTION_SOCKET,
    OPTION_FILE,
    OPTION_KEEP,
    OPTION_SYNC,
    OPTION_BUFFERED,
    OPTION_DIRECT,
    OPTION_QUOTA,
    OPTION_READY_FD,
    OPTION_FAIL_WRITES,
    OPTION_FAIL_READS,
    OPTION_SEED,
    OPTION_VERBOSE,
    OPTION_HELP,
    OPTION_VERSION,
};

static const struct option option_table[] = {
    {"slots", required_argument, NULL, OPTION_SLOTS},
    {"socket", required_argument, NULL, OPTION_SOCKET},
    {"file", required_argument, NULL, OPTION_FILE},
    {"keep", no_argument, NULL, OPTION_KEEP},
    {"sync", no_argument, NULL, OPTION_SYNC},
    {"buffered", no_argument, NULL, OPTION_BUFFERED},
    {"direct", no_argument, NULL, OPTION_DIRECT},
    {"quota", required_argument, NULL, OPTION_QUOTA},
    {"ready-fd", required_argument, NULL, OPTION_READY_FD},
    {"fail-writes", required_argument, NULL, OPTION_FAIL_WRITES},
    {"fail-reads", required_argument, NULL, OPTION_FAIL_READS},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"verbose", no_argument, NULL, OPTION_VERBOSE},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

static const char help_text[] =
    "Usage: selfpage-swap --slots N --socket PATH --file PATH [options]\n"
    "\n"
    "The swap server: keeps pages of tasks in the slots of a file.\n"
    "\n"
    "  --slots N          slots of one page (4 KiB) each\n"
    "  --socket PATH      where tasks connect\n"
    "  --file PATH        the device: preallocated, and nameless while in use unless --keep\n"
    "  --keep             keep the file; started again on it, serve its clients by their old keys.\n"
    "                     What was acknowledged outlives the server, also by kill -9\n"
    "  --sync             acknowledge only what would outlive a power loss\n"
    "  --buffered         go through the page cache, and answer each request at once\n"
    "  --direct           bypass the page cache (O_DIRECT), or do not start\n"
    "                     default: --direct where the file system can, else --buffered\n"
    "  --quota N          most slots that one client may reserve (default: all)\n"
    "  --ready-fd FD      write one byte to FD, and close it, once the server listens\n"
    "  --fail-writes RATE pretend that this share of written pages fails, 0 to 1, for tests\n"
    "  --fail-reads RATE  the same for pages read\n"
    "  --seed S           which ones (default: 1)\n"
    "  --verbose          log clients that come and go, and totals at the end\n"
    "  --help, --version\n"
    "\n"
    "SIGTERM and SIGINT end the server cleanly. Exit status: 0, or 2 if it could not run.\n";

/* Parse a decimal number from `least` to `most`. */
static int mode_set(struct swap_options *options, enum swap_mode mode, struct sp_error *error)
{
    if (options->mode != SWAP_MODE_AUTO && options->mode != mode)
        return error_set(error, EINVAL, "--buffered and --direct exclude each other");
    options->mode = mode;
    return 0;
}

/* Take one option that needs a value. */
static int value_parse(int key, const char *name, struct swap_options *options,
                       struct sp_error *error)
{
    uint64_t number = 0;
    int code = 0;

    switch (key) {
    case OPTION_SLOTS:
        code = option_number(name, optarg, 1, SWAP_SLOTS_MAX, &number, error);
        options->slots = (uint32_t)number;
        break;
    case OPTION_QUOTA:
        code = option_number(name, optarg, 1, SWAP_SLOTS_MAX, &number, error);
        options->quota = (uint32_t)number;
        break;
    case OPTION_READY_FD:
        code = option_number(name, optarg, 0, INT_MAX, &number, error);
        options->ready_fd = (int)number;
        break;
    case OPTION_SEED:
        code = option_number(name, optarg, 0, UINT64_MAX, &options->seed, error);
        break;
    case OPTION_FAIL_WRITES:
        code = option_rate(name, optarg, 1, &options->fail_writes, error);
        break;
    case OPTION_FAIL_READS:
        code = option_rate(name, optarg, 1, &options->fail_reads, error);
        break;
    case OPTION_SOCKET:
        options->socket = optarg;
        break;
    case OPTION_FILE:
        options->file = optarg;
        break;
    }
    return code;
}

static int required_check(const struct swap_options *options, struct sp_error *error)
{
    if (options->slots == 0)
        return error_set(error, EINVAL, "--slots is missing (see --help)");
    if (options->socket == NULL)
        return error_set(error, EINVAL, "--socket is missing (see --help)");
    if (options->file == NULL || options->file[0] == '\0')
        return error_set(error, EINVAL, "--file is missing (see --help)");
    if (options->quota > options->slots)
        return error_set(error, EINVAL, "--quota %u is more than --slots %u", options->quota,
                         options->slots);
    return 0;
}

enum swap_options_verdict swap_options_parse(int argc, char **argv, struct swap_options *options,
                                             struct sp_error *error)
{
    int key, index, code = 0;

    *options = (struct swap_options){.ready_fd = -1, .seed = 1};
    opterr = 0;
    while (code == 0 && (key = getopt_long(argc, argv, ":", option_table, &index)) != -1) {
        switch (key) {
        case OPTION_HELP:
            fputs(help_text, stdout);
            return SWAP_OPTIONS_EXIT;
        case OPTION_VERSION:
            puts("selfpage-swap " SELFPAGE_VERSION);
            return SWAP_OPTIONS_EXIT;
        case OPTION_KEEP:
            options->keep = true;
            break;
        case OPTION_SYNC:
            options->sync = true;
            break;
        case OPTION_VERBOSE:
            options->verbose = true;
            break;
        case OPTION_BUFFERED:
            code = mode_set(options, SWAP_MODE_BUFFERED, error);
            break;
        case OPTION_DIRECT:
            code = mode_set(options, SWAP_MODE_DIRECT, error);
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
    if (options->quota == 0)
        options->quota = options->slots;
    return code == 0 ? SWAP_OPTIONS_RUN : SWAP_OPTIONS_BAD;
}
