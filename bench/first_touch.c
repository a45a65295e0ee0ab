/* A first touch: the page has no frame, and the task has one at hand. */
#include "common.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "first_touch_uffd.h"
#include "os/clock.h"

static const struct bench_about about = {
    .name = "bench_first_touch",
    .claim = "a first touch with a free frame at hand costs at most 1.5 times a minimal SIGSEGV "
             "handler that maps a frame",
    .subject = "selfpage",
    .baseline = "handler",
    .unit = "ns a fault",
    .details =
        "Subject: pages of a task's region that were discarded, or never used, are written to once,\n"
        "while the task has free frames.\n"
        "Baseline: a handler that maps the next free page of some memfds over the page that faulted\n"
        "(MAP_FIXED) and returns; it hands frames out in the order of the faults, like the task.\n"
        "Kernel work is the same on both sides: 'recycled' frames are present in their memfd and are\n"
        "not cleared on either side; 'cleared' ones are present, and both sides fill them with zeros\n"
        "through a second mapping first; 'fresh' ones are not present, the kernel allocates and\n"
        "clears them as the access is retried.\n"
        "In the row with runs the program announces 16 pages at a time (sp_advise) before it writes to\n"
        "them; the baseline is the same as for single touches.\n"
        "The rows with userfaultfd show what the same costs (recycled frames, in sequence) with a\n"
        "handler thread that answers by UFFDIO_CONTINUE, against the same baseline.",
    .rounds = 41,
};

#define PAGES 2048u

/* Pages that are announced together. */
#define RUN 16u

/* Frames that the task has beyond the pages it touches, so that it never evicts. */
#define SPARE 256u

/* Fresh frames come in batches; so many batches make a round. */
#define FRESH_BATCHES 16u

/* ---- The baseline ---- */

static struct {
    struct bench_frames frames;
    uint32_t next;
    bool clear;
} handler;

static void handle(int number, siginfo_t *info, void *context)
{
    void *page = (void *)((uintptr_t)info->si_addr & ~(uintptr_t)(SP_PAGE_SIZE - 1));
    uint32_t frame = handler.next++;

    (void)number;
    (void)context;
    if (frame >= handler.frames.count)
        _exit(2);
    if (handler.clear)
        memset(bench_frame_window(&handler.frames, frame), 0, SP_PAGE_SIZE);
    if (!bench_frame_map(&handler.frames, frame, page))
        _exit(2);
}

static double baseline_touch(unsigned char *base, const uint32_t *order, uint32_t count)
{
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
    struct sigaction saved;
    double result;

    sigaction(SIGSEGV, &action, &saved);
    result = bench_touch(base, order, count);
    sigaction(SIGSEGV, &saved, NULL);
    return result;
}

/* Take all mappings away. The frames stay present. */
static void baseline_reset(struct bench *bench, unsigned char *base)
{
    if (mmap(base, (size_t)PAGES * SP_PAGE_SIZE, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
        bench_fail(bench, "mmap: %s", strerror(errno));
    handler.next = 0;
}

/* Make the frames absent again. */
static void baseline_punch(struct bench *bench)
{
    for (uint32_t i = 0; i < handler.frames.count; i += BENCH_EXTENT)
        if (madvise(bench_frame_window(&handler.frames, i), (size_t)BENCH_EXTENT * SP_PAGE_SIZE,
                    MADV_REMOVE) != 0)
            bench_fail(bench, "madvise: %s", strerror(errno));
}

/* ---- Recycled frames ---- */

static double subject_round(struct bench *bench, struct sp_task *task, unsigned char *base,
                            const uint32_t *order, uint32_t count)
{
    struct sp_stats before, after;
    double result;

    if (sp_discard(task, base, PAGES) < 0)
        bench_fail(bench, "sp_discard failed");
    sp_get_stats(task, &before);
    result = bench_touch(base, order, count);
    sp_get_stats(task, &after);
    if (after.faults - before.faults != count || after.soft_faults != before.soft_faults ||
        after.evictions != before.evictions || after.held != before.held)
        bench_fail(bench, "%u touches made %llu faults and %llu evictions", count,
                   (unsigned long long)(after.faults - before.faults),
                   (unsigned long long)(after.evictions - before.evictions));
    return result;
}

/* The program says of 16 pages at a time that it is about to write them. */
static double subject_runs_round(struct bench *bench, struct sp_task *task, unsigned char *base,
                                 const uint32_t *order, uint32_t count)
{
    struct sp_stats before, after;
    uint64_t start;

    if (sp_discard(task, base, PAGES) < 0)
        bench_fail(bench, "sp_discard failed");
    sp_get_stats(task, &before);
    start = clock_now_ns();
    for (uint32_t page = 0; page < count; page += RUN) {
        if (sp_advise(task, base + (size_t)page * SP_PAGE_SIZE, RUN, SP_HINT_WILL_NEED) != 0)
            bench_fail(bench, "sp_advise failed");
        bench_touch(base, order + page, RUN);
    }
    start = clock_now_ns() - start;
    sp_get_stats(task, &after);
    if (after.faults != before.faults || after.evictions != before.evictions)
        bench_fail(bench, "pages that were said to be needed made %llu faults",
                   (unsigned long long)(after.faults - before.faults));
    return (double)start / count;
}

/* Rounds with frames that both sides have used before. `clear`: as a task's region has them unless
 * it asks for undefined contents. */
static void recycled(struct bench *bench, bool clear)
{
    static uint32_t order[PAGES];
    uint32_t count = bench_scale(bench, PAGES, 64);
    struct sp_task *task = bench_attach(
        bench, (struct sp_attach_options){.contract = "guaranteed=2304", .policy = "fifo"});
    struct sp_region_options options = {
        .pages = PAGES + SPARE, .kind = SP_DISCARDABLE, .flags = clear ? 0 : SP_REGION_UNDEFINED};
    unsigned char *managed = bench_region(bench, task, &options);
    unsigned char *base = bench_reserve(bench, PAGES);
    struct bench_row *row[2], *runs = NULL;

    handler.clear = clear;
    for (uint32_t i = 0; i < PAGES + SPARE; i++)
        managed[(size_t)i * SP_PAGE_SIZE] = 1;
    sp_discard(task, managed, PAGES + SPARE);
    row[0] = bench_row(bench, 1.5, "%s, in sequence", clear ? "cleared" : "recycled");
    row[1] = bench_row(bench, 1.5, "%s, in random order", clear ? "cleared" : "recycled");
    if (!clear)
        runs = bench_row(bench, 0.2, "recycled, in runs of %u that are announced", RUN);
    for (unsigned round = 0; round < bench->rounds; round++) {
        for (int shuffled = 0; shuffled < 2; shuffled++) {
            double subject, baseline;

            bench_order(order, PAGES, shuffled, round + 1);
            subject = subject_round(bench, task, managed, order, count);
            baseline_reset(bench, base);
            baseline = baseline_touch(base, order, count);
            bench_round(bench, row[shuffled], subject, baseline);
        }
        if (runs != NULL) {
            double subject;

            bench_order(order, PAGES, false, round + 1);
            subject = subject_runs_round(bench, task, managed, order, count);
            baseline_reset(bench, base);
            bench_round(bench, runs, subject, baseline_touch(base, order, count));
        }
    }
    if (!clear)
        bench_threads(bench, "task", 0);
    sp_detach(&task);
    munmap(base, (size_t)PAGES * SP_PAGE_SIZE);
}

/* ---- Fresh frames ---- */

/* The task gets frames in batches, a round trip each. Touch one page so that it asks for a batch,
 * and measure the pages that the rest of the batch serves. */
static void fresh_round(struct bench *bench, struct bench_row *row, uint32_t *order, bool shuffled)
{
    struct sp_task *task = bench_attach(
        bench, (struct sp_attach_options){.contract = "guaranteed=2304", .policy = "fifo"});
    unsigned char *managed = bench_region(
        bench, task, &(struct sp_region_options){.pages = PAGES, .kind = SP_DISCARDABLE});
    unsigned char *base = bench_reserve(bench, PAGES);
    uint32_t batches = bench_scale(bench, FRESH_BATCHES, 2);
    double subject = 0, baseline = 0;
    uint32_t touched = 0, measured = 0;

    bench_order(order, PAGES, shuffled, row->rounds + 1);
    baseline_reset(bench, base);
    baseline_punch(bench);
    for (uint32_t batch = 0; batch < batches; batch++) {
        struct sp_stats stats;
        uint32_t at_hand;

        bench_touch(managed, order + touched, 1);
        baseline_touch(base, order + touched, 1);
        touched++;
        sp_get_stats(task, &stats);
        at_hand = (uint32_t)(stats.held - stats.resident);
        subject += at_hand * bench_touch(managed, order + touched, at_hand);
        baseline += at_hand * baseline_touch(base, order + touched, at_hand);
        touched += at_hand;
        measured += at_hand;
    }
    bench_round(bench, row, subject / measured, baseline / measured);
    sp_detach(&task);
    munmap(base, (size_t)PAGES * SP_PAGE_SIZE);
}

static void fresh(struct bench *bench)
{
    static uint32_t order[PAGES];
    struct bench_row *row[2];

    handler.clear = false;
    row[0] = bench_row(bench, 1.5, "fresh, in sequence");
    row[1] = bench_row(bench, 1.5, "fresh, in random order");
    for (unsigned round = 0; round < bench->rounds; round++)
        for (int shuffled = 0; shuffled < 2; shuffled++)
            fresh_round(bench, row[shuffled], order, shuffled);
}

/* ---- Userfaultfd ---- */

/* A first touch that a handler thread answers, on one core or on another. */
static void userfaultfd(struct bench *bench)
{
    static uint32_t order[PAGES];
    uint32_t count = bench_scale(bench, PAGES, 64);
    unsigned char *base = bench_reserve(bench, PAGES);
    struct uffd uffd;
    char why[BENCH_NOTE];

    handler.clear = false;
    if (!uffd_open(&uffd, PAGES, why, sizeof(why))) {
        bench_note(bench, "no row with userfaultfd: %s", why);
        return;
    }
    bench_order(order, PAGES, false, 0);
    for (int other = 0; other < 2; other++) {
        int core = other ? bench->other_core : bench->core[0];
        struct bench_row *row;

        if (core < 0) {
            bench_note(bench, "no row with a userfaultfd thread on another core: there is none");
            break;
        }
        row = bench_row(bench, BENCH_NO_LIMIT, "userfaultfd thread, %s core",
                        other ? "other" : "same");
        uffd_start(bench, &uffd, core);
        for (unsigned round = 0; round < bench->rounds; round++) {
            double subject;

            uffd_reset(bench, &uffd);
            subject = bench_touch(uffd.base, order, count);
            baseline_reset(bench, base);
            bench_round(bench, row, subject, baseline_touch(base, order, count));
        }
        bench_threads(bench, other ? "uffd other" : "uffd same", 0);
        uffd_stop(bench, &uffd);
    }
    uffd_close(&uffd);
    munmap(base, (size_t)PAGES * SP_PAGE_SIZE);
}

int main(int argc, char **argv)
{
    struct bench bench;

    bench_init(&bench, &about, argc, argv);
    bench_start_physmem(&bench, 2 * (PAGES + SPARE));
    bench_frames_init(&bench, &handler.frames, PAGES);
    recycled(&bench, false);
    recycled(&bench, true);
    fresh(&bench);
    bench_threads(&bench, "physmem", bench.physmem.pid);
    for (uint32_t i = 0; i < handler.frames.count; i++)
        *bench_frame_window(&handler.frames, i) = 1;
    userfaultfd(&bench);
    bench_frames_fini(&handler.frames);
    return bench_finish(&bench);
}
