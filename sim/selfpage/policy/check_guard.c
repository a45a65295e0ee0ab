#include "selfpage/policy/check_guard.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/* Far enough that an index out by a few thousand still hits it. */
#define GUARD_SIZE (256u << 10)

#define CANARY 0xa5

#define SIDE_STACK   (64u << 10)
#define SIGNAL_STACK (64u << 10)

/* What <selfpage/policy.h> grants; and a little for the functions between the switch and the
 * policy. */
#define STACK_MOST (8u << 10)
#define STACK_OURS 256u

/* For the signal handlers: there is one check in a process. */
static struct check_log *the_log;
static const struct guarded *the_guarded;
static size_t the_guarded_count;

/* Where the kernel shows the time to functions that need no system call, such as time(): mappings of
 * its own, which are hidden while system calls are. */
#define CLOCKS_MOST 4
static struct {
    const unsigned char *begin, *end;
} the_clocks[CLOCKS_MOST];
static size_t the_clock_count;

/* ---- Guarded memory ---- */

static size_t whole_pages(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (size + page - 1) / page * page;
}

bool check_guard_init(struct guarded *guarded, size_t size, bool at_end)
{
    size_t room = (size + 63) / 64 * 64;
    unsigned char *inner;

    guarded->size = size;
    guarded->inner_size = whole_pages(room > 0 ? room : 1);
    guarded->mapping_size = guarded->inner_size + 2 * GUARD_SIZE;
    guarded->mapping = mmap(NULL, guarded->mapping_size, PROT_NONE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (guarded->mapping == MAP_FAILED)
        return false;
    inner = guarded->mapping + GUARD_SIZE;
    if (mprotect(inner, guarded->inner_size, PROT_READ | PROT_WRITE) != 0)
        return false;
    guarded->self = at_end ? inner + guarded->inner_size - room : inner;
    memset(guarded->self + size, CANARY,
           (size_t)(inner + guarded->inner_size - guarded->self) - size);
    return true;
}

void check_guard_check(const struct guarded *guarded, struct check_log *log)
{
    const unsigned char *end = guarded->mapping + GUARD_SIZE + guarded->inner_size;

    for (const unsigned char *at = guarded->self + guarded->size; at < end; at++)
        if (*at != CANARY)
            check_text_breach(log,
                              "it writes %zu bytes behind the end of its state, which has the %zu "
                              "bytes that its function size asked for",
                              (size_t)(at - guarded->self) - guarded->size, guarded->size);
}

void check_guard_fini(struct guarded *guarded)
{
    munmap(guarded->mapping, guarded->mapping_size);
    guarded->mapping = NULL;
}

/* ---- Signals ---- */

static const struct guarded *guarded_near(const unsigned char *address)
{
    for (size_t i = 0; i < the_guarded_count; i++) {
        const struct guarded *g = &the_guarded[i];

        if (g->mapping != NULL && address >= g->mapping && address < g->mapping + g->mapping_size)
            return g;
    }
    return NULL;
}

static bool is_clock(const unsigned char *address)
{
    for (size_t i = 0; i < the_clock_count; i++)
        if (address >= the_clocks[i].begin && address < the_clocks[i].end)
            return true;
    return false;
}

static void note_bad_access(const unsigned char *address)
{
    const struct guarded *g = guarded_near(address);

    if (is_clock(address))
        check_text_breach(the_log, "it reads a clock, which no policy may");
    else if (g == NULL)
        check_text_breach(the_log, "it crashes, by an access to address %p", (const void *)address);
    else if (address < g->self)
        check_text_breach(the_log, "it touches memory %zu bytes before the beginning of its state",
                          (size_t)(g->self - address));
    else
        check_text_breach(the_log,
                          "it touches memory %zu bytes behind the end of its state, which has "
                          "the %zu bytes that its function size asked for",
                          (size_t)(address - g->self) - g->size, g->size);
}

/* True if the instruction that faulted reads the time stamp counter, as clocks do. */
static bool reads_clock(const void *context)
{
#if defined(__x86_64__)
    const ucontext_t *user = context;
    const unsigned char *at = (const unsigned char *)user->uc_mcontext.gregs[REG_RIP];

    return at[0] == 0x0f && (at[1] == 0x31 || (at[1] == 0x01 && at[2] == 0xf9));
#else
    (void)context;
    return false;
#endif
}

static void note_system_call(int number)
{
    const char *why = "which no policy may";

    if (number == SYS_brk || number == SYS_mmap || number == SYS_munmap || number == SYS_mremap)
        why = "as allocating memory does, which no policy may";
    else if (number == SYS_clock_gettime || number == SYS_gettimeofday)
        why = "to read a clock, which no policy may";
    else if (number == SYS_futex || number == SYS_nanosleep || number == SYS_clock_nanosleep)
        why = "and may block, which no policy may";
    else if (number == SYS_read || number == SYS_write || number == SYS_openat)
        why = "for input or output, which no policy may";
    check_text_breach(the_log, "it makes system call %d, %s", number, why);
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
    if (signal == SIGSYS)
        note_system_call(info->si_syscall);
    else if (signal == SIGSEGV && info->si_code == SI_KERNEL && reads_clock(context))
        check_text_breach(the_log, "it reads a clock, which no policy may");
    else if (signal == SIGSEGV || signal == SIGBUS)
        note_bad_access(info->si_addr);
    else if (signal == SIGALRM)
        check_text_breach(the_log, "it does not come back");
    else if (signal == SIGABRT)
        check_text_breach(the_log, "it aborts (an assertion of its own?)");
    else
        check_text_breach(the_log, "it crashes, by signal %d (%s)", signal,
                          signal == SIGFPE ? "arithmetic, such as a division by zero"
                                           : "a bad instruction");
    _exit(0);
}

bool check_guard_signals(struct check_log *log, const struct guarded *guarded, size_t count)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGALRM};
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t stack = {.ss_size = SIGNAL_STACK};

    the_log = log;
    the_guarded = guarded;
    the_guarded_count = count;
    stack.ss_sp =
        mmap(NULL, SIGNAL_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack.ss_sp == MAP_FAILED || sigaltstack(&stack, NULL) != 0)
        return false;
    sigfillset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        if (sigaction(signals[i], &action, NULL) != 0)
            return false;
    return true;
}

/* ---- System calls ---- */

#define ALLOW(call)                                                                                \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* "BEGIN-END PERMISSIONS OFFSET DEVICE INODE NAME" */
static void clock_hide(const char *line)
{
    unsigned long begin, end;
    char name[32] = "";

    if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %31s", &begin, &end, name) != 3 ||
        strncmp(name, "[vvar", strlen("[vvar")) != 0 || the_clock_count == CLOCKS_MOST)
        return;
    if (mmap((void *)begin, end - begin, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
             0) == MAP_FAILED)
        return; /* where it cannot be hidden, it goes unnoticed */
    the_clocks[the_clock_count].begin = (const unsigned char *)begin;
    the_clocks[the_clock_count++].end = (const unsigned char *)end;
}

/* The lines are read first: after the first change the file is another one. */
static void clocks_hide(void)
{
    static char lines[CLOCKS_MOST][256];
    size_t count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");

    if (maps == NULL)
        return;
    while (count < CLOCKS_MOST && fgets(lines[count], sizeof(lines[count]), maps) != NULL)
        count += strstr(lines[count], "[vvar") != NULL;
    fclose(maps);
    for (size_t i = 0; i < count; i++)
        clock_hide(lines[i]);
}

bool check_guard_system_calls(void)
{
    /* swapcontext sets the signal mask; _exit ends the process; alarm is ours. */
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(SYS_rt_sigprocmask),
        ALLOW(SYS_rt_sigreturn),
        ALLOW(SYS_exit_group),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
    };
    struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return false;
    clocks_hide();
#if defined(__x86_64__)
    prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0); /* where this fails, or a hypervisor ignores it, the
                                                     processor's clock is read unnoticed */
#endif
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

/* ---- The stack ---- */

struct side_stack {
    struct check_log *log;
    ucontext_t main, side;
    void (*work)(void *);
    void *argument;
    const unsigned char *base; /* where the policy's part begins */
    uint64_t *lowest;          /* no word below was ever written */
    uint64_t *bottom;
    size_t allocated;
};

#define PAINT UINT64_C(0xa5a5a5a5a5a5a5a5)

static size_t allocated_now(void)
{
#if defined(__GLIBC__)
    return mallinfo2().uordblks;
#else
    return 0;
#endif
}

static void run_side(unsigned high, unsigned low)
{
    struct side_stack *side = (struct side_stack *)((uintptr_t)high << 32 | (uintptr_t)low);

    side->base = __builtin_frame_address(0);
    for (;;) {
        side->work(side->argument);
        swapcontext(&side->side, &side->main);
    }
}

/* Apart, since getcontext may return twice, for all the compiler knows. */
static bool side_stack_prepare(struct side_stack *side)
{
    if (getcontext(&side->side) != 0)
        return false;
    side->side.uc_stack.ss_sp = side->bottom;
    side->side.uc_stack.ss_size = SIDE_STACK;
    makecontext(&side->side, (void (*)(void))run_side, 2, (unsigned)((uintptr_t)side >> 32),
                (unsigned)((uintptr_t)side & UINT32_MAX));
    return true;
}

struct side_stack *check_guard_stack_new(struct check_log *log)
{
    struct side_stack *side = calloc(1, sizeof(*side));
    unsigned char *memory = mmap(NULL, SIDE_STACK + GUARD_SIZE, PROT_NONE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (side == NULL || memory == MAP_FAILED ||
        mprotect(memory + GUARD_SIZE, SIDE_STACK, PROT_READ | PROT_WRITE) != 0)
        return NULL;
    side->log = log;
    side->bottom = (uint64_t *)(void *)(memory + GUARD_SIZE);
    side->lowest = side->bottom + SIDE_STACK / sizeof(uint64_t);
    memset(side->bottom, PAINT & 0xff, SIDE_STACK);
    return side_stack_prepare(side) ? side : NULL;
}

static void measure_stack(struct side_stack *side)
{
    uint64_t *at = side->bottom;
    size_t used;

    while (at < side->lowest && *at == PAINT)
        at++;
    side->lowest = at;
    used = (size_t)(side->base - (const unsigned char *)at);
    if (side->base > (const unsigned char *)at && used > STACK_MOST + STACK_OURS)
        check_text_breach(side->log, "it uses %zu bytes of stack, of which a policy may use %u",
                          used - STACK_OURS, STACK_MOST);
}

void check_guard_invoke(void *context, void (*work)(void *), void *argument)
{
    struct side_stack *side = context;
    size_t before = allocated_now();

    side->work = work;
    side->argument = argument;
    swapcontext(&side->main, &side->side);
    if (allocated_now() != before)
        check_text_breach(side->log, "it allocates memory, which no policy may");
    measure_stack(side);
}
