/* An eviction with swap-in: every fault takes a frame from a dirty page, and reads its own page
 * back. */
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct bench_about about = {
    .name = "bench_evict_swap",
    .claim = "an eviction with swap-in costs at most 2.0 times the same work of a minimal handler "
             "and one round trip",
    .subject = "selfpage",
    .baseline = "handler",
    .unit = "ns a fault",
    .details =
        "Subject: a task with half as many frames as pages; all pages are precious, and each touch\n"
        "is a write. A fault takes a frame whose page goes to the swap server, and has the server\n"
        "read the missing page into it. One row for each policy and order of touches.\n"
        "Baseline: a SIGSEGV handler that takes the frame of the page that came first, writes it to\n"
        "a file (pwrite), takes its mapping away, reads the missing page into the frame (pread),\n"
        "maps it, and exchanges 64 bytes with another process over a Unix stream socket.\n"
        "The files of both lie in the same directory, and both go through the page cache.",
    .rounds = 11,
};

#define FRAMES   1024u
#define CONTRACT "guaranteed=1024"
#define PAGES    (2 * FRAMES)

/* ---- The baseline ---- */

static struct {
    struct bench_frames frames;
    struct bench_echo echo;
    unsigned char *base;
    uint32_t holds[FRAMES]; /* frame -> page */
    uint32_t next;          /* frame whose page came first */
    int file;
} handler;

static void *baseline_address(uint32_t page)
{
    return handler.base + (size_t)page * SP_PAGE_SIZE;
}

static bool write_out(uint32_t frame)
{
    return mmap(baseline_address(handler.holds[frame]), SP_PAGE_SIZE, PROT_NONE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED &&
           pwrite(handler.file, bench_frame_window(&handler.frames, frame), SP_PAGE_SIZE,
                  (off_t)handler.holds[frame] * SP_PAGE_SIZE) == (ssize_t)SP_PAGE_SIZE;
}

static bool read_in(uint32_t frame, uint32_t page)
{
    handler.holds[frame] = page;
    return pread(handler.file, bench_frame_window(&handler.frames, frame), SP_PAGE_SIZE,
                 (off_t)page * SP_PAGE_SIZE) == (ssize_t)SP_PAGE_SIZE &&
           bench_frame_map(&handler.frames, frame, baseline_address(page));
}

static void handle(int number, siginfo_t *info, void *context)
{
    uintptr_t offset = (uintptr_t)info->si_addr - (uintptr_t)handler.base;
    uint32_t frame = handler.next;

    (void)number;
    (void)context;
    handler.next = (frame + 1) % FRAMES;
    if (offset >= (uintptr_t)PAGES * SP_PAGE_SIZE || !write_out(frame) ||
        !bench_echo_ask(&handler.echo) || !read_in(frame, (uint32_t)(offset / SP_PAGE_SIZE)))
        _exit(2);
}

static void baseline_prepare(struct bench *bench)
{
    const char *directory = bench->file_directory != NULL ? bench->file_directory : "/dev/shm";
    char path[BENCH_PATH];

    snprintf(path, sizeof(path), "%.3000s/selfpage-bench-%d-baseline.img", directory,
             (int)getpid());
    handler.file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (handler.file < 0 || unlink(path) != 0)
        bench_fail(bench, "%s: %s", path, strerror(errno));
    if (posix_fallocate(handler.file, 0, (off_t)PAGES * SP_PAGE_SIZE) != 0)
        bench_fail(bench, "%s: no room", path);
    bench_frames_init(bench, &handler.frames, FRAMES);
    handler.base = bench_reserve(bench, PAGES);
    bench_echo_start(bench, &handler.echo);
    for (uint32_t frame = 0; frame < FRAMES; frame++)
        if (!read_in(frame, frame))
            bench_fail(bench, "cannot prepare the baseline: %s", strerror(errno));
}

static double baseline_round(const uint32_t *order, uint32_t count)
{
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
    struct sigaction saved;
    double result;

    sigaction(SIGSEGV, &action, &saved);
    result = bench_touch(handler.base, order, count);
    sigaction(SIGSEGV, &saved, NULL);
    return result;
}

/* ---- */

/* Nanoseconds for each page that had to be read back. */
static double subject_round(struct bench *bench, struct sp_task *task, unsigned char *base,
                            const uint32_t *order, uint32_t count)
{
    struct sp_stats before, after;
    double result;

    sp_get_stats(task, &before);
    result = bench_touch(base, order, count);
    sp_get_stats(task, &after);
    if (after.swapped_in == before.swapped_in)
        bench_fail(bench, "%u touches loaded no page", count);
    return result * count / (double)(after.swapped_in - before.swapped_in);
}

/* Each round touches one half of the pages, whose frames the other half has just then, and then the other
 * half, in the order of addresses or in another that stays the same, so that each page is out when its turn
 * comes, unless the policy keeps some: it may keep most of one half. */
static void measure_order(struct bench *bench, const char *policy, struct sp_task *task,
                          unsigned char *managed, bool shuffled)
{
    static uint32_t order[PAGES];
    struct bench_row *row =
        bench_row(bench, 2.0, "%s, %s", policy, shuffled ? "in random order" : "in sequence");

    bench_order(order, FRAMES, shuffled, 1);
    bench_order(order + FRAMES, FRAMES, shuffled, 2);
    for (uint32_t i = FRAMES; i < PAGES; i++)
        order[i] += FRAMES;
    for (unsigned turn = 0; turn < 2; turn++) {
        bench_touch(managed, order + turn * FRAMES, FRAMES);
        baseline_round(order + turn * FRAMES, FRAMES);
    }
    for (unsigned round = 0; round < bench->rounds; round++) {
        double subject = subject_round(bench, task, managed, order, PAGES);

        bench_round(bench, row, subject, baseline_round(order, PAGES));
    }
}

/* A smoke test measures in one order. */
static void measure_policy(struct bench *bench, const char *policy, bool even)
{
    struct sp_task *task =
        bench_attach(bench, (struct sp_attach_options){.contract = CONTRACT, .policy = policy});
    unsigned char *managed = bench_region(bench, task, &(struct sp_region_options){.pages = PAGES});

    if (!bench->smoke || even)
        measure_order(bench, policy, task, managed, false);
    if (!bench->smoke || !even)
        measure_order(bench, policy, task, managed, true);
    if (bench->threads == 0)
        bench_threads(bench, "task", 0);
    sp_detach(&task);
}

int main(int argc, char **argv)
{
    const struct sp_policy *policy;
    struct bench bench;

    bench_init(&bench, &about, argc, argv);
    bench_start_physmem(&bench, 2 * FRAMES);
    bench_start_swap(&bench, 2 * PAGES);
    baseline_prepare(&bench);
    /* For a smoke test some do: each policy takes seconds, and all are tested elsewhere. */
    for (size_t i = 0; (policy = sp_builtin_policy(i)) != NULL; i++)
        if ((policy->flags & SP_POLICY_LIVE) != 0 && (!bench.smoke || i % 4 == 0))
            measure_policy(&bench, policy->name, i / 4 % 2 == 0);
    bench_note(&bench, "files in %s",
               bench.file_directory != NULL ? bench.file_directory : "/dev/shm");
    bench_threads(&bench, "physmem", bench.physmem.pid);
    bench_threads(&bench, "swap", bench.swap.pid);
    bench_threads(&bench, "echo", handler.echo.pid);
    bench_echo_stop(&handler.echo);
    bench_frames_fini(&handler.frames);
    close(handler.file);
    return bench_finish(&bench);
}
