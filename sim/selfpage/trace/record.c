/* `selfpage record`: what an unmodified program refers to, as Valgrind's tool lackey sees it. Its
 * lines go through a pipe, and only what is written of them reaches a disk. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/exits.h"
#include "os/options.h"
#include "selfpage/command/commands.h"
#include "selfpage/trace/copy.h"
#include "launch/spawn.h"
#include "selfpage/trace/commands.h"

#define ARGUMENTS_OURS 8u
#define PATH_LONGEST   4095u

static const char about[] =
    "Run a program, unmodified, under Valgrind's tool lackey, and write down which pages it refers\n"
    "to. Its input, output and errors are its own. It runs about a hundred times as long as alone.\n"
    "Programs that it starts are not followed.\n";

struct record_options {
    struct trace_options trace;
    struct copy_options copy;
    char **program; /* and its arguments, NULL-terminated */
    size_t arguments;
    char path[PATH_LONGEST + 1]; /* of OUT, where none is given */
};

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

/* Start the program, which finds no descriptor of this process: Valgrind opens the pipe by its
 * path, and moves what it opens out of the way of the program's own. */
static int start(const struct record_options *command, int log, pid_t *pidp, struct sp_error *error)
{
    char path[PATH_LONGEST + 1], log_option[64];
    char **argv = calloc(command->arguments + ARGUMENTS_OURS, sizeof(*argv));
    char *const ours[] = {"valgrind",          "-q",
                          "--tool=lackey",     "--trace-mem=yes",
                          "--basic-counts=no", "--child-silent-after-fork=yes",
                          log_option};
    size_t count = sizeof(ours) / sizeof(ours[0]);
    struct spawn spawn = {SPAWN_DEFAULTS, .program = path, .argv = argv, .inherits = true};
    int result = find_valgrind(path, sizeof(path), error);

    _Static_assert(sizeof(ours) / sizeof(ours[0]) < ARGUMENTS_OURS, "one is left for NULL");
    if (argv == NULL)
        return error_set(error, ENOMEM, "no memory for the arguments");
    snprintf(log_option, sizeof(log_option), "--log-file=/proc/%ld/fd/%d", (long)getpid(), log);
    memcpy(argv, ours, sizeof(ours));
    memcpy(argv + count, command->program, command->arguments * sizeof(*argv));
    spawn.input = STDIN_FILENO;
    if (result == 0)
        result = spawn_program(&spawn, pidp, error);
    free(argv);
    return result;
}

/* ---- Signals ---- */

static volatile pid_t receiver; /* to which signals are passed on */

/* A signal that a person sends to this process alone, as kill does, is meant for the program: pass it on, so that
 * the trace is completed. Signals from a terminal reach the program by themselves. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    int saved = errno;

    (void)context;
    if (info->si_code <= 0 && receiver > 0)
        kill(receiver, number);
    errno = saved;
}

static void pass_signals_on(pid_t pid)
{
    struct sigaction action = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART};

    receiver = pid;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    sigaction(SIGQUIT, &action, NULL);
}

static int judge_end(const char *program, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return EXIT_YES;
    if (WIFEXITED(status))
        fprintf(stderr, "selfpage: %s ended with status %d\n", program, WEXITSTATUS(status));
    else
        fprintf(stderr, "selfpage: %s was ended by signal %d (%s)\n", program, WTERMSIG(status),
                strsignal(WTERMSIG(status)));
    return EXIT_NO;
}

static void summarise(const struct record_options *command, const struct copy_counts *counts)
{
    if (!command->copy.quiet)
        fprintf(stderr, "selfpage: %llu references, %llu bytes: %s\n",
                (unsigned long long)counts->references, (unsigned long long)counts->bytes,
                command->copy.path);
}

/* ---- The trace ---- */

/* The trace ends when the program does, though its children may still hold the pipe. */
static int read_and_write(const struct record_options *command, int fd, int ended,
                          struct copy_counts *counts, struct sp_error *error)
{
    const struct source_origin origin = {.fd = fd, .until = ended, .name = command->program[0]};
    struct trace trace;
    int result = trace_open_source(&trace, &origin, &command->trace, error);

    if (result == 0)
        result = copy_run(&trace, &command->copy, counts, error);
    trace_fini(&trace);
    return result;
}

/* Read what the program writes to `fd` until it has ended. */
static int watch(const struct record_options *command, int fd, pid_t pid,
                 struct copy_counts *counts, struct sp_error *error)
{
    int ended = pidfd_open(pid, 0), result;

    if (ended < 0)
        return error_set(error, errno, "cannot watch the program: %s", strerror(errno));
    pass_signals_on(pid);
    result = read_and_write(command, fd, ended, counts, error);
    close(ended);
    return result;
}

static int record(const struct record_options *command)
{
    struct copy_counts counts = {0};
    struct sp_error error = {0};
    int ends[2], status, result;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0) {
        error_set(&error, errno, "cannot make a pipe: %s", strerror(errno));
        return commands_cannot(&error);
    }
    result = start(command, ends[1], &pid, &error);
    if (result != 0) {
        close(ends[0]);
        close(ends[1]);
        return commands_cannot(&error);
    }
    result = watch(command, ends[0], pid, &counts, &error);
    close(ends[0]);
    close(ends[1]);
    if (result != 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return EXIT_CANNOT;
    receiver = 0;
    if (result == 0 && counts.references == 0)
        result = error_set(&error, ENOEXEC, "%s made no reference: valgrind could not run it",
                           command->program[0]);
    if (result != 0)
        return commands_cannot(&error);
    summarise(command, &counts);
    return judge_end(command->program[0], status);
}

/* ---- The command line ---- */

static int source_take(void *arg, const char *name, const char *text, struct sp_error *error)
{
    struct record_options *command = arg;

    (void)text;
    if (strcmp(command->trace.format, "lackey") != 0)
        return error_set(error, EINVAL, "--data and --code: one of them, once");
    command->trace.format = strcmp(name, "data") == 0 ? "lackey:data" : "lackey:code";
    return 0;
}

static int program_take(void *arg, char **word, struct sp_error *error)
{
    struct record_options *command = arg;

    (void)error;
    command->program = word;
    while (word[command->arguments] != NULL)
        command->arguments++;
    return 0;
}

/* What can be said before the program runs. */
static int settle(struct record_options *command, struct sp_error *error)
{
    const char *slash = strrchr(command->program[0], '/');
    struct trace_output_choice choice;
    int result;

    if (command->copy.path == NULL) {
        snprintf(command->path, sizeof(command->path), "%s.sptrace.zst",
                 slash != NULL ? slash + 1 : command->program[0]);
        command->copy.path = command->path;
    }
    result = trace_output_choose(command->copy.format, command->copy.path, &choice, error);
    if (result == 0 && trace_output_needs_future(&choice))
        result = error_set(error, EINVAL,
                           "oracleGeneral tells of next references, which are not known while they "
                           "are made: record in another format, then use selfpage convert");
    return result;
}

static int check(void *options, struct sp_error *error)
{
    return settle(options, error);
}

#define FIELD(name) offsetof(struct record_options, name)

static const struct option_row rows[] = {
    {"output", OPTION_TEXT, FIELD(copy.path), .letter = 'o', .value = "OUT",
     .help = "where to (PROGRAM.sptrace.zst); - is standard output"},
    {"format", OPTION_TEXT, FIELD(copy.format), .value = "FORMAT",
     .help = "native, csv or text (by OUT's name). Compressed if that ends in .zst, .gz, .xz, "
             ".bz2 or .lz4"},
    {"page-size", OPTION_U32, FIELD(trace.page_size), 1, TRACE_PAGE_SIZE_MOST, .value = "BYTES",
     .help = "size of a page, a power of two (4096)"},
    {"data", OPTION_CALL_FLAG, .take = source_take, .help = "only loads and stores"},
    {"code", OPTION_CALL_FLAG, .take = source_take, .help = "only instructions"},
    {"merge", OPTION_FLAG, FIELD(copy.merge),
     .help = "consecutive references to one page become one, a write if any was"},
    {"quiet", OPTION_FLAG, FIELD(copy.quiet), .help = "no progress line, no summary"},
};

static const struct options_syntax syntax = {
    .program = "selfpage record",
    .usage = "[options] -- PROGRAM [ARGUMENT...]",
    .about = about,
    .exit_statuses = "0 done; 1 done, but the program failed (a message says how); 2 nothing "
                     "was recorded.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .operands = "PROGRAM",
    .least = 1,
    .operand = program_take,
    .rest = true,
    .check = check,
};

int record_command(int argc, char **argv)
{
    struct record_options command = {.trace = {.format = "lackey"},
                                     .copy = {.what = "recording", .not_empty = true}};
    struct sp_error error = {0};

    switch (options_parse(argc, argv, &syntax, &command, &error)) {
    case OPTIONS_EXIT:
        return EXIT_YES;
    case OPTIONS_BAD:
        return commands_cannot(&error);
    case OPTIONS_RUN:
        break;
    }
    return record(&command);
}
