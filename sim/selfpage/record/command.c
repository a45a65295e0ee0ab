/* `selfpage record`: what an unmodified program refers to, as Valgrind's tool lackey sees it (images.h), or by its faults
 * (tracer.h). */
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
#include "launch/passing.h"
#include "launch/spawn.h"
#include "os/options.h"
#include "selfpage/command/commands.h"
#include "selfpage/record/tracer.h"
#include "selfpage/record/images.h"
#include "selfpage/record/record.h"
#include "selfpage/trace/copy.h"

#define ARGUMENTS_OURS 9u
#define PATH_LONGEST   4095u

static const char about[] =
    "Run a program, unmodified, under Valgrind's tool lackey, or faster by its faults (--fast), and write down\n"
    "which pages it refers to. Its input, output and errors are its own. Under Valgrind it runs some hundred times as\n"
    "long as alone.\n";

static const char notes[] =
    "Programs that it starts, and processes that it forks, are recorded with it, as long as it runs itself:\n"
    "each is a task with pages of its own, as in a trace of selfpage interleave: the upper 16 bits of an id\n"
    "say which one, from 0, in the order in which they began. Programs that run at a time take turns. Two\n"
    "tasks share no page, not even one that a fork or a file let them share.\n"
    "\n"
    "--fast needs no Valgrind, and takes a small part of its time. It traces the program (ptrace), closes all of its\n"
    "pages but a window of those that were opened last, and records the faults of all others; what system calls read and\n"
    "write counts, too. It loses references to the pages of the window; to the first stack, but for its end when the\n"
    "program stops anyway; and what other threads do during a system call that it does not know. Misses at N frames are\n"
    "then about those that the whole trace has at N frames less or more by the window, so that N should be several times\n"
    "as much; a smaller --window loses less and takes longer. Where an instruction writes to a page that another one has\n"
    "opened, the write is a reference of its own. --fast records programs of 64 bits on x86-64, where ptrace(2) is allowed.\n"
    "Linux has no other way to see reads of private memory: userfaultfd's minor faults are for shared memory, and its\n"
    "write protection, as PAGEMAP_SCAN and soft-dirty bits, sees writes alone.\n"
    "\n"
    "What Valgrind prints lies in a folder in $TMPDIR, or in /tmp, until it has been read, some megabytes at a time.\n"
    "\n"
    "Example:\n"
    "  selfpage record -o build.sptrace.zst --merge -- make\n";

struct record_options {
    struct trace_options trace;
    struct copy_options copy;
    bool alone;
    bool fast;
    enum blinds_what what; /* of fast */
    uint32_t window;       /* 0: as usual */
    char **program;        /* and its arguments, NULL-terminated */
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

/* Start the program, which finds no descriptor of this process: Valgrind moves what it opens out of the way of the program's
 * own. */
static int start(const struct record_options *command, const char *folder, pid_t *pidp,
                 struct sp_error *error)
{
    char path[PATH_LONGEST + 1], log_option[PATH_LONGEST + 1];
    char **argv = calloc(command->arguments + ARGUMENTS_OURS, sizeof(*argv));
    char *const ours[] = {"valgrind",
                          "-q",
                          "--tool=lackey",
                          "--trace-mem=yes",
                          "--basic-counts=no",
                          command->alone ? "--trace-children=no" : "--trace-children=yes",
                          command->alone ? "--child-silent-after-fork=yes"
                                         : "--child-silent-after-fork=no",
                          log_option};
    size_t count = sizeof(ours) / sizeof(ours[0]);
    struct spawn spawn = {SPAWN_DEFAULTS, .program = path, .argv = argv, .inherits = true};
    int result = find_valgrind(path, sizeof(path), error);

    _Static_assert(sizeof(ours) / sizeof(ours[0]) < ARGUMENTS_OURS, "one is left for NULL");
    if (argv == NULL)
        return error_set(error, ENOMEM, "no memory for the arguments");
    snprintf(log_option, sizeof(log_option), "--log-file=%s/%%p", folder);
    memcpy(argv, ours, sizeof(ours));
    memcpy(argv + count, command->program, command->arguments * sizeof(*argv));
    spawn.input = STDIN_FILENO;
    if (result == 0)
        result = spawn_program(&spawn, pidp, error);
    free(argv);
    return result;
}

/* ---- Its end ---- */

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

/* Write what is read, until the program has ended, though those that it started may go on. */
static int read_and_write(const struct record_options *command, const struct copy_from *from,
                          struct copy_counts *counts, struct sp_error *error)
{
    /* What is copied has the name and the pages of a trace without lines. */
    const struct source_origin origin = {.bytes = "", .name = command->program[0]};
    struct copy_options copy = command->copy;
    struct trace trace;
    int result = trace_open_source(&trace, &origin, &command->trace, error);

    copy.from = from;
    if (result == 0)
        result = copy_run(&trace, &copy, counts, error);
    trace_fini(&trace);
    return result;
}

static int watch(const struct record_options *command, struct images *images, pid_t pid,
                 struct copy_counts *counts, struct sp_error *error)
{
    const struct copy_from from = {.read = images_read, .context = images};
    int result;

    images->ended = pidfd_open(pid, 0);
    if (images->ended < 0)
        return error_set(error, errno, "cannot watch the program: %s", strerror(errno));
    passing_to(pid);
    result = read_and_write(command, &from, counts, error);
    close(images->ended);
    return result;
}

/* Run the program, and write what it refers to. Returns 0 and how it ended, or a negative errno. */
static int run(const struct record_options *command, struct images *images,
               struct copy_counts *counts, int *status, struct sp_error *error)
{
    pid_t pid;
    int result = start(command, images->folder, &pid, error), waited;

    if (result != 0)
        return result;
    result = watch(command, images, pid, counts, error);
    if (result != 0)
        images_signal(images, SIGKILL);
    if (result != 0)
        kill(pid, SIGKILL);
    waited = passing_wait(pid, status);
    if (waited != 0)
        return error_set(error, -waited, "cannot wait for the program: %s", strerror(-waited));
    if (result == 0 && counts->references == 0)
        result = error_set(error, ENOEXEC, "%s made no reference: valgrind could not run it",
                           command->program[0]);
    return result;
}

static int record_slowly(const struct record_options *command, struct copy_counts *counts,
                         int *status, struct sp_error *error)
{
    struct images images;
    int result = images_init(&images, &command->trace, error);

    if (result == 0)
        result = run(command, &images, counts, status, error);
    images_fini(&images);
    return result;
}

static int record_fast(const struct record_options *command, struct copy_counts *counts,
                       int *status, struct sp_error *error)
{
    struct tracer tracer = {.window = command->window != 0 ? command->window : TRACER_WINDOW,
                            .page_size = command->trace.page_size != 0 ? command->trace.page_size
                                                                       : BLINDS_PAGE,
                            .what = command->what,
                            .one = command->alone};
    const struct copy_from from = {.read = tracer_read, .context = &tracer};
    int result = tracer_start(&tracer, command->program, error);

    if (result == 0) {
        passing_to(tracer.root);
        result = read_and_write(command, &from, counts, error);
    }
    tracer_fini(&tracer);
    passing_to_nobody();
    *status = tracer.status;
    if (result == 0 && counts->references == 0)
        result =
            error_set(error, ENOEXEC, "%s made no reference: --fast records programs of 64 bits",
                      command->program[0]);
    return result;
}

static int record(const struct record_options *command)
{
    struct copy_counts counts = {0};
    struct sp_error error = {0};
    int status = 0;
    int result;

    passing_hold();
    result = command->fast ? record_fast(command, &counts, &status, &error)
                           : record_slowly(command, &counts, &status, &error);
    passing_end();
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
    command->what = strcmp(name, "data") == 0 ? BLINDS_DATA : BLINDS_CODE;
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

    if (command->window != 0 && !command->fast)
        return error_set(error, EINVAL, "--window is of --fast: without it no reference is lost");
    if (command->fast && command->trace.page_size != 0 && command->trace.page_size < BLINDS_PAGE)
        return error_set(error, EINVAL,
                         "--fast sees pages of the machine: --page-size is at least %u",
                         BLINDS_PAGE);
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
     .help = "the file to write (PROGRAM.sptrace.zst); - is standard output"},
    {"format", OPTION_TEXT, FIELD(copy.format), .value = "FORMAT",
     .help =
         "format: native, csv or text (by OUT's name). OUT is compressed if its name ends in .zst, .gz, .xz, "
         ".bz2 or .lz4"},
    {"page-size", OPTION_U32, FIELD(trace.page_size), 1, TRACE_PAGE_SIZE_MOST, .value = "BYTES",
     .help = "size of a page, a power of two (4096)"},
    {"data", OPTION_CALL_FLAG, .take = source_take, .help = "only loads and stores"},
    {"code", OPTION_CALL_FLAG, .take = source_take, .help = "only instructions"},
    {"merge", OPTION_FLAG, FIELD(copy.merge),
     .help = "consecutive references to one page become one, a write if any was"},
    {"fast", OPTION_FLAG, FIELD(fast),
     .help =
         "without Valgrind: the program's pages are closed but for a window of those referenced last, "
         "and each reference to a closed one is a fault that is recorded"},
    {"window", OPTION_U32, FIELD(window), TRACER_WINDOW_LEAST, TRACER_WINDOW_MOST, .value = "PAGES",
     .help = "with --fast: pages that are open (64)"},
    {"alone", OPTION_FLAG, FIELD(alone), .help = "do not record what the program starts and forks"},
    {"quiet", OPTION_FLAG, FIELD(copy.quiet), .help = "no progress line, no summary"},
};

static const struct options_syntax syntax = {
    .program = "selfpage record",
    .usage = "[options] -- PROGRAM [ARGUMENT...]",
    .about = about,
    .notes = notes,
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
    int verdict;

    verdict = commands_options(argc, argv, &syntax, &command);
    if (verdict >= 0)
        return verdict;
    return record(&command);
}
