/* What it buys a program to know how much memory it could have: a query program with enough memory;
 * with too little, dropping its indexes and making them again; and with as little, paging. */
#include "common.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "launch/program.h"
#include "launch/spawn.h"
#include "launch/strings.h"
#include "launch/child.h"

static const struct bench_about about = {
    .name = "bench_regenerate",
    .claim = "with memory for one index of four, a query program that makes indexes again takes at "
             "most 5.0 times as long as with enough memory, and at most 25 % of what paging takes",
    .subject = "too little memory",
    .baseline = "enough memory",
    .unit = "us a batch of queries",
    .details =
        "Both sides are selfpage-query, a task of its own, with physmem and swap: 16,384 queries in\n"
        "a batch, by an index, about a table of 32,768 records (1,024 pages); the column, of four,\n"
        "is another for each batch, and each column has its index (129 pages).\n"
        "  enough memory: a guarantee of table, indexes and some frames besides, 1,600;\n"
        "  regenerate:    of 1,200 frames; it sees that it could have no more, keeps one index, and\n"
        "                 drops it to make the next (--mode adapt);\n"
        "  page:          of 1,200 frames; it keeps all indexes in memory that the library pages\n"
        "                 (--mode page; policy clock).\n"
        "Swap writes and reads with O_DIRECT, its default, so that a page costs what the disk makes\n"
        "it cost; --directory says where. The answers of all three are compared.\n"
        "After V++ (Harty and Cheriton 1992), where a transaction took 43 ms, 55 ms and 575 ms.",
    .rounds = 11,
};

#define FRAMES_ENOUGH 1600u
#define FRAMES_FEW    1200u
#define SMOKE_ENOUGH  160u
#define SMOKE_FEW     100u
#define PATIENCE_MS   600000u
#define OUTPUT        1024u
#define BAR           60u

struct run {
    const char *name, *mode;
    unsigned frames;
    double *us; /* one a round */
};

static void add_variables(struct bench *bench, struct strings *variables, unsigned frames)
{
    for (char **v = environ; *v != NULL; v++)
        if (strncmp(*v, "SELFPAGE_", strlen("SELFPAGE_")) != 0)
            strings_add(variables, *v);
    strings_format(variables, "SELFPAGE_PHYSMEM=%s", bench->directory.physmem);
    strings_format(variables, "SELFPAGE_SWAP=%s", bench->directory.swap);
    strings_format(variables, "SELFPAGE_CONTRACT=guaranteed=%u", frames);
}

/* What the program prints, from a memory file. */
static void run_program(struct bench *bench, const struct run *run, char output[OUTPUT])
{
    struct spawn spawn = {SPAWN_DEFAULTS, .group = bench->guardian.group};
    struct strings argv = {0}, variables = {0};
    char path[BENCH_PATH];
    struct sp_error error;
    ssize_t length;
    int status;
    pid_t pid;

    if (program_find(NULL, "selfpage-query", path, sizeof(path), &error) != 0)
        bench_fail(bench, "%s", error.text);
    strings_add(&argv, "selfpage-query");
    strings_format(&argv, "--mode=%s", run->mode);
    strings_format(&argv, "--batches=%u", bench_scale(bench, 20, 4));
    strings_format(&argv, "--records=%u", bench_scale(bench, 32768, 2048));
    strings_format(&argv, "--queries=%u", bench_scale(bench, 16384, 200));
    add_variables(bench, &variables, run->frames);
    spawn.output = memfd_create("output", MFD_CLOEXEC);
    if (argv.failed || variables.failed || spawn.output < 0)
        bench_fail(bench, "out of memory");
    spawn.program = path;
    spawn.argv = argv.items;
    spawn.envp = variables.items;
    if (spawn_program(&spawn, &pid, &error) != 0)
        bench_fail(bench, "%s", error.text);
    if (bench->threads == 0)
        bench_threads(bench, "query", pid);
    if (child_wait(pid, PATIENCE_MS, &status) != 0 || status != 0)
        bench_fail(bench, "selfpage-query, %s, failed", run->name);
    length = pread(spawn.output, output, OUTPUT - 1, 0);
    output[length > 0 ? length : 0] = '\0';
    close(spawn.output);
    strings_fini(&argv);
    strings_fini(&variables);
}

/* The number before or after `text` in what the program printed. */
static const char *find(struct bench *bench, const char *output, const char *text)
{
    const char *found = strstr(output, text);

    if (found == NULL)
        bench_fail(bench, "selfpage-query printed nothing like '%s': %s", text, output);
    return found + strlen(text);
}

/* Measure a run. Its answers must be those of the runs before. */
static double measure(struct bench *bench, const struct run *run)
{
    static char digest[17];
    char output[OUTPUT];
    const char *answers;
    double us;

    run_program(bench, run, output);
    answers = find(bench, output, "digest ");
    if (digest[0] == '\0')
        snprintf(digest, sizeof(digest), "%s", answers);
    if (strncmp(digest, answers, strlen(digest)) != 0)
        bench_fail(bench, "%s gave other answers: %s", run->name, output);
    us = strtod(find(bench, answers, "; "), NULL);
    if (!(us > 0))
        bench_fail(bench, "%s took no time: %s", run->name, output);
    return us;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(const struct bench *bench, const struct run *run)
{
    qsort(run->us, bench->rounds, sizeof(double), compare);
    return (run->us[(bench->rounds - 1) / 2] + run->us[bench->rounds / 2]) / 2;
}

static void add_bar(struct bench *bench, const struct run *run, double us, double longest)
{
    unsigned length = (unsigned)(us / longest * BAR + 0.5);

    bench_note(bench, "%-14s %4u frames  %.*s%s %.0f us", run->name, run->frames,
               (int)(length > 0 ? length : 1),
               "############################################################", "", us);
}

int main(int argc, char **argv)
{
    struct run runs[] = {{.name = "enough memory", .mode = "page"},
                         {.name = "regenerate", .mode = "adapt"},
                         {.name = "page", .mode = "page"}};
    struct bench_row *regenerate, *page;
    struct bench bench;
    double us[3];

    bench_init(&bench, &about, argc, argv);
    if (bench.file_directory == NULL)
        bench.file_directory = getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/var/tmp";
    bench_start_physmem(&bench, 2 * FRAMES_ENOUGH);
    bench_start_swap_direct(&bench, 2 * FRAMES_ENOUGH);
    for (unsigned i = 0; i < 3; i++) {
        runs[i].frames = i == 0 ? bench_scale(&bench, FRAMES_ENOUGH, SMOKE_ENOUGH)
                                : bench_scale(&bench, FRAMES_FEW, SMOKE_FEW);
        runs[i].us = calloc(bench.rounds, sizeof(double));
        if (runs[i].us == NULL)
            bench_fail(&bench, "out of memory");
    }
    regenerate = bench_row(&bench, 5.0, "regenerate");
    page = bench_row(&bench, BENCH_NO_LIMIT, "page");
    for (unsigned round = 0; round < bench.rounds; round++) {
        for (unsigned i = 0; i < 3; i++)
            runs[i].us[round] = measure(&bench, &runs[i]);
        bench_round(&bench, regenerate, runs[1].us[round], runs[0].us[round]);
        bench_round(&bench, page, runs[2].us[round], runs[0].us[round]);
    }
    for (unsigned i = 0; i < 3; i++) {
        us[i] = median(&bench, &runs[i]);
        free(runs[i].us);
    }
    bench_number(&bench, 100 * us[1] / us[2], 25, "regenerate, percent of page");
    for (unsigned i = 0; i < 3; i++)
        add_bar(&bench, &runs[i], us[i], us[2] > us[1] ? us[2] : us[1]);
    bench_note(&bench, "swap with O_DIRECT in %s", bench.file_directory);
    bench_threads(&bench, "physmem", bench.physmem.pid);
    bench_threads(&bench, "swap", bench.swap.pid);
    return bench_finish(&bench);
}
