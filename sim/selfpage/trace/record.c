/* `selfpage record`: what an unmodified program refers to, as Valgrind's tool lackey sees it. Its
 * lines go through a pipe, and only what is written of them reaches a disk. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "selfpage/trace/copy.h"
#include "launch/spawn.h"
#include "selfpage/trace/commands.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_CANNOT = 2 };

#define ARGUMENTS_OURS 8u
#define PATH_LONGEST   4095u

static const char help[] =
    "Usage: selfpage record [options] -- PROGRAM [ARGUMENT...]\n"
    "\n"
    "Run a program, unmodified, under Valgrind's tool lackey, and write down which pages it refers\n"
    "to. Its input, output and errors are its own. It runs about a hundred times as long as alone.\n"
    "Programs that it starts are not followed.\n"
    "\n"
    "  -o OUT               where to (PROGRAM.sptrace.zst); - is standard output\n"
    "  --format FORMAT      native, csv or text (by OUT's name). Compressed if that ends in .zst\n"
    "  --page-size BYTES    size of a page, a power of two (4096)\n"
    "  --data, --code       only loads and stores; only instructions\n"
    "  --merge              consecutive references to one page become one, a write if any was\n"
    "  --quiet              no progress line, no summary\n"
    "  --help\n"
    "\n"
    "Exit status: 0 done; 1 done, but the program failed (a message says how); 2 nothing was\n"
    "recorded.\n";

enum option_key {
    OPTION_FORMAT = 256,
    OPTION_PAGE_SIZE,
    OPTION_DATA,
    OPTION_CODE,
    OPTION_MERGE,
    OPTION_QUIET,
    OPTION_HELP,
};

static const struct option option_table[] = {
    {"format", required_argument, NULL, OPTION_FORMAT},
    {"page-size", required_argument, NULL, OPTION_PAGE_SIZE},
    {"data", no_argument, NULL, OPTION_DATA},
    {"code", no_argument, NULL, OPTION_CODE},
    {"merge", no_argument, NULL, OPTION_MERGE},
    {"quiet", no_argument, NULL, OPTION_QUIET},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

struct command {
    struct trace_options trace;
    struct copy_options copy;
    char **program; /* and its arguments, NULL-terminated */
    size_t arguments;
    char path[PATH_LONGEST + 1]; /* of OUT, where none is given */
};

static int cannot(const struct sp_error *error)
{
    fprintf(stderr, "selfpage: %s\n", error->text);
    return EXIT_CANNOT;
}

/* ---- The program ---- */

static int find_valgrind(char *path, size_t size, struct sp_error *error)
{
    const char *at = getenv("PATH");

    for (; at != NULL && *at != '\0'; at += strcspn(at, ":"), at += *at == ':') {
        snprintf(path, size, "%.*s/valgrind", (int)strcspn(at, ":"), at);
        if (access(path, X_OK) == 0)
            return 0;
    }
    return error_set(error, ENOENT,
                     "there is no valgrind in $PATH, which recording needs; it is "
                     "packaged as `valgrind` nearly everywhere");
}

static int start(const struct command *command, int log, pid_t *pidp, struct sp_error *error)
{
    char path[PATH_LONGEST + 1], log_option[] = "--log-fd=3";
    char **argv = calloc(command->arguments + ARGUMENTS_OURS, sizeof(*argv));
    char *const ours[] = {"valgrind",          "-q",
                          "--tool=lackey",     "--trace-mem=yes",
                          "--basic-counts=no", "--child-silent-after-fork=yes",
                          log_option};
    size_t count = sizeof(ours) / sizeof(ours[0]);
    struct spawn spawn = {SPAWN_DEFAULTS, .program = path, .argv = argv};
    int result = find_valgrind(path, sizeof(path), error);

    _Static_assert(SPAWN_PASSED_FD == 3, "as --log-fd says");
    _Static_assert(sizeof(ours) / sizeof(ours[0]) < ARGUMENTS_OURS, "one is left for NULL");
    if (argv == NULL)
        return error_set(error, ENOMEM, "no memory for the arguments");
    memcpy(argv, ours, sizeof(ours));
    memcpy(argv + count, command->program, command->arguments * sizeof(*argv));
    spawn.input = STDIN_FILENO;
    spawn.passed = log;
    if (result == 0)
        result = spawn_program(&spawn, pidp, error);
    free(argv);
    return result;
}

static int judge_end(const char *program, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return EXIT_DONE;
    if (WIFEXITED(status))
        fprintf(stderr, "selfpage: %s ended with status %d\n", program, WEXITSTATUS(status));
    else
        fprintf(stderr, "selfpage: %s was ended by signal %d (%s)\n", program, WTERMSIG(status),
                strsignal(WTERMSIG(status)));
    return EXIT_FAILED;
}

static void summarise(const struct command *command, const struct copy_counts *counts)
{
    if (!command->copy.quiet)
        fprintf(stderr, "selfpage: %llu references, %llu bytes: %s\n",
                (unsigned long long)counts->references, (unsigned long long)counts->bytes,
                command->copy.path);
}

/* ---- The trace ---- */

static int read_and_write(const struct command *command, int fd, struct copy_counts *counts,
                          struct sp_error *error)
{
    struct trace trace;
    char path[32];
    int result;

    snprintf(path, sizeof(path), "/dev/fd/%d", fd);
    result = trace_open(&trace, path, &command->trace, error);
    if (result == 0)
        result = copy_run(&trace, &command->copy, counts, error);
    trace_fini(&trace);
    return result;
}

static int record(const struct command *command)
{
    struct copy_counts counts = {0};
    struct sp_error error = {0};
    int ends[2], status, result;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0) {
        error_set(&error, errno, "cannot make a pipe: %s", strerror(errno));
        return cannot(&error);
    }
    result = start(command, ends[1], &pid, &error);
    close(ends[1]);
    if (result != 0) {
        close(ends[0]);
        return cannot(&error);
    }
    signal(SIGINT, SIG_IGN); /* it ends the program, and the trace then comes to its end */
    result = read_and_write(command, ends[0], &counts, &error);
    close(ends[0]);
    if (result != 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return EXIT_CANNOT;
    if (result == 0 && counts.references == 0) {
        if (strcmp(command->copy.path, "-") != 0)
            copy_discard(command->copy.path);
        result = error_set(&error, ENOEXEC, "%s made no reference: valgrind could not run it",
                           command->program[0]);
    }
    if (result != 0)
        return cannot(&error);
    summarise(command, &counts);
    return judge_end(command->program[0], status);
}

/* ---- The command line ---- */

static int option_take(int key, char **argv, struct command *command, struct sp_error *error)
{
    uint64_t number = 0;
    int result;

    switch (key) {
    case 'o':
        command->copy.path = optarg;
        return 0;
    case OPTION_FORMAT:
        command->copy.format = optarg;
        return 0;
    case OPTION_PAGE_SIZE:
        result = trace_number_parse("--page-size", optarg, TRACE_PAGE_SIZE_MOST, &number, error);
        command->trace.page_size = (uint32_t)number;
        return result;
    case OPTION_DATA:
    case OPTION_CODE:
        if (strcmp(command->trace.format, "lackey") != 0)
            return error_set(error, EINVAL, "--data and --code: one of them, once");
        command->trace.format = key == OPTION_DATA ? "lackey:data" : "lackey:code";
        return 0;
    case OPTION_MERGE:
        command->copy.merge = true;
        return 0;
    case OPTION_QUIET:
        command->copy.quiet = true;
        return 0;
    case ':':
        return error_set(error, EINVAL, "%s needs a value (see selfpage record --help)",
                         argv[optind - 1]);
    default:
        return error_set(error, EINVAL, "unknown option %.100s (see selfpage record --help)",
                         argv[optind - 1]);
    }
}

/* What can be said before the program runs. */
static int settle(struct command *command, struct sp_error *error)
{
    const char *slash = strrchr(command->program[0], '/');
    enum trace_output_format format;
    bool compress;
    int result;

    if (command->copy.path == NULL) {
        snprintf(command->path, sizeof(command->path), "%s.sptrace.zst",
                 slash != NULL ? slash + 1 : command->program[0]);
        command->copy.path = command->path;
    }
    result =
        trace_output_choose(command->copy.format, command->copy.path, &format, &compress, error);
    if (result == 0 && format == TRACE_OUTPUT_ORACLE)
        result = error_set(error, EINVAL,
                           "oracleGeneral tells of next references, which are not known while they "
                           "are made: record in another format, then use selfpage convert");
    return result;
}

int record_command(int argc, char **argv)
{
    struct command command = {.trace = {.format = "lackey"}, .copy = {.what = "recording"}};
    struct sp_error error = {0};
    int key;

    opterr = 0;
    optind = 1;
    while ((key = getopt_long(argc, argv, "+:o:", option_table, NULL)) != -1) {
        if (key == OPTION_HELP) {
            fputs(help, stdout);
            return EXIT_DONE;
        }
        if (option_take(key, argv, &command, &error) != 0)
            return cannot(&error);
    }
    if (optind == argc) {
        error_set(&error, EINVAL, "which PROGRAM? (see selfpage record --help)");
        return cannot(&error);
    }
    command.program = argv + optind;
    command.arguments = (size_t)(argc - optind);
    if (settle(&command, &error) != 0)
        return cannot(&error);
    return record(&command);
}
