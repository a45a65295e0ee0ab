/* A soft fault: a page that has its frame and its mapping, but was protected so that its next
 * reference is seen. */
#include "common.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "watcher.h"

static const struct bench_about about = {
    .name = "bench_soft_fault",
    .claim = "a soft fault costs at most 1.5 times a minimal SIGSEGV handler that calls mprotect",
    .subject = "selfpage",
    .baseline = "handler",
    .unit = "ns a fault",
    .details =
        "Subject: pages of a task's region that are resident, and protected one by one by the\n"
        "eviction policy (env->watch); each is written to once. The policy keeps a list in order of\n"
        "reference.\n"
        "Baseline: pages of the same number of memfds, mapped whole, present, and protected; the\n"
        "handler calls mprotect on one page and returns. Both run in one process, in turns.",
    .rounds = 41,
};

#define PAGES 4096u

/* ---- The baseline ---- */

static double baseline_round(struct bench *bench, unsigned char *base, const uint32_t *order,
                             uint32_t count)
{
    struct sigaction action = {.sa_sigaction = bench_frames_on_fault, .sa_flags = SA_SIGINFO};
    struct sigaction saved;
    double result;

    if (mprotect(base, (size_t)PAGES * SP_PAGE_SIZE, PROT_NONE) != 0)
        bench_fail(bench, "mprotect: %s", strerror(errno));
    sigaction(SIGSEGV, &action, &saved);
    result = bench_touch(base, order, count);
    sigaction(SIGSEGV, &saved, NULL);
    return result;
}

/* ---- */

static double subject_round(struct bench *bench, struct sp_task *task, unsigned char *base,
                            const uint32_t *order, uint32_t count)
{
    struct sp_stats before, after;
    double result;

    if (sp_advise(task, base, PAGES, SP_HINT_DONT_NEED) != 0)
        bench_fail(bench, "sp_advise failed");
    sp_get_stats(task, &before);
    result = bench_touch(base, order, count);
    sp_get_stats(task, &after);
    if (after.soft_faults - before.soft_faults != count || after.faults != before.faults)
        bench_fail(bench, "%u touches made %llu soft faults", count,
                   (unsigned long long)(after.soft_faults - before.soft_faults));
    return result;
}

int main(int argc, char **argv)
{
    static uint32_t order[PAGES];
    struct bench bench;
    struct bench_row *row[2];
    struct bench_frames frames;
    unsigned char *base, *managed;
    struct sp_task *task;
    uint32_t count;

    bench_init(&bench, &about, argc, argv);
    count = bench_scale(&bench, PAGES, 64);
    bench_start_physmem(&bench, 2 * PAGES);
    task = bench_attach(&bench, (struct sp_attach_options){.contract = "guaranteed=4608",
                                                           .policy_ops = &watcher_policy});
    managed = bench_region(&bench, task,
                           &(struct sp_region_options){.pages = PAGES, .kind = SP_DISCARDABLE});
    base = bench_frames_mapped(&bench, &frames, PAGES);
    bench_order(order, PAGES, false, 0);
    bench_touch(managed, order, PAGES);
    row[0] = bench_row(&bench, 1.5, "in sequence");
    row[1] = bench_row(&bench, 1.5, "in random order");
    for (unsigned round = 0; round < bench.rounds; round++)
        for (int shuffled = 0; shuffled < 2; shuffled++) {
            double subject, baseline;

            bench_order(order, PAGES, shuffled, round + 1);
            subject = subject_round(&bench, task, managed, order, count);
            baseline = baseline_round(&bench, base, order, count);
            bench_round(&bench, row[shuffled], subject, baseline);
        }
    bench_threads(&bench, "task", 0);
    bench_threads(&bench, "physmem", bench.physmem.pid);
    sp_detach(&task);
    bench_frames_fini(&frames);
    return bench_finish(&bench);
}
