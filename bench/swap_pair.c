/* Two tasks that page at the same time, beside two processes that read the disk at the same time. */
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/random.h"
#include "os/clock.h"

static const struct bench_about about = {
    .name = "bench_swap_pair",
    .claim =
        "of two tasks that page at once each loses at most 1.1 times what two readers of the disk "
        "lose",
    .subject = "tasks",
    .baseline = "readers",
    .unit = "% of the time alone",
    .details =
        "Subject: a task with 512 frames touches pages of 4,096 in swap at random, alone, and beside\n"
        "another one that does the same: how many times as long the slower of both takes then.\n"
        "Baseline: a process that reads pages of 4 KiB at random from a file of that size, alone, and\n"
        "beside another one with a file of its own. Both go around the page cache where the file\n"
        "system can, in --directory (/var/tmp).",
    .rounds = 11,
    .anywhere = true,
};

#define PAGES    4096u
#define CONTRACT "guaranteed=512"

/* A process that does its work when it is asked, and says how long that took. */
struct worker {
    pid_t pid;
    int to, from;
};

struct work {
    struct random_source random;
    int file;            /* of a reader */
    unsigned char *base; /* of a task */
    unsigned char *page;
};

static uint64_t touch(struct work *work, uint32_t count)
{
    uint64_t start = clock_now_ns();

    for (uint32_t i = 0; i < count; i++)
        (void)*(volatile unsigned char *)(work->base + (size_t)random_below(&work->random, PAGES) *
                                                           SP_PAGE_SIZE);
    return clock_now_ns() - start;
}

static uint64_t read_file(struct work *work, uint32_t count)
{
    uint64_t start = clock_now_ns();

    for (uint32_t i = 0; i < count; i++)
        if (pread(work->file, work->page, SP_PAGE_SIZE,
                  (off_t)random_below(&work->random, PAGES) * SP_PAGE_SIZE) !=
            (ssize_t)SP_PAGE_SIZE)
            _exit(2);
    return clock_now_ns() - start;
}

/* ---- Processes ---- */

static void prepare_task(struct bench *bench, struct work *work, unsigned number)
{
    static const char *const names[] = {"first", "second"};
    struct sp_task *task = bench_attach(
        bench, (struct sp_attach_options){.name = names[number], .contract = CONTRACT});

    work->base =
        bench_region(bench, task, &(struct sp_region_options){.pages = PAGES, .kind = SP_PRECIOUS});
    for (uint32_t i = 0; i < PAGES; i++)
        memset(work->base + (size_t)i * SP_PAGE_SIZE, (int)(1 + i % 255), SP_PAGE_SIZE);
}

static void prepare_reader(struct bench *bench, struct work *work, unsigned number)
{
    const char *directory = bench->file_directory != NULL ? bench->file_directory : "/var/tmp";
    char path[BENCH_PATH];
    int plain;

    snprintf(path, sizeof(path), "%.3000s/selfpage-bench-%d-%u.img", directory, (int)getpid(),
             number);
    plain = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    work->file = plain < 0 ? -1 : open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
    if (work->file < 0)
        work->file = plain;
    if (plain < 0 || unlink(path) != 0 ||
        posix_memalign((void **)&work->page, SP_PAGE_SIZE, SP_PAGE_SIZE) != 0)
        bench_fail(bench, "%s: %s", path, strerror(errno));
    for (uint32_t i = 0; i < PAGES; i++) {
        memset(work->page, (int)(1 + i % 255), SP_PAGE_SIZE);
        if (pwrite(work->file, work->page, SP_PAGE_SIZE, (off_t)i * SP_PAGE_SIZE) !=
            (ssize_t)SP_PAGE_SIZE)
            bench_fail(bench, "%s: %s", path, strerror(errno));
    }
    fsync(plain);
}

/* In the child: 0 asks whether it is ready. */
static _Noreturn void serve(struct bench *bench, bool task, unsigned number, int from, int to)
{
    struct work work = {.random = random_seeded(number + 1), .file = -1};
    uint32_t count;
    uint64_t took;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (task)
        prepare_task(bench, &work, number);
    else
        prepare_reader(bench, &work, number);
    while (read(from, &count, sizeof(count)) == (ssize_t)sizeof(count)) {
        took = task ? touch(&work, count) : read_file(&work, count);
        if (write(to, &took, sizeof(took)) != (ssize_t)sizeof(took))
            break;
    }
    _exit(0);
}

static void worker_start(struct bench *bench, struct worker *worker, bool task, unsigned number)
{
    int to[2], from[2];

    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0)
        bench_fail(bench, "pipe: %s", strerror(errno));
    worker->pid = fork();
    if (worker->pid < 0)
        bench_fail(bench, "fork: %s", strerror(errno));
    if (worker->pid == 0) {
        close(to[1]);
        close(from[0]);
        serve(bench, task, number, to[0], from[1]);
    }
    close(to[0]);
    close(from[1]);
    worker->to = to[1];
    worker->from = from[0];
}

static void worker_stop(const struct worker *worker)
{
    kill(worker->pid, SIGKILL); /* the others have the ends of its pipes, too */
    close(worker->to);
    close(worker->from);
    waitpid(worker->pid, NULL, 0);
}

static void order(struct bench *bench, const struct worker *worker, uint32_t count)
{
    if (write(worker->to, &count, sizeof(count)) != (ssize_t)sizeof(count))
        bench_fail(bench, "a process has ended");
}

static double answer(struct bench *bench, const struct worker *worker)
{
    uint64_t took;

    if (read(worker->from, &took, sizeof(took)) != (ssize_t)sizeof(took))
        bench_fail(bench, "a process has ended");
    return (double)took;
}

/* How long the slower one takes beside the other, in per cent of its time alone. */
static double loss(struct bench *bench, const struct worker pair[2], uint32_t count)
{
    double alone[2], both[2], worst = 0;

    for (unsigned i = 0; i < 2; i++) {
        order(bench, &pair[i], count);
        alone[i] = answer(bench, &pair[i]);
    }
    for (unsigned i = 0; i < 2; i++)
        order(bench, &pair[i], count);
    for (unsigned i = 0; i < 2; i++)
        both[i] = answer(bench, &pair[i]);
    for (unsigned i = 0; i < 2; i++)
        worst = 100 * both[i] / alone[i] > worst ? 100 * both[i] / alone[i] : worst;
    return worst;
}

int main(int argc, char **argv)
{
    struct bench bench;
    struct worker task[2], reader[2];
    struct bench_row *row;
    uint32_t count;

    bench_init(&bench, &about, argc, argv);
    if (bench.file_directory == NULL)
        bench.file_directory = "/var/tmp";
    bench_start_physmem(&bench, 2048);
    bench_start_swap_direct(&bench, 2 * PAGES);
    count = bench_scale(&bench, 4000, 64);
    for (unsigned i = 0; i < 2; i++) {
        worker_start(&bench, &task[i], true, i);
        worker_start(&bench, &reader[i], false, i);
    }
    row = bench_row(&bench, 1.1, "pages at random, two at once");
    (void)loss(&bench, task, count);
    (void)loss(&bench, reader, count);
    for (unsigned round = 0; round < bench.rounds; round++) {
        double tasks = loss(&bench, task, count);

        bench_round(&bench, row, tasks, loss(&bench, reader, count));
    }
    bench_threads(&bench, "physmem", bench.physmem.pid);
    bench_threads(&bench, "swap", bench.swap.pid);
    for (unsigned i = 0; i < 2; i++) {
        bench_threads(&bench, "task", task[i].pid);
        bench_threads(&bench, "reader", reader[i].pid);
    }
    for (unsigned i = 0; i < 2; i++) {
        worker_stop(&task[i]);
        worker_stop(&reader[i]);
    }
    return bench_finish(&bench);
}
