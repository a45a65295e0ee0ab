#include "selfpage/top/options.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "core/contracts/terms_text.h"
#include "launch/directory.h"
#include "os/clock.h"

static const char about[] =
    "Watch a physmem, its swap server and its tasks live. SOCKET is physmem's, or the directory of a\n"
    "run (selfpage run --dir); without it, SELFPAGE_PHYSMEM names it. A run that has just been started\n"
    "has three seconds until its servers are there, if the directory above exists. On a terminal this\n"
    "is a full screen; --batch and --json print instead. The servers count all the time, and are asked\n"
    "only while this runs.\n";

/* How long a run may take until its physmem is there, how much of that without a word; and after that, its other servers. */
#define START_NS  (CLOCK_NS_PER_S * 3)
#define SILENT_NS (CLOCK_NS_PER_S / 2)
#define SWAP_NS   (CLOCK_NS_PER_S / 2)
#define PAUSE_MS  20

static const char notes[] =
    "Keys:\n"
    "  up, down, page up, page down   choose a task\n"
    "  enter           that task alone: its history, contracts, recalls, containers, regions and counters;\n"
    "                  again: back (page down, page up: what the screen has no room for)\n"
    "  s, S            sort by the next column, by the one before\n"
    "  r               smallest first\n"
    "  /               show only tasks whose names contain what you type; empty: all\n"
    "  a               also tasks that have ended\n"
    "  +, -            look more, less often\n"
    "  space           stop, and go on\n"
    "  q               end\n";

static int sort_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    int column = columns_find(text);

    (void)name;
    if (column < 0)
        return error_set(error, EINVAL,
                         "--sort: there is no column \"%.60s\" (see selfpage top --help)", text);
    ((struct top_options *)options)->selection.sort = (unsigned)column;
    return 0;
}

static int interval_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    uint64_t *interval_ns = &((struct top_options *)options)->interval_ns;

    if (terms_text_time(text, strlen(text), interval_ns) != 0 ||
        *interval_ns < 10 * CLOCK_NS_PER_MS || *interval_ns > 3600 * CLOCK_NS_PER_S)
        return error_set(error, EINVAL,
                         "--%s: \"%s\" is not a time from 10ms to 1h, as 500ms or 2s", name, text);
    return 0;
}

static int socket_take(void *options, char **word, struct sp_error *error)
{
    (void)error;
    ((struct top_options *)options)->physmem = word[0];
    return 0;
}

#define FIELD(name) offsetof(struct top_options, name)

static const struct option_row rows[] = {
    {"swap", OPTION_TEXT, FIELD(swap), .value = "PATH",
     .help = "socket of the swap server (swap.sock beside SOCKET, or else SELFPAGE_SWAP, if one of "
             "them is there)"},
    {"files", OPTION_TEXT, FIELD(files), .value = "PATH",
     .help =
         "socket of the file server (files.sock beside SOCKET, or else SELFPAGE_FILES, if one of "
         "them is there)"},
    {"interval", OPTION_CALL, .take = interval_take, .letter = 'd', .value = "TIME",
     .help = "time between two looks (1s)"},
    {"sort", OPTION_CALL, .take = sort_take, .value = "COLUMN",
     .help = "which tasks come first: those with most in this column (held)"},
    {"filter", OPTION_TEXT, FIELD(selection.filter), .value = "TEXT",
     .help = "show only tasks whose names contain TEXT"},
    {"all", OPTION_FLAG, FIELD(selection.all), .letter = 'a', .help = "also tasks that have ended"},
    {"task", OPTION_TEXT, FIELD(task), .value = "NAME",
     .help =
         "show this task alone: its contracts, recalls, containers, regions and all its counters"},
    {"batch", OPTION_FLAG, FIELD(batch), .letter = 'b',
     .help = "print a table for each look, instead of a full screen"},
    {"json", OPTION_FLAG, FIELD(json),
     .help = "print a JSON object, in one line, for each look: seconds, physmem, swap, fileserver, "
             "tasks, with all counters"},
    {"samples", OPTION_U32, FIELD(samples), 1, UINT32_MAX, .letter = 'n', .value = "N",
     .help = "end after N looks (with --batch and --json: when physmem ends)"},
};

static const struct options_syntax syntax = {
    .program = "selfpage top",
    .usage = "[SOCKET] [options]",
    .about = about,
    .notes = notes,
    .more = columns_help,
    .exit_statuses = "0 done; 2 it could not run, or physmem ended before N looks.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .operands = "SOCKET",
    .least = 0,
    .most = 1,
    .operand = socket_take,
};

/* Wait until `name` is in the directory `path`, or `path` is there and no directory. False: it did not come. */
static bool await(const char *path, const char *name, uint64_t patience_ns)
{
    uint64_t until = clock_now_ns() + patience_ns;
    char inside[PATH_MAX];
    struct stat status;

    snprintf(inside, sizeof inside, "%.4000s/%s", path, name);
    for (;;) {
        if (stat(path, &status) == 0 && (!S_ISDIR(status.st_mode) || access(inside, F_OK) == 0))
            return true;
        if (clock_now_ns() >= until)
            return false;
        poll(NULL, 0, PAUSE_MS);
    }
}

/* Whether a run can make this its directory: the one above is there. */
static bool has_place(const char *path)
{
    size_t length = strlen(path);
    char above[PATH_MAX];

    while (length > 1 && path[length - 1] == '/')
        length--;
    while (length > 0 && path[length - 1] != '/')
        length--;
    snprintf(above, sizeof above, "%.*s.", length < PATH_MAX - 2 ? (int)length : 0, path);
    return access(above, F_OK) == 0;
}

/* Whether the socket of physmem in this directory was made just now: others may be to come. */
static bool is_new(const char *path)
{
    char inside[PATH_MAX];
    struct timespec now;
    struct stat status;

    snprintf(inside, sizeof inside, "%.4000s/%s", path, DIRECTORY_PHYSMEM);
    return stat(inside, &status) == 0 && clock_gettime(CLOCK_REALTIME, &now) == 0 &&
           now.tv_sec - status.st_mtim.tv_sec <= 1;
}

/* Where a run and this were started in one line, the run's sockets are not there yet. */
static void await_run(const char *path)
{
    bool there = await(path, DIRECTORY_PHYSMEM, 0);

    if (there ? !is_new(path) : !has_place(path))
        return;
    if (!await(path, DIRECTORY_PHYSMEM, SILENT_NS)) {
        fprintf(stderr, "selfpage: there is no server at %s yet: waiting %u s for one to start\n",
                path, (unsigned)(START_NS / CLOCK_NS_PER_S));
        if (!await(path, DIRECTORY_PHYSMEM, START_NS - SILENT_NS))
            return;
    }
    (void)await(path, DIRECTORY_SWAP, SWAP_NS); /* if it has one */
}

/* A directory stands for the socket in it. */
static int find_physmem(struct top_options *options)
{
    struct stat status;

    await_run(options->physmem);
    if (stat(options->physmem, &status) != 0 || !S_ISDIR(status.st_mode))
        return 0;
    if (asprintf(&options->physmem_path, "%s/" DIRECTORY_PHYSMEM, options->physmem) < 0) {
        options->physmem_path = NULL;
        return -ENOMEM;
    }
    options->physmem = options->physmem_path;
    return 0;
}

/* Find the socket of a server if it was not named: beside physmem's, or in the environment. */
static int find_socket(const struct top_options *options, const char *name, const char *variable,
                       const char **socketp, char **pathp)
{
    const char *slash = strrchr(options->physmem, '/');
    int length = slash != NULL ? (int)(slash + 1 - options->physmem) : 0;

    if (*socketp != NULL)
        return 0;
    if (asprintf(pathp, "%.*s%s", length, options->physmem, name) < 0) {
        *pathp = NULL;
        return -ENOMEM;
    }
    *socketp = access(*pathp, F_OK) == 0 ? *pathp : getenv(variable);
    return 0;
}

static int find_sockets(struct top_options *options)
{
    int result = find_physmem(options);

    if (result == 0)
        result = find_socket(options, DIRECTORY_SWAP, "SELFPAGE_SWAP", &options->swap,
                             &options->swap_path);
    if (result == 0)
        result = find_socket(options, DIRECTORY_FILES, "SELFPAGE_FILES", &options->files,
                             &options->files_path);
    return result;
}

enum options_verdict top_options_parse(int argc, char **argv, struct top_options *options,
                                       struct sp_error *error)
{
    enum options_verdict verdict;

    *options = (struct top_options){.interval_ns = CLOCK_NS_PER_S,
                                    .physmem = getenv("SELFPAGE_PHYSMEM"),
                                    .selection.sort = (unsigned)columns_find("held")};
    verdict = options_parse(argc, argv, &syntax, options, error);
    if (verdict != OPTIONS_RUN)
        return verdict;
    if (options->physmem == NULL) {
        error_set(error, EINVAL,
                  "which SOCKET? Name physmem's, or the directory of a run that was "
                  "started with selfpage run --dir");
        return OPTIONS_BAD;
    }
    if (find_sockets(options) == 0)
        return OPTIONS_RUN;
    error_set(error, ENOMEM, "no memory");
    return OPTIONS_BAD;
}

void top_options_fini(struct top_options *options)
{
    free(options->physmem_path);
    free(options->swap_path);
    free(options->files_path);
}
