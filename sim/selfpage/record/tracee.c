#include "selfpage/record/tracee.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"

#if defined(__x86_64__)

#define INSTRUCTION 2u /* bytes of `syscall` */
#define VDSO_MOST   (64u << 10)

_Static_assert(sizeof(struct user_regs_struct) == sizeof(struct tracee_registers),
               "ptrace's registers are as many words");

int tracee_supported(struct sp_error *error)
{
    (void)error;
    return 0;
}

static int registers_get(pid_t tid, struct user_regs_struct *registers)
{
    return ptrace(PTRACE_GETREGS, tid, NULL, registers) == 0 ? 0 : -ESRCH;
}

static int registers_set(pid_t tid, const struct user_regs_struct *registers)
{
    return ptrace(PTRACE_SETREGS, tid, NULL, registers) == 0 ? 0 : -ESRCH;
}

/* Where the vDSO is. Returns false if there is none. */
static bool find_vdso(pid_t tid, uint64_t *start, uint64_t *end)
{
    char path[64], line[512];
    bool found = false;
    FILE *maps;

    snprintf(path, sizeof(path), "/proc/%d/maps", (int)tid);
    maps = fopen(path, "re");
    while (maps != NULL && !found && fgets(line, sizeof(line), maps) != NULL)
        found = strstr(line, "[vdso]") != NULL && sscanf(line, "%lx-%lx", start, end) == 2;
    if (maps != NULL)
        fclose(maps);
    return found;
}

int tracee_find_gate(struct tracee *tracee)
{
    uint64_t start, end;
    union {
        long word;
        uint8_t bytes[sizeof(long)];
    } read;

    if (!find_vdso(tracee->tid, &start, &end) || end - start > VDSO_MOST)
        return -ENOTSUP;
    for (uint64_t at = start; at < end; at += sizeof(long) - 1) {
        errno = 0;
        read.word = ptrace(PTRACE_PEEKDATA, tracee->tid, (void *)at, NULL);
        for (size_t i = 0; errno == 0 && i + 1 < sizeof(long); i++)
            if (read.bytes[i] == 0x0f && read.bytes[i + 1] == 0x05) {
                tracee->gate = at + i;
                return 0;
            }
    }
    return -ENOTSUP;
}

int tracee_look(const struct tracee *tracee, struct tracee_call *call)
{
    struct user_regs_struct registers;

    if (registers_get(tracee->tid, &registers) != 0)
        return -ESRCH;
    *call = (struct tracee_call){.number = (int64_t)registers.orig_rax,
                                 .args = {registers.rdi, registers.rsi, registers.rdx,
                                          registers.r10, registers.r8, registers.r9},
                                 .result = (int64_t)registers.rax};
    return 0;
}

int tracee_where(const struct tracee *tracee, uint64_t *instruction, uint64_t *stack)
{
    struct user_regs_struct registers;

    if (registers_get(tracee->tid, &registers) != 0)
        return -ESRCH;
    *instruction = registers.rip;
    *stack = registers.rsp;
    return 0;
}

/* Wait until the thread has stopped after a step, or at the exit of a call. Signals that come first are kept. */
static int await_stop(struct tracee *tracee, int wanted, enum __ptrace_request request)
{
    int status, number;

    for (;;) {
        if (ptrace(request, tracee->tid, NULL, NULL) != 0)
            return -ESRCH;
        while (waitpid(tracee->tid, &status, __WALL) < 0)
            if (errno != EINTR)
                return -ESRCH;
        if (!WIFSTOPPED(status)) {
            tracee->gone = true;
            tracee->status = status;
            return -ESRCH;
        }
        number = WSTOPSIG(status);
        if (number == wanted && status >> 16 == 0)
            return 0;
        if (status >> 16 == 0 && number != (SIGTRAP | 0x80) && number != SIGTRAP &&
            tracee->signal_count < TRACEE_SIGNALS &&
            ptrace(PTRACE_GETSIGINFO, tracee->tid, NULL, &tracee->signals[tracee->signal_count]) ==
                0)
            tracee->signal_count++;
    }
}

static int take(struct tracee *tracee)
{
    struct user_regs_struct registers;

    if (tracee->taken)
        return 0;
    if (registers_get(tracee->tid, &registers) != 0)
        return -ESRCH;
    memcpy(&tracee->own, &registers, sizeof(registers));
    tracee->taken = true;
    return 0;
}

int tracee_skip(struct tracee *tracee)
{
    struct user_regs_struct registers;

    check(!tracee->taken);
    if (take(tracee) != 0)
        return -ESRCH;
    memcpy(&registers, &tracee->own, sizeof(registers));
    registers.orig_rax = (unsigned long long)-1;
    if (registers_set(tracee->tid, &registers) != 0)
        return -ESRCH;
    return await_stop(tracee, SIGTRAP | 0x80, PTRACE_SYSCALL);
}

int tracee_again(struct tracee *tracee, const struct tracee_call *call)
{
    struct user_regs_struct registers;

    if (take(tracee) != 0)
        return -ESRCH;
    memcpy(&registers, &tracee->own, sizeof(registers));
    registers.rax = (unsigned long long)call->number;
    registers.orig_rax = (unsigned long long)-1; /* the kernel has nothing to restart */
    registers.rip -= INSTRUCTION;
    memcpy(&tracee->own, &registers, sizeof(registers));
    return 0;
}

int tracee_protect(struct tracee *tracee, uint64_t start, uint64_t size, int rights)
{
    struct user_regs_struct registers;

    if (take(tracee) != 0)
        return -ESRCH;
    memcpy(&registers, &tracee->own, sizeof(registers));
    registers.orig_rax = (unsigned long long)-1;
    registers.rax = SYS_mprotect;
    registers.rdi = start;
    registers.rsi = size;
    registers.rdx = (unsigned long long)rights;
    registers.rip = tracee->gate;
    if (registers_set(tracee->tid, &registers) != 0)
        return -ESRCH;
    do { /* at the exit of a call, the first step may be the end of that call */
        if (await_stop(tracee, SIGTRAP, PTRACE_SINGLESTEP) != 0 ||
            registers_get(tracee->tid, &registers) != 0)
            return -ESRCH;
    } while (registers.rip == tracee->gate);
    ensure(registers.rip == tracee->gate + INSTRUCTION);
    return (int)registers.rax;
}

int tracee_restore(struct tracee *tracee, const siginfo_t *signal)
{
    struct user_regs_struct registers;

    if (!tracee->taken)
        return 0;
    memcpy(&registers, &tracee->own, sizeof(registers));
    tracee->taken = false;
    if (signal != NULL)
        (void)ptrace(PTRACE_SETSIGINFO, tracee->tid, NULL, signal);
    return registers_set(tracee->tid, &registers);
}

#else /* not x86-64: what follows is never called, since tracee_supported refuses */

int tracee_supported(struct sp_error *error)
{
    return error_set(
        error, ENOTSUP,
        "--fast knows the registers of x86-64 alone, which this machine is not: record "
        "without it");
}

int tracee_find_gate(struct tracee *tracee)
{
    (void)tracee;
    return -ENOTSUP;
}

int tracee_look(const struct tracee *tracee, struct tracee_call *call)
{
    (void)tracee;
    (void)call;
    return -ESRCH;
}

int tracee_where(const struct tracee *tracee, uint64_t *instruction, uint64_t *stack)
{
    (void)tracee;
    (void)instruction;
    (void)stack;
    return -ESRCH;
}

int tracee_skip(struct tracee *tracee)
{
    (void)tracee;
    return -ESRCH;
}

int tracee_again(struct tracee *tracee, const struct tracee_call *call)
{
    (void)tracee;
    (void)call;
    return -ESRCH;
}

int tracee_protect(struct tracee *tracee, uint64_t start, uint64_t size, int rights)
{
    (void)tracee;
    (void)start;
    (void)size;
    (void)rights;
    return -ESRCH;
}

int tracee_restore(struct tracee *tracee, const siginfo_t *signal)
{
    (void)tracee;
    (void)signal;
    return -ESRCH;
}

#endif

bool tracee_signal(struct tracee *tracee, siginfo_t *signal)
{
    if (tracee->signal_count == 0)
        return false;
    *signal = tracee->signals[0];
    memmove(tracee->signals, tracee->signals + 1,
            --tracee->signal_count * sizeof(tracee->signals[0]));
    return true;
}
