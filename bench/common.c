/* Options, pinning and rounds. */
#include "common.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launch/gnuplot.h"

#define ROUNDS_MOST 10001u

/* Enough with --smoke, which checks that all of it works. */
#define SMOKE_ROUNDS 2u

enum option_key {
    OPTION_CORES = 256,
    OPTION_ROUNDS,
    OPTION_DIRECTORY,
    OPTION_ONLY,
    OPTION_PICTURE,
    OPTION_JSON,
    OPTION_SMOKE,
    OPTION_HELP,
};

static const struct option option_table[] = {
    {"cores", required_argument, NULL, OPTION_CORES},
    {"rounds", required_argument, NULL, OPTION_ROUNDS},
    {"directory", required_argument, NULL, OPTION_DIRECTORY},
    {"only", required_argument, NULL, OPTION_ONLY},
    {"picture", required_argument, NULL, OPTION_PICTURE},
    {"json", no_argument, NULL, OPTION_JSON},
    {"smoke", no_argument, NULL, OPTION_SMOKE},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

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

static void help(const struct bench_about *about)
{
    printf("Usage: %s [options]\n\n%s\n\n%s\n\n", about->name, about->claim, about->details);
    printf(
        "  --cores same|different  all on one core (default), or the measuring thread on one\n"
        "                          and servers, peers and handler threads on another\n"
        "  --rounds N              rounds, each of which measures both sides (default: %u)\n"
        "  --directory DIR         for files, where there are any (default: /dev/shm)\n"
        "  --only TEXT             rows whose names contain TEXT (bench_kernel_swap)\n"
        "  --picture FILE          draw the ratios as bars (.svg, .png, .pdf or .eps; needs gnuplot)\n"
        "  --json                  print one JSON object\n"
        "  --smoke                 a few small rounds: does it work? Nothing is judged\n"
        "  --help\n\n"
        "Exit status: 0 the claim held, 1 it did not, 2 it could not be measured.\n",
        about->rounds);
}

static void take_option(struct bench *bench, int key)
{
    struct sp_error error;
    unsigned long number;
    char *end;

    switch (key) {
    case OPTION_CORES:
        bench->different = strcmp(optarg, "different") == 0;
        if (!bench->different && strcmp(optarg, "same") != 0)
            bench_fail(bench, "--cores: '%s' is neither same nor different", optarg);
        break;
    case OPTION_ROUNDS:
        errno = 0;
        number = strtoul(optarg, &end, 10);
        if (*optarg < '0' || *optarg > '9' || *end != '\0' || errno != 0 || number == 0 ||
            number > ROUNDS_MOST)
            bench_fail(bench, "--rounds: '%s' is not a number from 1 to %u", optarg, ROUNDS_MOST);
        bench->rounds = (unsigned)number;
        break;
    case OPTION_DIRECTORY:
        bench->file_directory = optarg;
        break;
    case OPTION_ONLY:
        bench->only = optarg;
        break;
    case OPTION_PICTURE:
        bench->picture = optarg;
        if (gnuplot_check(optarg, &(struct gnuplot_look){0}, &error) != 0)
            bench_fail(bench, "--picture %s", error.text);
        break;
    case OPTION_JSON:
        bench->json = true;
        break;
    case OPTION_SMOKE:
        bench->smoke = true;
        break;
    case OPTION_HELP:
        help(bench->about);
        exit(0);
    default:
        exit(2); /* getopt has said why */
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
    int key;

    memset(bench, 0, sizeof(*bench));
    bench->about = about;
    bench->log.read = bench->log.write = -1;
    while ((key = getopt_long(argc, argv, "", option_table, NULL)) != -1)
        take_option(bench, key);
    if (optind < argc)
        bench_fail(bench, "unexpected argument '%s'", argv[optind]);
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
