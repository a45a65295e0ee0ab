/* What the machine says of a fault: the processor's part of a signal's context. */
#ifndef TASK_ENTRY_MACHINE_H
#define TASK_ENTRY_MACHINE_H

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

enum machine_access {
    MACHINE_READ,
    MACHINE_WRITE,
    MACHINE_EXECUTE,
    MACHINE_UNKNOWN, /* this machine does not say */
};

#if defined(__aarch64__)
/* The kernel's record of the exception; 0 if there is none. */
uint64_t machine_syndrome(const ucontext_t *context);
#endif

/* What the access that faulted was. */
static inline enum machine_access machine_access(const ucontext_t *context)
{
#if defined(__x86_64__) || defined(__i386__)
    /* Bits of the page fault's error code: 1 a write, 4 an instruction fetch. */
    unsigned long error = (unsigned long)context->uc_mcontext.gregs[REG_ERR];

    return (error & 0x10) != 0 ? MACHINE_EXECUTE : (error & 2) != 0 ? MACHINE_WRITE : MACHINE_READ;
#elif defined(__aarch64__)
    /* ESR_EL1. Exception class 0x20: instruction abort; 0x24: data abort, and then bit 6: a write (which
     * cache maintenance, bit 8, is not). */
    uint64_t syndrome = machine_syndrome(context);

    if (syndrome >> 26 == 0x20)
        return MACHINE_EXECUTE;
    if (syndrome >> 26 != 0x24)
        return MACHINE_UNKNOWN;
    return (syndrome & 0x140) == 0x40 ? MACHINE_WRITE : MACHINE_READ;
#else
    (void)context;
    return MACHINE_UNKNOWN;
#endif
}

/* The address of the instruction that faulted; 0 where the machine does not say. */
static inline uintptr_t machine_instruction(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uintptr_t)context->uc_mcontext.pc;
#else
    (void)context;
    return 0;
#endif
}

/* The stack pointer when it faulted; 0 where the machine does not say. */
static inline uintptr_t machine_stack(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
    return (uintptr_t)context->uc_mcontext.sp;
#else
    (void)context;
    return 0;
#endif
}

/* A number that differs, in all likelihood, if any general register does. */
uint64_t machine_registers(const ucontext_t *context);

#endif
