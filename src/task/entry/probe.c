/* See whether an access that faults, and that the handler repairs, goes on where it was.
 *
 * Linux ensures that; Valgrind does it only if it is told to keep all registers at every
 * instruction. Otherwise a task loses its way at some fault, and crashes or computes nonsense, long
 * after. */
#include "task/entry/probe.h"

#include <errno.h>
#include <setjmp.h>
#include <string.h>
#include <sys/mman.h>

#include <selfpage/contract.h>

#include "base/assert.h"
#include "base/error.h"

/* Pages to touch, and the pages behind them that a thread that lost its way would touch. */
enum { PROBE_PAGES = 2, PROBE_BEHIND = 2 };

/* Set while this thread probes. Volatile: the compiler sees no call between the store of it and the access
 * that faults, and would leave the store out. Initial-exec: the fault handler reads it, and must not allocate. */
static __thread unsigned char *volatile probed __attribute__((tls_model("initial-exec")));

static sigjmp_buf lost;
static volatile unsigned faults;

bool probe_fault(const siginfo_t *info)
{
    size_t page = (size_t)((unsigned char *)info->si_addr - probed) / SP_PAGE_SIZE;

    if (probed == NULL)
        return false;
    if (page >= PROBE_PAGES || ++faults > PROBE_PAGES ||
        mprotect(probed + page * SP_PAGE_SIZE, SP_PAGE_SIZE, PROT_READ | PROT_WRITE) != 0)
        siglongjmp(lost, 1);
    check(faults > 0 && faults <= PROBE_PAGES);
    return true;
}

/* Add 1 to the first byte of each page, as a compiler writes it: the pointer moves on between load
 * and store. Here Valgrind goes wrong also with --vex-iropt-register-updates=allregs-at-mem-access. */
static void touch(unsigned char *page, const unsigned char *end)
{
#if defined(__x86_64__)
    __asm__ volatile("1: movzbl (%0), %%ecx\n"
                     "add %2, %0\n"
                     "inc %%ecx\n"
                     "movb %%cl, -%c2(%0)\n"
                     "cmp %1, %0\n"
                     "jne 1b\n"
                     : "+r"(page)
                     : "r"(end), "i"(SP_PAGE_SIZE)
                     : "memory", "cc", "rcx");
#else
    for (volatile unsigned char *p = page; p != end; p += SP_PAGE_SIZE)
        ++*p;
#endif
}

int probe_resume(struct sp_error *error)
{
    size_t size = (PROBE_PAGES + PROBE_BEHIND) * SP_PAGE_SIZE;
    unsigned char *volatile pages =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    volatile bool good = false;

    if (pages == MAP_FAILED || mprotect(pages, size, PROT_NONE) != 0)
        return error_set(error, ENOMEM, "no memory to try a fault");
    check(probed == NULL);
    faults = 0;
    if (sigsetjmp(lost, 1) == 0) {
        probed = pages;
        touch(pages, pages + PROBE_PAGES * SP_PAGE_SIZE);
        good = faults == PROBE_PAGES && pages[0] == 1 && pages[SP_PAGE_SIZE] == 1;
    }
    probed = NULL;
    munmap(pages, size);
    return good ? 0
                : error_set(
                      error, ENOTSUP,
                      "a program does not go on properly here after a page fault. Under Valgrind "
                      "it does with the option --px-default=allregs-at-each-insn");
}
