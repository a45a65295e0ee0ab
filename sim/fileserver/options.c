/* The command line of selfpage-fileserver. */
#include "options.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>

#include "base/error.h"
#include "cache.h"

static const char about[] =
    "Serves the files of a directory to tasks, in memory that the tasks pay for: a task gives it a\n"
    "container by a weak reference, and it copies what is read there, logically, from its page cache,\n"
    "and what is written from there.\n";

static const char notes[] =
    "It is a task of physmem, and takes extra frames for its cache. When they are recalled it releases\n"
    "pages softly, and has them again while nobody else needed the frames. Any process that can connect to the\n"
    "socket can read what this program can read below DIR, and write and make what it can, unless\n"
    "--read-only is said. No name and no link leads out of DIR.\n"
    "SIGTERM and SIGINT end the server cleanly.\n";

#define FIELD(name) offsetof(struct fileserver_options, name)

static const struct option_row rows[] = {
    {"socket", OPTION_TEXT, FIELD(socket), .value = "PATH", .help = "where tasks connect"},
    {"root", OPTION_TEXT, FIELD(root), .value = "DIR", .help = "the directory that is served"},
    {"physmem", OPTION_TEXT, FIELD(physmem), .value = "PATH",
     .help = "physmem's socket (default: SELFPAGE_PHYSMEM)"},
    {"contract", OPTION_TEXT, FIELD(contract), .value = "TERMS",
     .help = "contracts to propose (default: SELFPAGE_CONTRACT, else extra frames for the cache)"},
    {"cache", OPTION_U32, FIELD(cache), CHUNKS_CACHE_LEAST, CHUNKS_CACHE_MOST, .value = "N",
     .help = "pages of the cache at most (default: 1024)"},
    {"read-only", OPTION_FLAG, FIELD(read_only), .help = "let nobody write files or make them"},
    {"ready-fd", OPTION_INT, FIELD(ready_fd), 0, INT_MAX, .value = "FD",
     .help = "write one byte to FD, and close it, once the server listens"},
    {"verbose", OPTION_FLAG, FIELD(verbose),
     .help = "log tasks that come and go, and totals at the end"},
};

static int check_all(void *arg, struct sp_error *error)
{
    const struct fileserver_options *options = arg;

    if (options->socket == NULL || options->root == NULL)
        return error_set(error, EINVAL, "--socket and --root are required");
    return 0;
}

const struct options_syntax fileserver_options_syntax = {
    .program = "selfpage-fileserver",
    .version = SELFPAGE_VERSION,
    .usage = "--socket PATH --root DIR [options]",
    .about = about,
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .notes = notes,
    .check = check_all,
};
