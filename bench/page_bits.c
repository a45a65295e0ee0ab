/* References and first writes that the kernel notes, without a signal. */
#include "common.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/page_bits.h"
#include "sampler.h"

static const struct bench_about about = {
    .name = "bench_page_bits",
    .claim =
        "a sampling cycle in which half of the pages are used costs at most 0.3 of SIGSEGV and "
        "mprotect",
    .subject = "selfpage",
    .baseline = "handler",
    .unit = "ns a page",
    .details =
        "A cycle: each page of 4,096 is asked about, which has it watched again if it was used; then\n"
        "every second page is read once.\n"
        "Subject: pages of a task's region, asked about by its eviction policy (env->referenced), with\n"
        "SELFPAGE_BITS=kernel, and, in rows that are not judged, with SELFPAGE_BITS=signals.\n"
        "Baseline: pages of the same number of memfds, mapped whole and present; one mprotect takes\n"
        "all access away, and a SIGSEGV handler gives it back to one page.",
    .rounds = 21,
};

#define PAGES 4096u

/* ---- The baseline ---- */

static void use_half(unsigned char *base, const uint32_t *order, uint32_t count)
{
    for (uint32_t i = 0; i < count; i += 2)
        (void)*(volatile unsigned char *)(base + (size_t)order[i] * SP_PAGE_SIZE);
}

static double baseline_cycle(struct bench *bench, unsigned char *base, const uint32_t *order,
                             uint32_t count)
{
    struct sigaction action = {.sa_sigaction = bench_frames_on_fault, .sa_flags = SA_SIGINFO};
    struct sigaction saved;
    uint64_t start;

    sigaction(SIGSEGV, &action, &saved);
    start = clock_now_ns();
    if (mprotect(base, (size_t)PAGES * SP_PAGE_SIZE, PROT_NONE) != 0)
        bench_fail(bench, "mprotect: %s", strerror(errno));
    use_half(base, order, count);
    start = clock_now_ns() - start;
    sigaction(SIGSEGV, &saved, NULL);
    return (double)start / count;
}

/* ---- The subject ---- */

static double subject_cycle(struct bench *bench, struct sp_task *task, unsigned char *base,
                            const uint32_t *order, uint32_t count)
{
    uint64_t start = clock_now_ns();

    sampler_found = 0;
    if (sp_advise(task, base, PAGES, SP_HINT_DONT_NEED) != 0)
        bench_fail(bench, "sp_advise failed");
    use_half(base, order, count);
    return (double)(clock_now_ns() - start) / count;
}

static void cycles(struct bench *bench, const char *bits, double limit, unsigned char *base)
{
    static uint32_t order[PAGES];
    uint32_t count = bench_scale(bench, PAGES, 64);
    struct bench_row *row[2];
    struct sp_task *task;
    unsigned char *managed;

    setenv("SELFPAGE_BITS", bits, 1);
    task = bench_attach(bench, (struct sp_attach_options){.contract = "guaranteed=4608",
                                                          .policy_ops = &sampler_policy});
    managed = bench_region(bench, task,
                           &(struct sp_region_options){.pages = PAGES, .kind = SP_DISCARDABLE});
    bench_order(order, PAGES, false, 0);
    bench_touch(managed, order, PAGES);
    row[0] = bench_row(bench, limit, "half of the pages, in sequence, %s", bits);
    row[1] = bench_row(bench, limit, "half of the pages, in random order, %s", bits);
    for (int shuffled = 0; shuffled < 2; shuffled++) {
        bench_order(order, PAGES, shuffled, 1);
        subject_cycle(bench, task, managed, order, count); /* what was used before is forgotten */
        for (unsigned round = 0; round < bench->rounds; round++) {
            double subject = subject_cycle(bench, task, managed, order, count);

            if (sampler_found != (count + 1) / 2)
                bench_fail(bench, "%u pages were used, and %u show", (count + 1) / 2,
                           sampler_found);
            bench_round(bench, row[shuffled], subject, baseline_cycle(bench, base, order, count));
        }
    }
    sp_detach(&task);
}

int main(int argc, char **argv)
{
    struct bench bench;
    struct bench_frames frames;
    struct page_bits bits = PAGE_BITS_NONE;
    struct sp_error error;
    unsigned char *base;

    bench_init(&bench, &about, argc, argv);
    bench_start_physmem(&bench, 2 * PAGES);
    base = bench_frames_mapped(&bench, &frames, PAGES);
    if (page_bits_open(&bits, &error) == 0) {
        page_bits_close(&bits);
        cycles(&bench, "kernel", 0.3, base);
    } else {
        bench_note(&bench, "no rows with bits of the kernel: %s", error.text);
    }
    cycles(&bench, "signals", BENCH_NO_LIMIT, base);
    bench_frames_fini(&frames);
    munmap(base, (size_t)PAGES * SP_PAGE_SIZE);
    return bench_finish(&bench);
}
