/* References and first writes that the kernel notes, without a signal. */
#include "common.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
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
        "all access away, and a SIGSEGV handler gives it back to one page.\n"
        "First writes: all pages are armed, each is written once, and the kernel is asked which were;\n"
        "by write protection of userfaultfd that needs no answer (Linux 6.7), and by mprotect and\n"
        "SIGSEGV. Tasks learn of first writes by SIGSEGV alone.",
    .rounds = 21,
};

#define PAGES 4096u

/* ---- The baseline ---- */

static void use_half(unsigned char *base, const uint32_t *order, uint32_t count)
{
    for (uint32_t i = 0; i < count; i += 2)
        (void)*(volatile unsigned char *)(base + (size_t)order[i] * SP_PAGE_SIZE);
}

/* What is to be noticed of all pages is taken away by mprotect, and each access is a SIGSEGV. */
static double trapped(struct bench *bench, unsigned char *base, int protection,
                      void (*access)(unsigned char *base, const uint32_t *order, uint32_t count),
                      const uint32_t *order, uint32_t count)
{
    struct sigaction action = {.sa_sigaction = bench_frames_on_fault, .sa_flags = SA_SIGINFO};
    struct sigaction saved;
    uint64_t start;

    sigaction(SIGSEGV, &action, &saved);
    start = clock_now_ns();
    if (mprotect(base, (size_t)PAGES * SP_PAGE_SIZE, protection) != 0)
        bench_fail(bench, "mprotect: %s", strerror(errno));
    access(base, order, count);
    start = clock_now_ns() - start;
    sigaction(SIGSEGV, &saved, NULL);
    return (double)start / count;
}

/* ---- First writes ---- */

#define PAGE_BITS_PROTECTED                                                                        \
    (UINT64_C(1) << 57) /* of an entry of pagemap: the page was not written since */

/* Have the kernel note which of all pages are written from now on: one call. */
static void arm_writes(struct bench *bench, const struct page_bits *bits, unsigned char *base)
{
    struct uffdio_writeprotect protect = {
        .range = {.start = (uintptr_t)base, .len = (size_t)PAGES * SP_PAGE_SIZE},
        .mode = UFFDIO_WRITEPROTECT_MODE_WP};

    if (ioctl(bits->faults_fd, UFFDIO_WRITEPROTECT, &protect) != 0)
        bench_fail(bench, "write protection by userfaultfd: %s", strerror(errno));
}

static void write_all(unsigned char *base, const uint32_t *order, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        *(volatile unsigned char *)(base + (size_t)order[i] * SP_PAGE_SIZE) = 1;
}

/* All pages are armed, `count` are written once, and then all are asked about. */
static double noted_writes(struct bench *bench, const struct page_bits *bits, unsigned char *base,
                           const uint32_t *order, uint32_t count)
{
    static uint64_t entries[PAGES];
    uint64_t start = clock_now_ns();
    uint32_t written = 0;

    arm_writes(bench, bits, base);
    write_all(base, order, count);
    if (page_bits_read(bits, base, PAGES, entries) != 0)
        bench_fail(bench, "/proc/self/pagemap cannot be read");
    start = clock_now_ns() - start;
    for (uint32_t i = 0; i < PAGES; i++)
        written += (entries[i] & PAGE_BITS_PROTECTED) == 0;
    if (written != count)
        bench_fail(bench, "%u pages were written, and %u show", count, written);
    return (double)start / count;
}

/* What the kernel can do on memory as a task has it; no task has it done. */
static void first_writes(struct bench *bench, const struct page_bits *bits, unsigned char *base)
{
    static uint32_t order[PAGES];
    uint32_t count = bench_scale(bench, PAGES, 64);
    struct bench_frames frames;
    unsigned char *noted = bench_frames_mapped(bench, &frames, PAGES);

    if (page_bits_watch(bits, noted, (size_t)PAGES * SP_PAGE_SIZE) != 0)
        bench_fail(bench, "memory cannot be registered with userfaultfd");
    for (int shuffled = 0; shuffled < 2; shuffled++) {
        struct bench_row *row =
            bench_row(bench, BENCH_NO_LIMIT, "first writes, %s, kernel; no task does this",
                      shuffled ? "random" : "sequence");

        bench_order(order, PAGES, shuffled, 1);
        for (unsigned round = 0; round < bench->rounds; round++) {
            double subject = noted_writes(bench, bits, noted, order, count);

            bench_round(bench, row, subject,
                        trapped(bench, base, PROT_READ, write_all, order, count));
        }
    }
    bench_frames_fini(&frames);
    munmap(noted, (size_t)PAGES * SP_PAGE_SIZE);
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
            bench_round(bench, row[shuffled], subject,
                        trapped(bench, base, PROT_NONE, use_half, order, count));
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
        first_writes(&bench, &bits, base);
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
