/* The command line of selfpage-swap. */
#include "options.h"

#include <errno.h>
#include <limits.h>

#include "base/error.h"

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

static int mode_set(void *arg, enum swap_mode mode, struct sp_error *error)
{
    struct swap_options *options = arg;

    if (options->mode != SWAP_MODE_AUTO && options->mode != mode)
        return error_set(error, EINVAL, "--buffered and --direct exclude each other");
    options->mode = mode;
    return 0;
}

static int buffered_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    (void)name;
    (void)text;
    return mode_set(options, SWAP_MODE_BUFFERED, error);
}

static int direct_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    (void)name;
    (void)text;
    return mode_set(options, SWAP_MODE_DIRECT, error);
}

#define FIELD(name) offsetof(struct swap_options, name)

static const struct option_row rows[] = {
    {"slots", OPTION_U32, FIELD(slots), 1, SWAP_SLOTS_MAX},
    {"socket", OPTION_TEXT, FIELD(socket)},
    {"file", OPTION_TEXT, FIELD(file)},
    {"keep", OPTION_FLAG, FIELD(keep)},
    {"sync", OPTION_FLAG, FIELD(sync)},
    {"buffered", OPTION_CALL_FLAG, .take = buffered_take},
    {"direct", OPTION_CALL_FLAG, .take = direct_take},
    {"quota", OPTION_U32, FIELD(quota), 1, SWAP_SLOTS_MAX},
    {"ready-fd", OPTION_INT, FIELD(ready_fd), 0, INT_MAX},
    {"fail-writes", OPTION_RATE, FIELD(fail_writes), .most = 1},
    {"fail-reads", OPTION_RATE, FIELD(fail_reads), .most = 1},
    {"seed", OPTION_U64, FIELD(seed), 0, UINT64_MAX},
    {"verbose", OPTION_FLAG, FIELD(verbose)},
};

static int check(void *arg, struct sp_error *error)
{
    struct swap_options *options = arg;

    if (options->slots == 0)
        return error_set(error, EINVAL, "--slots is missing (see --help)");
    if (options->socket == NULL)
        return error_set(error, EINVAL, "--socket is missing (see --help)");
    if (options->file == NULL || options->file[0] == '\0')
        return error_set(error, EINVAL, "--file is missing (see --help)");
    if (options->quota > options->slots)
        return error_set(error, EINVAL, "--quota %u is more than --slots %u", options->quota,
                         options->slots);
    if (options->quota == 0)
        options->quota = options->slots;
    return 0;
}

const struct options_syntax swap_options_syntax = {
    .program = "selfpage-swap",
    .version = SELFPAGE_VERSION,
    .help = help_text,
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .check = check,
};
