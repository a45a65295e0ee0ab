/* Options, pinning and rounds. */
#include "common.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "launch/gnuplot.h"
#include "os/options.h"

#define ROUNDS_MOST 10001u

/* Enough with --smoke, which checks that all of it works. */
#define SMOKE_ROUNDS 2u

void bench_fail(const struct bench *bench, const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "%s: ", bench->about->name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(2);
}

void bench_note(struct bench *bench, const char *format, ...)
{
    va_list arguments;

    if (bench->notes == BENCH_NOTES)
        return;
    va_start(arguments, format);
    vsnprintf(bench->note[bench->notes++], BENCH_NOTE, format, arguments);
    va_end(arguments);
}

/* ---- Options ---- */

static int take_cores(void *bench, const char *name, const char *text, struct sp_error *error)
{
    bool different = strcmp(text, "different") == 0;

    if (!different && strcmp(text, "same") != 0)
        return error_set(error, EINVAL, "--%s: '%s' is neither same nor different", name, text);
    ((struct bench *)bench)->different = different;
    return 0;
}

static int take_picture(void *bench, const char *name, const char *text, struct sp_error *error)
{
    struct sp_error why = {0};
    int code = gnuplot_check(text, &(struct gnuplot_look){0}, &why);

    if (code != 0)
        return error_set(error, -code, "--%s %s", name, why.text);
    ((struct bench *)bench)->picture = text;
    return 0;
}

#define FIELD(name) offsetof(struct bench, name)

static const struct option_row rows[] = {
    {"cores", OPTION_CALL, .take = take_cores, .value = "same|different",
     .help =
         "All on one core (same), or the measuring thread on one and servers, peers and handler "
         "threads on another."},
    {"rounds", OPTION_U32, FIELD(rounds), 1, ROUNDS_MOST, .value = "N",
     .help = "Rounds, each of which measures both sides."},
    {"directory", OPTION_TEXT, FIELD(file_directory), .value = "DIR",
     .help = "For files, where there are any (/dev/shm)."},
    {"only", OPTION_TEXT, FIELD(only), .value = "TEXT",
     .help =
         "Rows whose names contain TEXT (bench_kernel_swap, bench_swap_fio), or their group (bench_containers)."},
    {"picture", OPTION_CALL, .take = take_picture, .value = "FILE",
     .help = "Draw the ratios as bars (.svg, .png, .pdf or .eps; needs gnuplot)."},
    {"json", OPTION_FLAG, FIELD(json), .help = "Print one JSON object."},
    {"smoke", OPTION_FLAG, FIELD(smoke),
     .help = "A few small rounds: does it work? Nothing is judged."},
};

/* Read the options, or end the program. */
static void read_options(struct bench *bench, int argc, char **argv)
{
    char about[2048], notes[64];
    struct options_syntax syntax = {
        .program = bench->about->name,
        .usage = "[options]",
        .about = about,
        .rows = rows,
        .count = sizeof(rows) / sizeof(rows[0]),
        .notes = notes,
        .exit_statuses = "0 the claim held; 1 it did not; 2 it could not be measured"};
    struct sp_error error = {0};

    snprintf(about, sizeof(about), "%s\n\n%s", bench->about->claim, bench->about->details);
    snprintf(notes, sizeof(notes), "It takes %u rounds by default.", bench->about->rounds);
    switch (options_parse(argc, argv, &syntax, bench, &error)) {
    case OPTIONS_RUN:
        return;
    case OPTIONS_EXIT:
        exit(0);
    case OPTIONS_BAD:
        bench_fail(bench, "%s", error.text);
    }
}

static void choose_cores(struct bench *bench)
{
    int found[2] = {-1, -1};
    unsigned count = 0;
    cpu_set_t allowed;

    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        bench_fail(bench, "sched_getaffinity: %s", strerror(errno));
    for (int core = 0; core < CPU_SETSIZE && count < 2; core++)
        if (CPU_ISSET(core, &allowed))
            found[count++] = core;
    if (bench->different && count < 2)
        bench_fail(bench, "--cores different needs two cores, and this process may use one");
    bench->core[0] = found[0];
    bench->core[1] = found[bench->different ? 1 : 0];
    bench->other_core = found[1];
}

void bench_init(struct bench *bench, const struct bench_about *about, int argc, char **argv)
{
    memset(bench, 0, sizeof(*bench));
    bench->about = about;
    bench->log.read = bench->log.write = -1;
    read_options(bench, argc, argv);
    if (bench->rounds == 0)
        bench->rounds = bench->smoke ? SMOKE_ROUNDS : about->rounds;
    choose_cores(bench);
    bench_pin(bench, 0);
}

unsigned bench_scale(const struct bench *bench, unsigned full, unsigned least)
{
    return bench->smoke ? least : full;
}

/* ---- Rounds ---- */

static SP_PRINTF(4, 0) struct bench_row *new_row(struct bench *bench, double limit, bool number,
                                                 const char *format, va_list arguments)
{
    struct bench_row *row = &bench->row[bench->rows];

    if (bench->rows == BENCH_ROWS)
        bench_fail(bench, "more rows than %u", BENCH_ROWS);
    vsnprintf(row->name, sizeof(row->name), format, arguments);
    row->limit = limit;
    row->number = number;
    row->subject = calloc(bench->rounds, sizeof(double));
    row->baseline = calloc(bench->rounds, sizeof(double));
    if (row->subject == NULL || row->baseline == NULL)
        bench_fail(bench, "out of memory");
    bench->rows++;
    return row;
}

struct bench_row *bench_row(struct bench *bench, double limit, const char *format, ...)
{
    struct bench_row *row;
    va_list arguments;

    va_start(arguments, format);
    row = new_row(bench, limit, false, format, arguments);
    va_end(arguments);
    return row;
}

bool bench_wants(const struct bench *bench, const char *name)
{
    return bench->only == NULL || strstr(name, bench->only) != NULL;
}

void bench_round(struct bench *bench, struct bench_row *row, double subject, double baseline)
{
    if (row->rounds == bench->rounds)
        bench_fail(bench, "more rounds of '%s' than %u", row->name, bench->rounds);
    row->subject[row->rounds] = subject;
    row->baseline[row->rounds] = baseline;
    row->rounds++;
}

void bench_number(struct bench *bench, double value, double limit, const char *format, ...)
{
    struct bench_row *row;
    va_list arguments;

    va_start(arguments, format);
    row = new_row(bench, limit, true, format, arguments);
    va_end(arguments);
    row->subject[0] = value;
    row->rounds = 1;
}

/* ---- Where things run ---- */

void bench_pin(const struct bench *bench, int which)
{
    cpu_set_t set;

    if (bench->about->anywhere)
        return;
    CPU_ZERO(&set);
    CPU_SET(bench->core[which], &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0)
        bench_fail(bench, "cannot run on core %d: %s", bench->core[which], strerror(errno));
}

/* The only core a thread may run on; -1 if there are several, or it is gone. */
static int only_core(pid_t tid)
{
    cpu_set_t set;

    if (sched_getaffinity(tid, sizeof(set), &set) != 0 || CPU_COUNT(&set) != 1)
        return -1;
    for (int core = 0; core < CPU_SETSIZE; core++)
        if (CPU_ISSET(core, &set))
            return core;
    return -1;
}

/* A thread's name, and the core it ran on last: field 39 of its stat, the name being field 2, in
 * parentheses. */
static bool read_stat(const char *path, struct bench_thread *thread)
{
    char line[1024];
    FILE *file = fopen(path, "re");
    char *field;
    size_t length;

    if (file == NULL)
        return false;
    length = fread(line, 1, sizeof(line) - 1, file);
    fclose(file);
    line[length] = '\0';
    field = strrchr(line, ')');
    if (field == NULL || strchr(line, '(') == NULL)
        return false;
    *field = '\0';
    snprintf(thread->name, sizeof(thread->name), "%s", strchr(line, '(') + 1);
    for (int number = 2; number < 39 && field != NULL; number++)
        field = strchr(field + 1, ' ');
    thread->last = field != NULL ? atoi(field + 1) : -1;
    return true;
}

void bench_threads(struct bench *bench, const char *process, pid_t pid)
{
    char path[BENCH_PATH];
    struct dirent *entry;
    DIR *tasks;

    if (pid == 0)
        pid = getpid();
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    tasks = opendir(path);
    if (tasks == NULL)
        bench_fail(bench, "cannot read %s: %s", path, strerror(errno));
    while ((entry = readdir(tasks)) != NULL && bench->threads < BENCH_THREADS) {
        struct bench_thread *thread = &bench->thread[bench->threads];

        thread->pid = pid;
        thread->tid = atoi(entry->d_name);
        snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)pid, (int)thread->tid);
        if (thread->tid == 0 || !read_stat(path, thread))
            continue;
        snprintf(thread->process, sizeof(thread->process), "%s", process);
        thread->allowed = only_core(thread->tid);
        bench->threads++;
    }
    closedir(tasks);
}
