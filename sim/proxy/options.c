/* The command line of selfpage-proxy. */
#include "options.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>

#include "base/error.h"

static const char about[] =
    "Stands between tasks and a physmem: passes on what they say, writes it down, and can limit what\n"
    "a task may have. Tasks cannot tell: let SELFPAGE_PHYSMEM name the proxy's socket.\n";

static const char notes[] =
    "Each line of the log is one message: > from a task to physmem, < to a task; = is what the proxy\n"
    "says itself. Physmem sees all tasks as this process, with its user id: contracts that say\n"
    "breach=kill are refused, and tasks of several users are not told apart there.\n"
    "SIGTERM and SIGINT end the proxy; its tasks lose their connections. When physmem ends, the tasks that\n"
    "are there lose theirs, and the proxy goes on: it stands before the next physmem at this path.\n";

#define FIELD(name) offsetof(struct proxy_options, name)

static const struct option_row rows[] = {
    {"physmem", OPTION_TEXT, FIELD(physmem), .value = "PATH", .help = "the socket of physmem"},
    {"socket", OPTION_TEXT, FIELD(socket), .value = "PATH", .help = "where tasks connect"},
    {"most", OPTION_U32, FIELD(most), 1, UINT32_MAX, .value = "N",
     .help = "frames that the contracts of one task may have together (default: no limit)"},
    {"log", OPTION_TEXT, FIELD(log), .value = "FILE",
     .help = "add lines to FILE (default: standard error)"},
    {"quiet", OPTION_FLAG, FIELD(quiet), .help = "write no messages down"},
    {"ready-fd", OPTION_INT, FIELD(ready_fd), 0, INT_MAX, .value = "FD",
     .help = "write one byte to FD, and close it, once the proxy listens"},
};

static int check(void *arg, struct sp_error *error)
{
    const struct proxy_options *options = arg;

    if (options->physmem == NULL)
        return error_set(error, EINVAL, "--physmem is missing (see --help)");
    if (options->socket == NULL)
        return error_set(error, EINVAL, "--socket is missing (see --help)");
    return 0;
}

const struct options_syntax proxy_options_syntax = {
    .program = "selfpage-proxy",
    .version = SELFPAGE_VERSION,
    .usage = "--physmem PATH --socket PATH [options]",
    .about = about,
    .notes = notes,
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .check = check,
};
