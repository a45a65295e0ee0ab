/* Selfpage's swap beside the kernel's. */
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/random.h"
#include "kernel_swap_group.h"
#include "kernel_swap_load.h"
#include "launch/child.h"
#include "launch/spawn.h"

static const struct bench_about about = {
    .name = "bench_kernel_swap",
    .claim = "paging four times the memory takes at most 1.0 times what the kernel's swap takes at "
             "random, 0.5 in scans, 0.9 skewed",
    .subject = "selfpage",
    .baseline = "kernel",
    .unit = "ns a reference",
    .details =
        "Both sides refer to 256 MiB with 64 MiB of memory, one word of a page at a time, in a\n"
        "process of their own:\n"
        "  selfpage: a task with a guarantee of 16,384 frames (policy sieve, or what SELFPAGE_POLICY\n"
        "            names), physmem, and swap on a file past the page cache (O_DIRECT, its default);\n"
        "  kernel:   anonymous memory in a memory control group of 64 MiB, and 2 MiB more for what\n"
        "            else the process needs, and a swap file.\n"
        "Both files lie in --directory (default: /var/tmp); nothing is pinned. Each value is checked\n"
        "when it is read, and at the end all bytes of both sides are compared. The kernel's side\n"
        "needs root. Without it there is no such comparison, and a note says so; the baseline is then\n"
        "the least that the file itself takes: one direct read of 4 KiB for each reference (random,\n"
        "skewed), or of 32 KiB for each eighth (scan).",
    .rounds = 5,
    .anywhere = true,
};

#define PAGES        65536u
#define FRAMES       16384u
#define SMOKE_PAGES  2048u
#define SMOKE_FRAMES 512u
#define REFERENCES   65536u
#define AT_RANDOM    4096u
#define OWN_BYTES    (2u << 20)
#define POLICY                                                                                     \
    "sieve" /* of those that keep well what is referenced often, the one that costs least live */
#define FLOOR_READS 1000u
#define FLOOR_PAGES 8u

/* A process that has one side's memory, and does what it is told. */
struct side {
    struct bench *bench;
    const struct kernel_swap_group *group; /* NULL: it is Selfpage's */
    uint32_t pages, frames;
    pid_t pid;
    int fd; /* ours */
    int theirs;
};

/* Sent instead of a round: compare, and end. */
#define LOAD_END UINT32_MAX

/* ---- In the process ---- */

/* The eviction policy: a program chooses it here; the kernel has one for all. */
static const char *policy(void)
{
    const char *wanted = getenv("SELFPAGE_POLICY");

    return wanted != NULL && wanted[0] != '\0' ? wanted : POLICY;
}

static void side_memory(struct side *side, struct load *load)
{
    size_t bytes = (size_t)side->pages * SP_PAGE_SIZE;
    struct sp_error error;
    char contract[64];

    *load = (struct load){.pages = side->pages};
    if (side->group == NULL) {
        snprintf(contract, sizeof(contract), "guaranteed=%u", side->frames);
        load->task = bench_attach(
            side->bench, (struct sp_attach_options){.contract = contract, .policy = policy()});
        load->base = bench_region(side->bench, load->task,
                                  &(struct sp_region_options){.pages = side->pages});
        return;
    }
    if (kernel_swap_group_join(side->group, &error) < 0)
        bench_fail(side->bench, "%s", error.text);
    load->base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (load->base == MAP_FAILED)
        bench_fail(side->bench, "no memory: %s", strerror(errno));
    (void)madvise(load->base, bytes, MADV_NOHUGEPAGE); /* a kernel without them refuses: fine */
}

/* How much of what came back from swap the task read by itself, without the server. */
static double share_loaded_itself(const struct load *load)
{
    struct sp_stats stats;

    if (load->task == NULL)
        return 0;
    sp_get_stats(load->task, &stats);
    return stats.swapped_in > 0 ? (double)stats.loaded_itself / (double)stats.swapped_in : 0;
}

static int side_main(void *arg)
{
    struct side *side = arg;
    const char *who = side->group == NULL ? "selfpage" : "kernel";
    struct load_round round;
    struct load load;
    double value = 0;

    close(side->fd);
    side_memory(side, &load);
    if (!kernel_swap_load_fill(&load))
        bench_fail(side->bench, "no memory");
    while (write(side->theirs, &value, sizeof(value)) == sizeof(value)) {
        if (read(side->theirs, &round, sizeof(round)) != sizeof(round))
            return 2;
        if (round.order == LOAD_END)
            break;
        value = kernel_swap_load_run(&load, &round);
        if (value < 0)
            bench_fail(side->bench, "%s: a page does not hold what was written to it", who);
    }
    if (!kernel_swap_load_compare(&load))
        bench_fail(side->bench, "%s: the data are wrong at the end", who);
    value = share_loaded_itself(&load);
    if (write(side->theirs, &value, sizeof(value)) != sizeof(value))
        return 2;
    if (load.task != NULL)
        sp_detach(&load.task);
    free(load.version);
    return 0;
}

/* ---- In the benchmark ---- */

static double side_answer(const struct side *side)
{
    double value;

    if (read(side->fd, &value, sizeof(value)) != sizeof(value))
        bench_fail(side->bench, "%s: its process has ended early",
                   side->group == NULL ? "selfpage" : "kernel");
    return value;
}

static void side_start(struct side *side)
{
    struct spawn spawn = {SPAWN_DEFAULTS};
    struct sp_error error;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        bench_fail(side->bench, "socketpair: %s", strerror(errno));
    side->fd = ends[0];
    side->theirs = ends[1];
    fflush(stdout);
    if (spawn_function(&spawn, side_main, side, &side->pid, &error) != 0)
        bench_fail(side->bench, "%s", error.text);
    close(side->theirs);
    side_answer(side);
}

static double side_run(const struct side *side, const struct load_round *round)
{
    if (write(side->fd, round, sizeof(*round)) != sizeof(*round))
        bench_fail(side->bench, "a side's process is gone");
    return side_answer(side);
}

/* Returns the share of its loads that its task has done by itself. */
static double side_end(struct side *side)
{
    const struct load_round end = {.order = LOAD_END};
    double itself;
    int status = 0;

    if (write(side->fd, &end, sizeof(end)) != sizeof(end))
        bench_fail(side->bench, "a side's process is gone");
    itself = side_answer(side);
    if (waitpid(side->pid, &status, 0) != side->pid || !WIFEXITED(status) ||
        WEXITSTATUS(status) != 0)
        bench_fail(side->bench, "%s: the comparison at the end failed",
                   side->group == NULL ? "selfpage" : "kernel");
    close(side->fd);
    return itself;
}

/* What reading the same amount of a file takes, without anything else. */
struct floor {
    int fd;
    uint32_t pages;
    unsigned char *buffer;
};

static void floor_open(struct bench *bench, struct floor *floor, const char *place, uint32_t pages)
{
    char path[BENCH_PATH];

    snprintf(path, sizeof(path), "%.3000s/selfpage-bench-%d.floor", place, (int)getpid());
    floor->pages = pages;
    floor->buffer = aligned_alloc(SP_PAGE_SIZE, FLOOR_PAGES * SP_PAGE_SIZE);
    /* A smoke test runs where there is no disk, too. */
    floor->fd =
        open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | (bench->smoke ? 0 : O_DIRECT), 0600);
    if (floor->fd < 0 || unlink(path) != 0 || floor->buffer == NULL)
        bench_fail(bench, "%s: %s (is there a file system that takes O_DIRECT? See --directory)",
                   path, strerror(errno));
    memset(floor->buffer, 1, FLOOR_PAGES * SP_PAGE_SIZE);
    for (uint32_t page = 0; page < pages; page += FLOOR_PAGES)
        if (pwrite(floor->fd, floor->buffer, FLOOR_PAGES * SP_PAGE_SIZE,
                   (off_t)page * SP_PAGE_SIZE) < 0)
            bench_fail(bench, "%s: %s", path, strerror(errno));
}

static double floor_run(struct bench *bench, const struct floor *floor,
                        const struct load_round *round)
{
    uint32_t pages = round->order == LOAD_SCAN ? FLOOR_PAGES : 1;
    struct random_source random = random_seeded(1);
    struct timespec begin, end;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (uint32_t i = 0; i < FLOOR_READS; i++) {
        uint32_t page = round->order == LOAD_SCAN ? i * pages % floor->pages
                                                  : random_below(&random, floor->pages);

        if (pread(floor->fd, floor->buffer, (size_t)pages * SP_PAGE_SIZE,
                  (off_t)page * SP_PAGE_SIZE) != (ssize_t)((size_t)pages * SP_PAGE_SIZE))
            bench_fail(bench, "cannot read: %s", strerror(errno));
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    return ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) /
           FLOOR_READS / pages;
}

/* ---- */

#define KINDS (3u * 2u * LOAD_THREADS)

static struct load_round kind(const struct bench *bench, unsigned number)
{
    static const uint32_t orders[] = {LOAD_SCAN, LOAD_RANDOM, LOAD_SKEWED};
    struct load_round round = {.order = orders[number / (2 * LOAD_THREADS)],
                               .threads = 1 + number % LOAD_THREADS,
                               .writes = number / LOAD_THREADS % 2 != 0};

    round.references = round.order == LOAD_RANDOM ? bench_scale(bench, AT_RANDOM, 512)
                                                  : bench_scale(bench, REFERENCES, SMOKE_PAGES);
    return round;
}

/* NULL: it was not asked for. */
static struct bench_row *row_for(struct bench *bench, const struct load_round *round, bool judged)
{
    char name[BENCH_NAME];

    static const char *const names[] = {"random", "scan", "skewed"};
    static const double limits[] = {1.0, 0.5, 0.9};

    snprintf(name, sizeof(name), "%s, %s, %u thread%s", names[round->order],
             round->writes ? "a quarter writes" : "reads", round->threads,
             round->threads > 1 ? "s" : "");
    return bench_wants(bench, name)
               ? bench_row(bench, judged ? limits[round->order] : BENCH_NO_LIMIT, "%s", name)
               : NULL;
}

static void measure(struct bench *bench, const struct side *subject, const struct side *kernel,
                    const struct floor *floor)
{
    for (unsigned i = 0; i < KINDS; i++) {
        struct load_round round = kind(bench, i);
        struct bench_row *row = row_for(bench, &round, kernel != NULL);

        if (row == NULL)
            continue;
        /* Once without measuring: then both sides have in memory what these references leave there. */
        side_run(subject, &round);
        if (kernel != NULL)
            side_run(kernel, &round);
        for (unsigned n = 0; n < bench->rounds; n++) {
            double value = side_run(subject, &round);

            bench_round(bench, row, value,
                        kernel != NULL ? side_run(kernel, &round)
                                       : floor_run(bench, floor, &round));
        }
    }
}

int main(int argc, char **argv)
{
    struct kernel_swap_group group;
    struct side subject, kernel;
    struct floor floor = {.fd = -1};
    struct sp_error error;
    struct bench bench;
    bool has_kernel;

    bench_init(&bench, &about, argc, argv);
    if (bench.file_directory == NULL)
        bench.file_directory = "/var/tmp";
    subject = (struct side){.bench = &bench,
                            .pages = bench_scale(&bench, PAGES, SMOKE_PAGES),
                            .frames = bench_scale(&bench, FRAMES, SMOKE_FRAMES)};
    /* A smoke test changes nothing outside of its own files. */
    has_kernel = !bench.smoke &&
                 kernel_swap_group_make(&group, bench.file_directory,
                                        (size_t)FRAMES * SP_PAGE_SIZE + OWN_BYTES,
                                        (size_t)(PAGES + FRAMES) * SP_PAGE_SIZE, &error) == 0;
    bench_start_physmem(&bench, subject.frames + 256);
    if (bench.smoke)
        bench_start_swap(&bench, 2 * subject.pages);
    else
        bench_start_swap_direct(&bench, 2 * subject.pages);
    side_start(&subject);
    if (has_kernel) {
        kernel = subject;
        kernel.group = &group;
        side_start(&kernel);
    } else {
        bench_note(&bench,
                   "NOT compared with the kernel's swap, but with bare reads of the file: %s",
                   bench.smoke ? "this is --smoke" : error.text);
        floor_open(&bench, &floor, bench.file_directory, subject.pages);
    }
    measure(&bench, &subject, has_kernel ? &kernel : NULL, &floor);
    if (bench.rows == 0)
        bench_fail(&bench, "--only %s: no row has this in its name", bench.only);
    bench_threads(&bench, "swap", bench.swap.pid);
    bench_note(&bench,
               "the task itself has read %.1f %% of what came back from swap, the server the rest",
               100 * side_end(&subject));
    if (has_kernel) {
        side_end(&kernel);
        kernel_swap_group_end(&group);
    } else {
        close(floor.fd);
        free(floor.buffer);
    }
    bench_note(&bench, "the task evicts by %s; files in %s; all data of all sides compared",
               policy(), bench.file_directory);
    return bench_finish(&bench);
}
